"""The MLflow child alone: the real process on its private socket, without gateway or controller."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.launcher import spawning
from jupyter_modelserve.settings import Paths


@dataclass(frozen=True)
class Child:
    """A running child with a client that speaks as the gateway does."""

    paths: Paths
    pid: int
    http: httpx.Client

    def post(self, operation: str, **body: object) -> httpx.Response:
        """POST to ``/api/2.0/mlflow/<operation>``."""
        return self.http.post(f"/api/2.0/mlflow/{operation}", json=body)

    def get(self, operation: str, **query: str) -> httpx.Response:
        """GET ``/api/2.0/mlflow/<operation>``."""
        return self.http.get(f"/api/2.0/mlflow/{operation}", params=query)


def spawn(paths: Paths) -> subprocess.Popen[bytes]:
    """Start a child whose lifetime pipe is the returned process's ``stdin``."""
    paths.create()
    with (paths.logs / "mlflow.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "jupyter_modelserve.plugins.mlflow_app", "--home", str(paths.home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=spawning.environment(paths),
        )


async def prepare(paths: Paths) -> None:
    """What the controller does before it starts the child; ada is the admin."""
    database = Database.of(paths)
    await database.prepare("ada")
    await database.close()


def gateway_client(paths: Paths) -> httpx.Client:
    """A client that names a principal, as only the gateway can."""
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=str(paths.mlflow_socket)),
        base_url="http://127.0.0.1:20000",
        headers={"x-modelserve-principal": "ada"},
        timeout=30,
    )


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    # The characters mean something in a URL, in a path pattern or in a configuration file.
    with tempfile.TemporaryDirectory(prefix="ms ?%20#é-") as directory:
        paths = Paths(Path(directory))
        paths.create()
        asyncio.run(prepare(paths))
        process = spawn(paths)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n", (paths.logs / "mlflow.log").read_text()
        with gateway_client(paths) as http:
            yield Child(paths, process.pid, http)
        process.stdin.close()
        assert process.wait(10) is not None
        process.stdout.close()


@pytest.fixture
def paths() -> Iterator[Paths]:
    home = Path(tempfile.mkdtemp(prefix="ms-"))
    yield Paths(home)
    shutil.rmtree(home)
