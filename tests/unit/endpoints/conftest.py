"""The fixture of the reconciler's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.controller.endpoints.effects import Effects
from jupyter_modelserve.controller.endpoints.observation import Observer
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.endpoints.reconciler import EndpointReconciler, Parts
from jupyter_modelserve.controller.endpoints.view import Desired, Key
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.settings import Paths, Settings
from tests.support.fake_engine import FakeEngine
from tests.unit.endpoints.bench import Bench, FakePreparer, FakeReplica
from tests.unit.endpoints.world import desired, model, version


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = Database.of(Paths(tmp_path))
    await database.prepare()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("x")
    engine, replica, preparer = FakeEngine(), FakeReplica(), FakePreparer(tmp_path / "model")
    publication = Publication("i", database)
    await publication.load(["iris"])
    events: list[str] = []

    async def emit(kind: str, message: str, key: Key | None, data: dict[str, object]) -> None:
        events.append(message)

    async def forget() -> None:
        events.append("forgotten")

    async def read() -> Desired:
        return made.want

    def connect(address: str, key: str) -> Any:
        return next((each for name, each in made.others.items() if name in address), replica)

    parts = Parts(preparer, publication, Settings(), "http://h", read, emit, forget)  # type: ignore[arg-type]
    reconciler = EndpointReconciler("iris", Observer("iris", engine, connect), Effects(engine, Settings()), parts)
    made = Bench(reconciler, engine, replica, preparer, publication, desired(model(version(1))), events)
    yield made
    await database.close()
