"""R1 and R2: what is served changes under load, and not one request fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos import models
from tests.chaos.world import KILLS, REQUESTS, World, told_apart, until
from tests.support.load import Load
from tests.support.slo import Slo

Note = Callable[[str], None]
BOTH = frozenset({"1", "2"})
MOVES = max(5, KILLS)


def judge(load: Load, note: Note, slo: Slo) -> None:
    """Check the SLO and that no answer is a mixture; report the figures."""
    note(slo.check(load.shots))
    told_apart(load.shots)


@pytest.mark.req("REQ-012", "REQ-070", "REQ-077", "REQ-129")
def test_r1_an_alias_moves_to_a_version_that_must_be_loaded(world: World, note: Note) -> None:
    world.steady("r1")
    world.registry.set_registered_model_alias("r1", "Champion", "1")
    world.put("r1", "r1", "alias", "Champion", replicas=2)
    with world.load("/model/r1/Champion/invocations") as load:
        load.wait_for(100)
        for move in range(MOVES):
            version = str(2 - move % 2)
            world.registry.set_registered_model_alias("r1", "Champion", version)
            world.answered_by(load, version)
        load.wait_for(REQUESTS)
    judge(load, note, Slo(failed=0, versions=BOTH, least=REQUESTS))
    world.stable("r1", version)
    world.tidy("r1", workers=2, replicas=2)


@pytest.mark.nearly_any_engine
@pytest.mark.req("REQ-070", "REQ-129", "REQ-131")
def test_r1_an_alias_moves_between_loaded_versions_by_name_and_endpoint(world: World, note: Note) -> None:
    world.steady("r1-loaded")
    world.registry.set_registered_model_alias("r1-loaded", "Champion", "1")
    world.put("r1-loaded", "r1-loaded", "active")
    with world.load("/model/r1-loaded/Champion/invocations") as load:
        for move in range(MOVES + 1):
            version = str(2 - move % 2)
            world.registry.set_registered_model_alias("r1-loaded", "Champion", version)
            world.answered_by(load, version)
        load.wait_for(REQUESTS // 2)
    judge(load, note, Slo(failed=0, versions=BOTH, least=REQUESTS // 2))
    world.tidy("r1-loaded", workers=2)


@pytest.mark.nearly_any_engine
@pytest.mark.req("REQ-182", "REQ-184", "REQ-185")
def test_r1_a_stage_moves_with_and_without_archiving(world: World, note: Note) -> None:
    world.steady("r1-stage", 3)
    move = world.registry.transition_model_version_stage
    move("r1-stage", "1", "Production")
    world.put("r1-stage", "r1-stage", "stage", "Production")
    with world.load("/model/r1-stage/Production/invocations") as load:
        load.wait_for(100)
        move("r1-stage", "2", "Production", archive_existing_versions=True)
        world.answered_by(load, "2")
        world.stable("r1-stage", "2")
        move("r1-stage", "3", "Production", archive_existing_versions=False)
        world.answered_by(load, "3")
        world.stable("r1-stage", "2", "3")
        assert world.score("/model/r1-stage/2/invocations").json() == {"predictions": [2]}
        move("r1-stage", "3", "Archived")
        world.answered_by(load, "2")
    judge(load, note, Slo(failed=0, versions=frozenset("123")))
    until("version 1 is refused", lambda: world.score("/model/r1-stage/1/invocations").status_code == 404)
    world.tidy("r1-stage", workers=1)


@pytest.mark.any_engine
@pytest.mark.req("REQ-129", "REQ-131")
def test_r1_an_endpoint_is_given_another_version_and_name_of_its_entity(world: World, note: Note) -> None:
    """As `%serve iris/2` after `%serve iris/1` does it."""
    world.steady("r1-renamed")
    world.put("r1-renamed", "r1-renamed", "version", "1", name="first")
    with world.load("/serving-endpoints/r1-renamed/invocations") as load:
        load.wait_for(100)
        for version, name in (("2", "second"), ("1", "first")):
            world.put("r1-renamed", "r1-renamed", "version", version, name=name)
            world.answered_by(load, version)
            load.wait_for(len(load.shots) + 100)
    judge(load, note, Slo(failed=0, versions=BOTH))
    world.stable("r1-renamed", "1")
    world.tidy("r1-renamed", workers=1)


@pytest.fixture
def champion(world: World) -> Callable[[str, object], Load]:
    """An endpoint that follows an alias to version 1, under load; version 2 is the bad one that the alias moves to."""

    def start(name: str, bad: object) -> Load:
        world.register(name, models.steady(world.mlflow, 1), bad)
        world.registry.set_registered_model_alias(name, "Champion", "1")
        world.put(name, name, "alias", "Champion")
        return world.load(f"/model/{name}/Champion/invocations", rate=100)

    return start


def failed(world: World, name: str) -> dict[str, object]:
    """Wait until the change has failed; the failure of version 2."""

    def check() -> dict[str, object] | None:
        found = world.version(name, "2").get("failure")
        return found if found and world.status(name)["update"] == "UPDATE_FAILED" else None

    return until(f"the change of {name} is UPDATE_FAILED with a reason", check)


def put_back(world: World, name: str) -> None:
    """The alias goes back: the endpoint is whole, and nothing of the failed version is left."""
    assert world.status(name)["service"] == "READY"
    world.registry.set_registered_model_alias(name, "Champion", "1")
    world.stable(name, "1")
    world.tidy(name, workers=1)


@pytest.mark.req("REQ-129", "REQ-131")
def test_r2_a_version_that_cannot_load(world: World, champion: Callable[[str, object], Load], note: Note) -> None:
    with champion("r2-load", models.unloadable(world.mlflow)) as load:
        world.registry.set_registered_model_alias("r2-load", "Champion", "2")
        found = failed(world, "r2-load")
        load.wait_for(500)
    assert found["cause"] == "missing module"
    assert "no_such_module_anywhere" in str(found["message"])
    judge(load, note, Slo(failed=0, versions=frozenset("1")))
    put_back(world, "r2-load")


@pytest.mark.nearly_any_engine
@pytest.mark.req("REQ-129")
def test_r2_a_version_that_is_never_ready(world: World, champion: Callable[[str, object], Load], note: Note) -> None:
    with champion("r2-never", models.never_ready(world.mlflow)) as load:
        world.configure("startup_budget = 8.0\n")
        try:
            world.registry.set_registered_model_alias("r2-never", "Champion", "2")
            found = failed(world, "r2-never")
        finally:
            world.configure("")
    assert found["cause"] == "start-up timed out"
    judge(load, note, Slo(failed=0, versions=frozenset("1"), least=500))
    put_back(world, "r2-never")


@pytest.mark.req("REQ-131")
def test_r2_a_version_that_crashes_a_second_after_it_was_ready(
    world: World, champion: Callable[[str, object], Load], note: Note
) -> None:
    def rolled_back() -> str:
        found = world.status("r2-crash")
        return str(found["update_message"]) if found["update"] == "UPDATE_FAILED" else ""

    with champion("r2-crash", models.short_lived(world.mlflow, 1.5)) as load:
        world.registry.set_registered_model_alias("r2-crash", "Champion", "2")
        reason = until("the change is rolled back", rolled_back)
        world.answered_by(load, "1")
        load.wait_for(len(load.shots) + 100)
    assert "version 2" in reason
    assert "version 1 answers again" in reason
    assert "exit code 3" in reason
    failure = world.version("r2-crash", "2")["failure"]
    assert (failure["cause"], bool(failure["hint"]), bool(failure["log_tail"])) == ("crashed", True, True), failure
    note(Slo(failed=0, versions=BOTH).check(load.shots))
    assert {shot.version for shot in load.shots[-50:]} == {"1"}
    put_back(world, "r2-crash")
