"""The package index: whether an environment build could have a package now."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from jupyter_modelserve.cli.checks.finding import Finding, Level
from jupyter_modelserve.settings import Paths, Settings

_SUBJECT: Final = "package index"
_SECONDS: Final = 20


def index(paths: Paths) -> Finding:
    """The index (or wheel directory) of pip's and uv's configuration gives a package."""
    settings = Settings.load(paths.home)
    if settings.offline and not settings.find_links:
        return Finding(Level.OK, _SUBJECT, "not used (offline)")
    # A program of the controller's, which knows how builds are configured: nothing of it may be imported here.
    command = [sys.executable, "-m", "jupyter_modelserve.controller.environments.reaching", "--home", str(paths.home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    found = json.loads(done.stdout)
    if not found["problem"]:
        return Finding(Level.OK, _SUBJECT, "gives packages")
    message = f"{found['problem']}: models whose packages are not installed here cannot be served"
    return Finding(Level.WARN, _SUBJECT, message, str(found["hint"]))
