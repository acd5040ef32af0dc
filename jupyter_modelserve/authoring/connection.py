"""Points MLflow at the instance: for one registration, or for the whole kernel by ``ms.connect(track=True)``.

Registering uses an ``MlflowClient`` bound to our address and never touches the kernel's tracking URI or active run.
MLflow reads credentials from process-wide variables though, so :func:`credentials` swaps them for the duration; the
user's own token for another server is taken out of reach, so that it is not sent to us.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jupyter_modelserve.authoring import stamp
from jupyter_modelserve.client import session
from jupyter_modelserve.client.address import Address
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.plugins import auth_provider, run_context

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CREDENTIALS: Final = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_lock = threading.RLock()


@contextmanager
def credentials(address: Address) -> Iterator[None]:
    """MLflow's requests carry our token, and only ours, inside this block; everything is put back afterwards."""
    import mlflow  # noqa: F401 - the registry of providers exists once mlflow is loaded

    auth_provider.install()
    auth_provider.remember(address)
    with _lock:
        saved = {name: os.environ.get(name) for name in (*_CREDENTIALS, "MLFLOW_TRACKING_AUTH")}
        for name in _CREDENTIALS:
            os.environ.pop(name, None)
        os.environ["MLFLOW_TRACKING_AUTH"] = auth_provider.NAME
        try:
            yield
        finally:
            for name, value in saved.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def mlflow_client(url: str) -> MlflowClient:
    """An ``MlflowClient`` for tracking and registry at *url*."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=url, registry_uri=url)


def tracks_at(url: str) -> bool:
    """Whether the kernel's own tracking URI is *url*."""
    import mlflow

    return str(mlflow.get_tracking_uri()).rstrip("/") == url


def notebook_name() -> str:
    """The name of the running notebook, for the run that a registration makes; ``notebook`` when nobody tells."""
    told = stamp.current().get(stamp.NOTEBOOK) or stamp.notebook_path()
    return Path(told).stem or "notebook"


def connect(url: str | None = None, token: str | None = None, *, track: bool = False) -> Client:
    """Choose the instance that this kernel talks to; without arguments it is found, and started when none runs.

    Args:
        url: another instance's address.
        token: its token; by default ``MODELSERVE_TOKEN`` or the local token file.
        track: let ``mlflow.*`` in this kernel track and register there as well.

    Raises:
        NotRunning: nothing answers at *url*. Unauthenticated: there is no token for it, or it is refused.
    """
    client = Client.discover(url, token)
    client.status()
    session.use(client)
    if track:
        import mlflow

        auth_provider.install()
        run_context.install()
        auth_provider.remember(client.address)
        auth_provider.select()
        mlflow.set_tracking_uri(client.url)
        mlflow.set_registry_uri(client.url)
    return client
