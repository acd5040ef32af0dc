"""A tracking store and registry of MLflow in a file, behind a client that answers like an instance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import mlflow
import pytest

from jupyter_modelserve.client import session
from jupyter_modelserve.client.address import Address


@dataclass
class FileInstance:
    """What ``register`` needs of a client; MLflow's store is a file instead of a server."""

    url: str
    interpreters: list[str] = field(default_factory=list)

    @property
    def address(self) -> Address:
        return Address(self.url, "ms_secret", local=False)

    def add_interpreter(self, path: str) -> dict[str, str]:
        self.interpreters.append(path)
        return {"path": path, "python_version": ""}

    def close(self) -> None:
        return


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Making the tables takes seconds, so that all tests share one file."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/store.db"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri, uri)
    client.delete_experiment("0")
    client.create_experiment("notebooks", artifact_location=f"file://{folder}/artifacts")
    yield uri
    mlflow.set_tracking_uri(before)


@pytest.fixture
def instance(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileInstance]:
    found = FileInstance(store)
    monkeypatch.setattr(session, "_current", found)
    yield found
    mlflow.end_run()


@pytest.fixture
def mlflow_client(store: str) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store, store)
