"""The transition tables are whole, and what the code does never leaves them."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from jupyter_modelserve.controller.endpoints import machines
from jupyter_modelserve.controller.endpoints.status import version_state
from jupyter_modelserve.controller.endpoints.view import Key
from jupyter_modelserve.controller.engines.base import ReplicaSpec
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.replica.parent import launching
from jupyter_modelserve.replica.parent import worker as parent_worker
from jupyter_modelserve.replica.parent.reaper import Reaper
from jupyter_modelserve.replica.parent.status import Status
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState, VersionState
from tests.unit.endpoints.test_planner_machine import PlannerMachine
from tests.unit.endpoints.world import World

STAND_IN = Path(__file__).parents[2] / "support" / "stand_in_parent.py"
TABLES: list[tuple[Mapping[Any, frozenset[Any]], Any]] = [
    (machines.REPLICA, ReplicaState.PENDING),
    (machines.VERSION, VersionState.PENDING),
    (machines.WORKER, VersionState.LOADING),
]


@pytest.mark.parametrize(("table", "start"), TABLES)
def test_every_state_can_be_reached_and_none_follows_itself(table: Mapping[Any, frozenset[Any]], start: Any) -> None:
    assert machines.reachable(table, start) | {start} == set(table)
    assert all(state not in after for state, after in table.items())


def test_the_tables_cover_the_enums() -> None:
    assert set(machines.REPLICA) == set(machines.REPLICA_MEANS) == set(ReplicaState)
    assert set(machines.VERSION) == set(machines.VERSION_MEANS) == set(VersionState)
    for state, after in machines.WORKER.items():
        assert after <= machines.VERSION[state], "what a worker may do, its version may show"


class WatchedWorld(World):
    """Notes how ``version_state`` moves whenever the world does."""

    shown: dict[Key, VersionState] | None = None
    moves: set[tuple[VersionState, VersionState]]

    def note(self) -> None:
        if not self.known:
            # A real observer keeps its last look; this world shows nothing.
            self.shown = None
            return
        seen = self.observe()
        now = {("iris", str(number)): version_state(("iris", str(number)), seen)[0] for number in range(1, 5)}
        for key, before in (self.shown or {}).items():
            if now[key] is not before:
                self.moves.add((before, now[key]))
        self.shown = now

    def step(self, want: Any) -> Any:
        self.note()
        actions = super().step(want)
        self.note()
        return actions

    def progress(self) -> None:
        self.note()
        super().progress()
        self.note()


def test_a_versions_state_moves_by_the_table() -> None:
    """Random registry changes, crashes and restarts of the controller."""
    moves: set[tuple[VersionState, VersionState]] = set()

    class Watched(PlannerMachine):
        def __init__(self) -> None:
            super().__init__()
            self.world = WatchedWorld()
            self.world.moves = moves

    run_state_machine_as_test(
        Watched,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert {(VersionState.PENDING, VersionState.BUILDING), (VersionState.PROBING, VersionState.READY)} <= moves
    assert [(old, new) for old, new in moves if new not in machines.VERSION[old]] == []


WORKER_PROGRAM = """
import json, os, sys, time
config = json.loads(sys.stdin.readline())
count = os.path.join(os.getcwd(), "lives")
lives = os.path.getsize(count) if os.path.exists(count) else 0
open(count, "a").write("x")
def say(state, **more): os.write(config["state_fd"], (json.dumps({"state": state, **more}) + "\\n").encode())
say("LOADING")
for state in config["spec"]["plan"][min(lives, len(config["spec"]["plan"]) - 1)]:
    if state == "EXIT": sys.exit(1)
    if state == "FAILED": say("FAILED", failure={"cause": "load failed", "message": "m", "hint": ""}); sys.exit(1)
    say(state, **({"verdict": "passed"} if state == "READY" else {}))
while sys.stdin.readline(): sys.exit(0)
"""


class WatchedStatus(Status):
    """Notes every state that it is given."""

    trail: list[str]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state":
            self.__dict__.setdefault("trail", []).append(value)
        super().__setattr__(name, value)


@pytest.mark.parametrize(
    ("plan", "last"),
    [
        ([["PROBING", "READY"]], "READY"),
        ([["PROBING", "READY", "EXIT"], ["PROBING", "READY"]], "READY"),
        ([["PROBING", "READY", "EXIT"], ["PROBING", "FAILED"]], "FAILED"),
        ([["FAILED"]], "FAILED"),
        ([["PROBING", "EXIT"]], "FAILED"),
        ([["EXIT"]], "FAILED"),
    ],
)
@pytest.mark.req("REQ-004")
async def test_a_workers_state_moves_by_the_table(
    plan: list[list[str]], last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent's own supervision of a real process that loads, crashes or fails as told."""
    program = tmp_path / "program.py"
    program.write_text(WORKER_PROGRAM, encoding="utf-8")
    monkeypatch.setattr(launching, "_PACKAGE", str(program))
    monkeypatch.setattr(parent_worker, "Status", WatchedStatus)
    spec = {"model": "iris", "version": "1", "environ": {}, "startup_budget": 30.0, "plan": plan}
    spec |= {"concurrency": 1, "timeout": 5.0}
    reaper = Reaper()
    reaper.start()
    launcher = launching.Launcher(str(tmp_path), "key", reaper, None)
    worker = parent_worker.Worker("w", spec, str(tmp_path), str(tmp_path), "key", 10_000, launcher, lambda: None)
    status = worker.status
    assert isinstance(status, WatchedStatus)
    deadline = time.monotonic() + 30
    while not (status.state == last and status.restarts == len(plan) - 1):
        assert time.monotonic() < deadline, status.trail
        await asyncio.sleep(0.01)
    await worker.stop(5.0)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
    trail = [VersionState(each) for each in status.trail]
    changes = [(old, new) for old, new in itertools.pairwise(trail) if old is not new]
    assert (VersionState(last), VersionState.UNLOADING) in changes
    assert [(old, new) for old, new in changes if new not in machines.WORKER[old]] == []


async def test_a_replicas_state_moves_by_the_table(tmp_path: Path) -> None:
    """The process engine starts, loses, replaces and ends a real process, while somebody looks all the time."""
    paths = Paths(tmp_path / "home")
    paths.create()
    engine = ProcessEngine(paths, "instance", program=STAND_IN)
    spec = ReplicaSpec("0123456789ab", "iris", "e1", sys.executable)
    trail: list[ReplicaState] = [ReplicaState.PENDING]
    pids: list[int] = []
    done = asyncio.Event()

    async def look() -> None:
        while not done.is_set():
            for found in await engine.observe():
                if found.state is not trail[-1]:
                    pids.append(found.pid or 0)
                    trail.append(found.state)
            await asyncio.sleep(0)

    async def until(state: ReplicaState) -> int:
        deadline = time.monotonic() + 20
        while trail[-1] is not state:
            assert time.monotonic() < deadline, trail
            await asyncio.sleep(0.01)
        return pids[-1]

    looking = asyncio.create_task(look())
    try:
        await engine.ensure(spec)
        os.kill(await until(ReplicaState.READY), signal.SIGKILL)
        await until(ReplicaState.FAILED)
        await engine.ensure(spec)
        await until(ReplicaState.READY)
        await engine.stop(spec.id, 5.0)
    finally:
        done.set()
        await looking
        for each in await engine.observe():
            await engine.stop(each.id, 0.0)
    # CREATING may be shorter than a look.
    skipped = machines.REPLICA[ReplicaState.CREATING]
    allowed = {
        old: after | (skipped if ReplicaState.CREATING in after else frozenset())
        for old, after in machines.REPLICA.items()
    }
    assert [(old, new) for old, new in itertools.pairwise(trail) if new not in allowed[old]] == []
    assert {ReplicaState.READY, ReplicaState.FAILED, ReplicaState.DRAINING} <= set(trail)
