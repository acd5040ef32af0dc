"""R9 and its neighbours: everything dies, a model dies again and again, the registry or its database is away."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from jupyter_modelserve import launcher
from tests.chaos import models
from tests.chaos.world import LONG, World, timed, until
from tests.support.slo import Slo

Note = Callable[[str], None]


@pytest.mark.req("REQ-004", "REQ-008")
def test_r9_everything_is_killed(world: World, note: Note) -> None:
    world.steady("r9")
    world.registry.set_registered_model_alias("r9", "Champion", "2")
    world.put("r9-alias", "r9", "alias", "Champion")
    world.put("r9-active", "r9", "active")
    # Not one of them may see the others die and mend them.
    doomed = world.processes()
    roles = {role: len(world.processes(role)) for role in ("gateway", "controller", "mlflow", "parent", "worker")}
    assert roles == {"gateway": 1, "controller": 1, "mlflow": 1, "parent": 2, "worker": 3}
    for process in doomed:
        process.suspend()
    for process in doomed:
        world.kill(process)
    assert world.processes() == []
    seconds: dict[str, float] = {}
    with timed(seconds, "ready"):
        assert launcher.ensure(world.instance.paths).url == world.instance.url
        world.stable("r9-alias", "2")
        world.stable("r9-active", "1", "2")
    note(f"both endpoints (3 workers) READY after {seconds['ready']:.2f} s")
    assert world.score("/model/r9/Champion/invocations").json() == {"predictions": [2]}
    assert world.score("/serving-endpoints/r9-active/invocations").status_code == 200
    world.tidy("r9-alias", workers=1)
    world.tidy("r9-active", workers=2)
    world.instance.wait_for_mlflow()


def test_mlflow_is_killed_and_nobody_sees_an_error(world: World, note: Note) -> None:
    world.steady("mlflow-away")
    world.registry.set_registered_model_alias("mlflow-away", "Champion", "1")
    world.put("mlflow-away", "mlflow-away", "alias", "Champion")
    seconds: dict[str, float] = {}
    with world.load("/model/mlflow-away/Champion/invocations", rate=100) as load:
        for version in ("2", "1") if LONG else ("2",):
            world.kill(world.processes("mlflow")[0])
            with timed(seconds, version):
                world.registry.set_registered_model_alias("mlflow-away", "Champion", version)
            world.answered_by(load, version)
    note(Slo(failed=0, versions=frozenset({"1", "2"})).check(load.shots))
    note("calls to the registry were held for " + ", ".join(f"{each:.2f}" for each in seconds.values()) + " s")


@pytest.mark.req("REQ-129")
def test_a_locked_database_delays_a_change_and_nothing_else(world: World, note: Note) -> None:
    world.steady("locked")
    world.registry.set_registered_model_alias("locked", "Champion", "1")
    world.put("locked", "locked", "alias", "Champion")
    with world.load("/model/locked/Champion/invocations", rate=100) as load:
        with sqlite3.connect(world.instance.paths.database, isolation_level=None, timeout=30) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            moving = threading.Thread(
                target=lambda: world.registry.set_registered_model_alias("locked", "Champion", "2"), daemon=True
            )
            moving.start()
            begun = time.monotonic()
            while time.monotonic() - begun < 10:
                assert httpx.get(f"{world.instance.url}/health", timeout=5).status_code == 200
                time.sleep(0.2)
            assert load.shots[-1].version == "1"
            connection.execute("ROLLBACK")
        connection.close()
        moving.join(60)
        assert not moving.is_alive(), "the move does not come through"
        world.answered_by(load, "2")
    note(Slo(failed=0, versions=frozenset({"1", "2"}), least=900).check(load.shots))
    world.stable("locked", "2")


@pytest.mark.req("REQ-131")
def test_a_model_that_dies_after_each_prediction_harms_nobody_else(world: World, note: Note) -> None:
    world.register("mortal", models.mortal(world.mlflow, 1))
    world.steady("neighbour", 1)
    world.put("mortal", "mortal", "version", "1")
    world.put("neighbour", "neighbour", "version", "1")
    path = "/model/mortal/1/invocations"
    with world.load("/model/neighbour/1/invocations", rate=50) as load:
        for death in range(3):
            until("it answers", lambda: world.score(path).status_code == 200)
            assert world.score(path, models.DEADLY).status_code == 200
            died(world, death + 1)
        reason = until("the reason is shown", lambda: _reason(world), 30)
        refused = world.score(path)
        assert refused.status_code in {200, 503}
        assert refused.status_code == 200 or int(refused.headers["retry-after"]) > 0
        until("it answers again", lambda: world.score(path).status_code == 200)
    assert "7" in reason
    note(Slo(failed=0, versions=frozenset("1")).check(load.shots))
    assert world.version("neighbour", "1")["restarts"] == 0


def died(world: World, times: int) -> None:
    """Wait until the status shows that the mortal model's process was started again so often."""
    until(f"death {times} is seen", lambda: world.version("mortal", "1").get("restarts", 0) >= times)


def _reason(world: World) -> str:
    found = world.version("mortal", "1").get("failure")
    if found:
        return str(found["message"])
    logs = world.ask("GET", "/api/modelserve/v1/endpoints/mortal/logs", params={"model": "mortal", "version": "1"})
    lines = [line for line in logs.json()["logs"].splitlines() if "starting again" in line] if logs.is_success else []
    return lines[-1] if len(lines) >= 3 else ""
