"""MLflow request-auth provider ``modelserve``, chosen by ``MLFLOW_TRACKING_AUTH``: no token in the environment.

MLflow asks every registered provider for its name and calls ``get_auth`` of the chosen one for each request. The
token is attached only to requests to an address of ours: MLflow also sends artifact requests to other hosts, and they
must never see it. MLflow loads this module while it is being imported itself, hence no ``import mlflow`` here.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from jupyter_modelserve.client.address import Address

NAME: Final = "modelserve"

_lock = threading.Lock()
_known: dict[tuple[str, str, int], str] = {}
_foreign: dict[tuple[str, str, int], float] = {}
_FOREIGN_SECONDS: Final = 10.0
"""How long an address that is not ours is not looked up again: MLflow sends many requests to an artifact store."""


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, "127.0.0.1" if host == "localhost" else host, port


def remember(address: Address) -> None:
    """Let requests to *address* carry its token; a kernel calls this once it has found its instance."""
    with _lock:
        _known[_origin(address.url)] = address.token


def token_for(url: str) -> str | None:
    """The token for *url*, or ``None`` when the address is not ours.

    An address that nobody announced is looked up once: ``MODELSERVE_URL`` or the local instance (never started here).
    """
    origin = _origin(url)
    if origin not in _known and time.monotonic() > _foreign.get(origin, 0.0):
        _discover(url)
        _foreign[origin] = time.monotonic() + _FOREIGN_SECONDS
    return _known.get(origin)


def _discover(url: str) -> None:
    from jupyter_modelserve.client.address import locate
    from jupyter_modelserve.errors import ModelServeError

    try:
        found = locate(start=False, jupyter=False)
    except ModelServeError:
        return
    if _origin(found.url) == _origin(url):
        remember(found)


def keep_running(url: str) -> None:
    """Make sure that the local instance runs when *url* is its address: MLflow would try again for four minutes.

    What is raised here reaches the caller at once, because MLflow asks for credentials outside of its retries.

    Raises:
        NotRunning: it has ended, and the setting ``autostart`` is off or the start failed.
    """
    from jupyter_modelserve import launcher
    from jupyter_modelserve.client.address import HOW_TO_START
    from jupyter_modelserve.errors import NotRunning
    from jupyter_modelserve.launcher import identity
    from jupyter_modelserve.settings import Paths, Settings

    paths = Paths.default()
    instance = identity.read(paths)
    if instance is None or _origin(instance.url) != _origin(url) or launcher.find(paths) is not None:
        return
    if not Settings.load(paths.home).autostart:
        raise NotRunning(f"the model serving instance at {instance.url} has ended; {HOW_TO_START}")
    launcher.ensure(paths)


class ModelServeAuth:
    """A ``requests`` auth callable: adds the header to requests to our address and leaves all others alone."""

    def __call__(self, request: Any) -> Any:
        """Called by ``requests`` for each prepared request, redirects excluded."""
        keep_running(str(request.url))
        token = token_for(str(request.url))
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


class ModelServeAuthProvider:
    """What MLflow's registry calls; it needs these two methods only, so no base class of MLflow is imported."""

    def get_name(self) -> str:
        """The value of ``MLFLOW_TRACKING_AUTH`` that selects this provider."""
        return NAME

    def get_auth(self) -> ModelServeAuth:
        """The object that ``requests`` gets as ``auth``."""
        return ModelServeAuth()


def install() -> None:
    """Make MLflow know the provider when this package runs from a checkout, where no entry point is installed."""
    from mlflow.tracking.request_auth import registry

    known: Any = registry._request_auth_provider_registry
    if not any(each.get_name() == NAME for each in known):
        known.register(ModelServeAuthProvider)


def select() -> None:
    """Choose this provider for the process, for good; see ``authoring.connection`` for the temporary way."""
    os.environ["MLFLOW_TRACKING_AUTH"] = NAME
