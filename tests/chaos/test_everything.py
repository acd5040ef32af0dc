"""R9 and its neighbours: everything dies, a model dies again and again, the registry or its database is away."""

from __future__ import annotations

import resource
import sqlite3
import threading
import time
from collections.abc import Callable

import httpx
import psutil
import pytest

from jupyter_modelserve import launcher
from jupyter_modelserve.launcher import private
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
    roles = {role: len(world.processes(role)) for role in ("gateway", "controller", "mlflow", "parent", "worker")}
    assert roles == {"gateway": 1, "controller": 1, "mlflow": 1, "parent": 2, "worker": 3}
    world.kill_everything()
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


@pytest.mark.any_engine
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


@pytest.mark.any_engine
def test_a_registry_that_hangs_stops_neither_scoring_nor_our_own_api(world: World, note: Note) -> None:
    followed(world, "hanging")
    with world.load("/model/hanging/Champion/invocations", rate=100) as load:
        (child,) = world.processes("mlflow")
        child.suspend()
        moving = threading.Thread(
            target=lambda: world.registry.set_registered_model_alias("hanging", "Champion", "2"), daemon=True
        )
        try:
            moving.start()
            load.wait_for(len(load.shots) + 400)
            assert world.status("hanging")["service"] == "READY"
            assert controller_answers(world) < 5
            assert load.shots[-1].version == "1"
        finally:
            child.resume()
        moving.join(60)
        assert not moving.is_alive(), "the move does not come through"
        world.answered_by(load, "2")
    note(Slo(failed=0, versions=frozenset({"1", "2"}), least=400).check(load.shots))


@pytest.mark.any_engine
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
                assert controller_answers(world) < 5, "what needs no database does not wait for it"
                time.sleep(0.2)
            assert load.shots[-1].version == "1"
            connection.execute("ROLLBACK")
        connection.close()
        moving.join(60)
        assert not moving.is_alive(), "the move does not come through"
        world.answered_by(load, "2")
    note(Slo(failed=0, versions=frozenset({"1", "2"}), least=900).check(load.shots))
    world.stable("locked", "2")


def controller_answers(world: World) -> float:
    """Seconds in which the controller says who it is and hands out its description of the API."""
    begun = time.monotonic()
    found = private.request(world.instance.paths.controller_socket, "GET", "/internal/health")
    assert found is not None, "the controller does not answer"
    assert world.ask("GET", "/api/modelserve/v1/openapi.json").status_code == 200
    return time.monotonic() - begun


def followed(world: World, name: str) -> None:
    """An endpoint that follows an alias to version 1."""
    world.steady(name)
    world.registry.set_registered_model_alias(name, "Champion", "1")
    world.put(name, name, "alias", "Champion")


@pytest.mark.any_engine
@pytest.mark.req("REQ-129")
def test_a_database_that_is_moved_away_takes_nothing_with_it(world: World, note: Note) -> None:
    followed(world, "moved-away")
    database = world.instance.paths.database
    kept = database.with_name("kept.db")
    with world.load("/model/moved-away/Champion/invocations", rate=100) as load:
        load.wait_for(50)
        database.rename(kept)
        try:
            load.wait_for(len(load.shots) + 200)
            # A new controller must not begin anew with an empty database and so forget what is served.
            world.kill(world.daemon("controller"))
            load.wait_for(len(load.shots) + 500)
            assert not database.exists() or not database.stat().st_size
        finally:
            kept.replace(database)
        world.daemon("controller")
        world.instance.wait_for_mlflow()
        world.registry.set_registered_model_alias("moved-away", "Champion", "2")
        world.answered_by(load, "2")
    note(Slo(failed=0, versions=frozenset({"1", "2"}), least=700).check(load.shots))
    world.stable("moved-away", "2")
    world.tidy("moved-away", workers=1)


@pytest.mark.any_engine
@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="this system cannot limit a running process")
@pytest.mark.req("REQ-129")
def test_a_full_disk_stops_changes_and_nothing_else(world: World, note: Note) -> None:
    """No process of the instance can make a file longer: what a full disk means, without filling one."""
    followed(world, "full")
    with world.load("/model/full/Champion/invocations", rate=100) as load:
        load.wait_for(50)
        limited, lanes = world.processes(), world.other_lanes()
        for process in limited:
            process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            load.wait_for(len(load.shots) + 100)
            answer = world.ask(
                "POST",
                "/api/2.0/mlflow/registered-models/alias",
                json={"name": "full", "alias": "Champion", "version": "2"},
            )
            assert answer.status_code >= 500, answer.text
            assert "Traceback" not in answer.text
            load.wait_for(len(load.shots) + 300)
            assert httpx.get(f"{world.instance.url}/health", timeout=5).status_code == 200
        finally:
            for process in limited:
                process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        # Lanes besides the first come and go with the load; everything else must be the same process as before.
        present, lanes = {each.pid for each in world.processes()}, lanes | world.other_lanes()
        assert {each.pid for each in limited} - lanes == present - lanes, "something died of it"
        world.registry.set_registered_model_alias("full", "Champion", "2")
        world.answered_by(load, "2")
    note(Slo(failed=0, versions=frozenset({"1", "2"}), least=450).check(load.shots))
    world.stable("full", "2")


@pytest.mark.nearly_any_engine
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
