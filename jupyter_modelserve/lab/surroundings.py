"""What kernels and terminals inherit from this server, so that they find the instance without being told.

Paths and addresses only: a token in an environment is readable by every process that a kernel starts.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final

from jupyter_modelserve.settings import Paths

HOME: Final = "MODELSERVE_HOME"
INFO_FILE: Final = "JUPYTER_MODELSERVE_INFO_FILE"
TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
TRACKING_AUTH: Final = "MLFLOW_TRACKING_AUTH"
TRACKING_NAME: Final = "modelserve"


class Surroundings:
    """Sets variables and puts back what was there; what somebody else changed meanwhile is left alone."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._before: dict[str, tuple[str | None, str]] = {}

    def announce_server(self, info_file: str) -> None:
        """Tell where this server's address stands and which state directory it uses."""
        if not self._environ.get(HOME):
            self._set(HOME, str(Paths.default(self._environ).home.absolute()))
        self._set(INFO_FILE, info_file)

    def announce_tracking(self, url: str) -> None:
        """Point MLflow at the instance, unless the user chose a server of their own."""
        if not self._environ.get(TRACKING_URI):
            self._set(TRACKING_URI, url)
            self._set(TRACKING_AUTH, TRACKING_NAME)

    def restore(self) -> None:
        """Put everything back; harmless when nothing was set."""
        for name, (before, ours) in self._before.items():
            if self._environ.get(name) != ours:
                continue
            if before is None:
                del self._environ[name]
            else:
                self._environ[name] = before
        self._before.clear()

    def _set(self, name: str, value: str) -> None:
        before = self._before[name][0] if name in self._before else self._environ.get(name)
        self._before[name] = (before, value)
        self._environ[name] = value
