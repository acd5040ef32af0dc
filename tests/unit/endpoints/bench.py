"""A reconciler with an engine and replicas in memory, for the tests that make things go wrong."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_modelserve.controller.digests import digest
from jupyter_modelserve.controller.endpoints.preparation import PreparationFailed, Wish
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.endpoints.reconciler import EndpointReconciler
from jupyter_modelserve.controller.endpoints.view import Desired, LabelKind, Prepared
from jupyter_modelserve.controller.engines.base import EngineUnavailable
from jupyter_modelserve.controller.replicas import ReplicaStatus, WorkerStatus
from jupyter_modelserve.types import (
    Cause,
    Environment,
    EnvironmentKind,
    Failure,
    ModelVersion,
    SelectorKind,
    ServiceState,
    UpdateState,
    VersionState,
)
from tests.support.fake_engine import FakeEngine
from tests.unit.endpoints.world import desired, entity, model, version

CHAMPION = ("iris", LabelKind.ALIAS, "Champion")
ENVIRONMENT = Environment("env", EnvironmentKind.BORROWED, sys.executable, "3.11")


@dataclass
class FakeReplica:
    """Stands for every parent: workers by id, loaded at once unless told otherwise."""

    workers: dict[str, WorkerStatus] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    cause: Cause = Cause.MISSING_MODULE
    silent: bool = False
    graces: list[float] = field(default_factory=list)

    async def status(self) -> ReplicaStatus:
        self._answer()
        return ReplicaStatus("r", "n", 1, 0.0, dict(self.workers))

    async def put_worker(self, worker: str, spec: Mapping[str, Any]) -> None:
        self._answer()
        failed = spec["version"] in self.failing
        failure = Failure(self.cause, "module x is missing") if failed else None
        state = VersionState.FAILED if failed else VersionState.READY
        found = WorkerStatus(spec["model"], spec["version"], state, failure=failure, address=f"unix:/{worker}")
        self.workers[worker] = found

    async def delete_worker(self, worker: str, grace: float) -> None:
        self._answer()
        self.graces.append(grace)
        self.workers.pop(worker, None)

    async def log(self, worker: str, tail: int, *, times: bool = False) -> str:
        self._answer()
        return f"log of {worker}\n"

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.silent:
            raise EngineUnavailable("silent")


@dataclass
class FakePreparer:
    """Prepares at once, or fails with a given cause."""

    directory: Path
    failure: Failure | None = None
    calls: int = 0
    valid: bool = True
    gate: asyncio.Event | None = None
    asked: list[int] = field(default_factory=list)
    names: tuple[str, ...] = ("abcdef012345",)
    checked: float = math.inf

    async def still_valid(self, prepared: Prepared) -> bool:
        return self.valid

    async def prepare(
        self, endpoint: str, found: ModelVersion, settings_key: str, replicas: int, progress: Any, wish: Wish
    ) -> Prepared:
        self.calls += 1
        self.asked.append(replicas)
        progress("resolve", "looking")
        if self.gate:
            await self.gate.wait()
        if self.failure:
            raise PreparationFailed(self.failure)
        files = digest(self.directory)
        name = f"w{found.version}"
        return Prepared(name, self.names, ENVIRONMENT, str(self.directory), files, checked=self.checked)


@dataclass
class Bench:
    """A reconciler with everything around it under control."""

    reconciler: EndpointReconciler
    engine: FakeEngine
    replica: FakeReplica
    preparer: FakePreparer
    publication: Publication
    want: Desired
    events: list[str]
    others: dict[str, FakeReplica] = field(default_factory=dict)

    async def passes(self, count: int = 12) -> None:
        for _ in range(count):
            await self.reconciler.reconcile()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.publication.acknowledge(self.publication.number)


def tracks(bench: Bench) -> tuple[ServiceState, UpdateState]:
    return bench.reconciler.status.service, bench.reconciler.status.update


def following(champion: str, generation: int = 1) -> Desired:
    found = model(version(1), version(2), aliases={"Champion": champion})
    return desired(found, entity(SelectorKind.ALIAS, "Champion"), generation=generation)
