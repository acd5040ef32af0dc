"""The MLflow child with the cast of the written table, and models whose files are real."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Connection

from jupyter_modelserve.controller.store import audit
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.governed import AuditRecord
from jupyter_modelserve.settings import Paths
from tests.contract.governance import cast
from tests.contract.governance.table import ADMIN
from tests.contract.mlflow.conftest import spawn

MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""
UNSIGNED = MLMODEL.partition("signature:")[0]


@dataclass(frozen=True)
class House:
    """The child as several principals see it."""

    paths: Paths
    http: httpx.Client

    def ask(self, who: str, method: str, operation: str, **values: Any) -> httpx.Response:
        """One call of MLflow's REST as *who*."""
        headers = {"x-modelserve-principal": quote(who), "user-agent": "a test/1", "x-request-id": "r1"}
        sent: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
        return self.http.request(method, f"/api/2.0/mlflow/{operation}", headers=headers, **sent)

    def put(self, who: str, path: str, content: bytes) -> httpx.Response:
        """Upload an artifact as *who*."""
        return self._artifact(who, "PUT", path, content=content)

    def fetch(self, who: str, path: str) -> httpx.Response:
        """Download an artifact as *who*."""
        return self._artifact(who, "GET", path)

    def listed(self, who: str, path: str) -> httpx.Response:
        """List artifacts as *who*."""
        headers = {"x-modelserve-principal": quote(who)}
        return self.http.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": path}, headers=headers)

    def _artifact(self, who: str, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"x-modelserve-principal": quote(who)}
        return self.http.request(method, f"/api/2.0/mlflow-artifacts/artifacts/{path}", headers=headers, **kwargs)

    def logged(self, who: str, mlmodel: str = MLMODEL) -> tuple[str, str]:
        """A logged model with files, made by *who* in a run; returns the run's id and the model's."""
        run = self.ask(who, "POST", "runs/create", experiment_id="0").json()["run"]["info"]["run_id"]
        body = {"experiment_id": "0", "name": "model", "source_run_id": run}
        made = self.ask(who, "POST", "logged-models", **body).json()["model"]["info"]
        assert self.put(who, f"0/models/{made['model_id']}/artifacts/MLmodel", mlmodel.encode()).status_code == 200
        assert self.put(who, f"0/models/{made['model_id']}/artifacts/data/model.pkl", b"bytes").status_code == 200
        return str(run), str(made["model_id"])

    def register(self, who: str, name: str, logged: str) -> httpx.Response:
        """A version of *name* from a logged model."""
        return self.ask(who, "POST", "model-versions/create", name=name, source=f"models:/{logged}", model_id=logged)

    def sql(self, work: Any, *args: Any) -> Any:
        """Run ``work(connection, *args)`` on the database."""

        async def run() -> Any:
            database = Database.of(self.paths)
            try:
                return await database.run(work, *args)
            finally:
                await database.close()

        return asyncio.run(run())

    def trail(self, name: str) -> list[AuditRecord]:
        """Audit records of a model."""

        def work(connection: Connection) -> list[AuditRecord]:
            return list(audit.listing(connection, securable=("FUNCTION", name), limit=1000))

        found: list[AuditRecord] = self.sql(work)
        return found


async def _prepare(paths: Paths) -> None:
    database = Database.of(paths)
    await database.prepare(ADMIN)
    await database.run(cast.write)
    await database.close()


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="ms-g") as directory:
        paths = Paths(Path(directory))
        paths.create()
        asyncio.run(_prepare(paths))
        process = spawn(paths)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n", (paths.logs / "mlflow.log").read_text()
        transport = httpx.HTTPTransport(uds=str(paths.mlflow_socket))
        with httpx.Client(transport=transport, base_url="http://127.0.0.1:20000", timeout=30) as http:
            yield House(paths, http)
        process.stdin.close()
        assert process.wait(10) is not None
        process.stdout.close()
