"""The planner's rules, one by one, on a fake engine and a fake clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_modelserve.controller.endpoints import planner
from jupyter_modelserve.controller.endpoints.status import derive
from jupyter_modelserve.controller.endpoints.view import Label, LabelKind
from jupyter_modelserve.types import ReplicaState, SelectorKind, ServiceState, UpdateState, VersionState
from tests.unit.endpoints.world import BROKEN, World, desired, entity, model, version

CHAMPION: Label = ("iris", LabelKind.ALIAS, "Champion")
PRODUCTION: Label = ("iris", LabelKind.STAGE, "Production")


@pytest.mark.req("REQ-002", "REQ-003", "REQ-007")
def test_every_active_version_is_loaded_on_one_replica() -> None:
    world = World()
    world.settle(desired(model(version(1), version(2, "Production"), version(3, "Archived"))))
    assert sorted(world.routed.workers) == [("iris", "1"), ("iris", "2")]
    assert len(world.replicas) == 1


@pytest.mark.req("REQ-006")
def test_a_new_version_is_loaded_and_an_archived_one_removed() -> None:
    world = World()
    world.settle(desired(model(version(1))))
    world.settle(desired(model(version(1), version(2))))
    assert sorted(world.routed.workers) == [("iris", "1"), ("iris", "2")]
    world.settle(desired(model(version(1, "Archived"), version(2))))
    assert sorted(world.routed.workers) == [("iris", "2")]
    assert sorted(world.workers) == ["r0.w-iris-2"]


def test_nothing_is_routed_before_it_predicted() -> None:
    world = World()
    want = desired(model(version(1)))
    seen = []
    for _ in range(8):
        world.step(want)
        states = [each.state for each in world.workers.values()]
        if states and states != [VersionState.READY]:
            seen += states
            assert not world.routed.workers
        world.progress()
    assert VersionState.PROBING in seen


@pytest.mark.req("REQ-070", "REQ-129")
def test_an_alias_answers_with_the_old_version_until_the_new_one_is_ready() -> None:
    world = World()
    follow = entity(SelectorKind.ALIAS, "Champion")
    versions = (version(1), version(2))
    world.settle(desired(model(*versions, aliases={"Champion": "1"}), follow))
    moved = desired(model(*versions, aliases={"Champion": "2"}), follow)
    answered = []
    for _ in range(12):
        world.step(moved)
        answered.append(world.routed.labels[CHAMPION])
        number = world.routed.labels[CHAMPION]
        (answering,) = world.routed.workers[number]
        assert world.workers[answering].ready
        world.progress()
        world.acknowledged = world.number
    assert answered[0] == ("iris", "1")
    assert answered[-1] == ("iris", "2")
    assert sorted(world.workers) == ["r0.w-iris-2"]


def test_the_old_version_is_not_unloaded_before_the_gateway_acknowledged() -> None:
    world = World()
    follow = entity(SelectorKind.ALIAS, "Champion")
    world.settle(desired(model(version(1), aliases={"Champion": "1"}), follow))
    moved = desired(model(version(1), version(2), aliases={"Champion": "2"}), follow)
    for _ in range(10):
        world.step(moved)
        world.progress()
    assert world.routed.labels[CHAMPION] == ("iris", "2")
    assert sorted(world.workers) == ["r0.w-iris-1", "r0.w-iris-2"]
    world.acknowledged = world.number
    world.settle(moved)
    assert sorted(world.workers) == ["r0.w-iris-2"]


@pytest.mark.req("REQ-129")
def test_a_new_version_that_cannot_load_leaves_the_old_one_untouched() -> None:
    world = World(broken={("iris", "2")})
    follow = entity(SelectorKind.ALIAS, "Champion")
    world.settle(desired(model(version(1), aliases={"Champion": "1"}), follow))
    world.settle(desired(model(version(1), version(2), aliases={"Champion": "2"}), follow))
    assert world.routed.labels[CHAMPION] == ("iris", "1")
    assert world.routed.entities["e"] == ("iris", "1")
    assert world.workers["r0.w-iris-1"].ready


@pytest.mark.req("REQ-016", "REQ-185")
def test_a_stage_answers_with_its_newest_version_and_keeps_the_others_reachable() -> None:
    world = World()
    world.settle(desired(model(version(1, "Production"), version(2, "Production"))))
    assert world.routed.labels[PRODUCTION] == ("iris", "2")
    assert ("iris", "1") in world.routed.workers


@pytest.mark.req("REQ-184")
def test_a_stage_switches_only_when_the_new_version_is_ready() -> None:
    world = World()
    stage = entity(SelectorKind.STAGE, "Production")
    world.settle(desired(model(version(1, "Production")), stage))
    moved = desired(model(version(1, "Archived"), version(2, "Production")), stage)
    world.step(moved)
    assert world.routed.labels[PRODUCTION] == ("iris", "1")
    world.settle(moved)
    assert world.routed.labels[PRODUCTION] == ("iris", "2")
    assert sorted(world.workers) == ["r0.w-iris-2"]


def test_an_alias_of_a_version_that_is_not_served_points_at_it_nevertheless() -> None:
    """The gateway then says which version the alias means and that it is not served."""
    world = World()
    pinned = entity(SelectorKind.VERSION, "1")
    world.settle(desired(model(version(1), version(2), aliases={"Champion": "2"}), pinned))
    assert world.routed.labels[CHAMPION] == ("iris", "2")
    assert ("iris", "2") not in world.routed.workers


@pytest.mark.req("REQ-004")
def test_a_dead_replica_is_started_again_with_its_versions() -> None:
    world = World()
    want = desired(model(version(1), version(2)))
    world.settle(want)
    world.replicas["r0"] = ReplicaState.FAILED
    world.workers.clear()
    world.step(want)
    assert not world.routed.workers
    world.settle(want)
    assert len(world.routed.workers) == 2


def test_back_off_is_respected() -> None:
    world = World()
    want = desired(model(version(1)))
    world.settle(want)
    world.replicas["r0"] = ReplicaState.FAILED
    world.workers.clear()
    seen = world.observe()
    waiting = type(seen)(**{**{n: getattr(seen, n) for n in seen.__slots__}, "not_before": {"r0": 5.0}})
    assert not [a for a in planner.plan(want, waiting, 4.9) if isinstance(a, planner.EnsureReplica)]
    assert [a for a in planner.plan(want, waiting, 5.0) if isinstance(a, planner.EnsureReplica)]


def test_unknown_is_not_gone() -> None:
    world = World()
    want = desired(model(version(1)))
    world.settle(want)
    world.known = False
    world.workers.clear()
    world.replicas.clear()
    assert world.step(want) == ()
    assert world.step(desired(model(version(1, "Archived")))) == ()


@pytest.mark.req("REQ-005", "REQ-008")
def test_an_endpoint_without_versions_stays_and_a_deleted_one_leaves_nothing() -> None:
    world = World()
    world.settle(desired(model(version(1))))
    empty = desired(model(version(1, "Archived")))
    world.settle(empty)
    assert not world.routed.workers
    assert planner.Forget() not in world.history
    gone = desired(model(version(1)), deleting=True)
    for _ in range(8):
        world.step(gone)
        world.progress()
        world.acknowledged = world.number
    assert planner.Forget() in world.history
    assert not world.replicas
    assert not world.workers


def test_a_deleted_endpoint_unroutes_before_it_unloads() -> None:
    world = World()
    world.settle(desired(model(version(1))))
    world.history.clear()
    for _ in range(8):
        world.step(desired(model(version(1)), deleting=True))
        world.progress()
        world.acknowledged = world.number
    kinds = [type(each).__name__ for each in world.history]
    assert kinds.index("Publish") < kinds.index("UnloadVersion") < kinds.index("StopReplica") < kinds.index("Forget")


def test_a_worker_is_kept_while_its_version_is_prepared_again() -> None:
    """After a restart of the controller nothing is prepared yet; what runs must be adopted, not replaced."""
    world = World()
    want = desired(model(version(1)))
    world.settle(want)
    world.preparations.clear()
    actions = world.step(want)
    assert [type(each).__name__ for each in actions] == ["Prepare"]
    world.settle(want)
    assert [type(each).__name__ for each in world.history].count("LoadVersion") == 1


def test_a_crashed_worker_is_not_routed_until_it_is_ready_again() -> None:
    world = World()
    want = desired(model(version(1)))
    world.settle(want)
    world.crash("r0.w-iris-1")
    world.step(want)
    assert not world.routed.workers
    world.settle(want)
    assert world.routed.workers == {("iris", "1"): ("r0.w-iris-1",)}


def test_a_version_in_several_replicas_is_routed_to_all_of_them() -> None:
    world = World(count=3)
    world.settle(desired(model(version(1))))
    assert world.routed.workers == {("iris", "1"): ("r0.w-iris-1", "r1.w-iris-1", "r2.w-iris-1")}
    world.replicas["r1"] = ReplicaState.FAILED
    del world.workers["r1.w-iris-1"]
    world.step(desired(model(version(1))))
    assert world.routed.workers[("iris", "1")] == ("r0.w-iris-1", "r2.w-iris-1")
    world.settle(desired(model(version(1))))
    assert len(world.routed.workers[("iris", "1")]) == 3


@pytest.mark.req("REQ-129")
def test_an_alias_moves_only_when_all_replicas_of_the_new_version_are_ready() -> None:
    world = World(count=2)
    follow = entity(SelectorKind.ALIAS, "Champion")
    world.settle(desired(model(version(1), aliases={"Champion": "1"}), follow))
    moved = desired(model(version(1), version(2), aliases={"Champion": "2"}), follow)
    for _ in range(20):
        world.step(moved)
        world.acknowledged = world.number
        answering = world.routed.workers[world.routed.labels[CHAMPION]]
        assert len(answering) == 2, "capacity is never below what was there"
        world.progress()
    assert world.routed.labels[CHAMPION] == ("iris", "2")


def test_fewer_replicas_are_unrouted_before_they_are_unloaded() -> None:
    world = World(count=2)
    want = desired(model(version(1)))
    world.settle(want)
    world.count = 1
    world.preparations.clear()
    world.settle(want)
    assert world.routed.workers == {("iris", "1"): ("r0.w-iris-1",)}
    assert list(world.replicas) == ["r0"]


def crash_loop(world: World, number: str) -> None:
    """Every worker of a version dies again and again, as its parent reports it."""
    for name, each in list(world.workers.items()):
        if each.version == number:
            world.workers[name] = replace(each, state=VersionState.LOADING, crashes=3, failure=BROKEN)


@pytest.mark.req("REQ-129", "REQ-131")
def test_a_version_that_fails_after_it_answered_is_rolled_back_by_itself() -> None:
    world = World()
    follow = entity(SelectorKind.ALIAS, "Champion")
    versions = (version(1), version(2), version(3))
    world.settle(desired(model(*versions, aliases={"Champion": "1"}), follow))
    moved = desired(model(*versions, aliases={"Champion": "2"}), follow)
    world.settle(moved)
    assert world.routed.labels[CHAMPION] == ("iris", "2")
    crash_loop(world, "2")
    for _ in range(15):
        world.step(moved)
        for name, each in list(world.workers.items()):
            if each.version == "2" and each.state is VersionState.LOADING:
                world.workers[name] = replace(each, state=VersionState.FAILED)
        world.progress()
        world.acknowledged = world.number
    assert world.routed.labels[CHAMPION] == ("iris", "1")
    assert world.routed.entities["e"] == ("iris", "1")
    assert sorted(world.workers) == ["r0.w-iris-1"]
    status = derive(moved, world.observe(), {}, "http://h")
    assert (status.service, status.update) == (ServiceState.READY, UpdateState.UPDATE_FAILED)
    reason = (
        "version 2 failed after it had answered as Champion (load failed: it does not load); version 1 answers again"
    )
    assert reason in status.update_message
    (shown,) = [each for each in status.versions if each.version == "2"]
    assert (shown.state, shown.entity, shown.failure) == (VersionState.FAILED, "e", BROKEN)
    world.settle(moved)
    assert world.routed.labels[CHAMPION] == ("iris", "1"), "it does not go back and forth"
    world.settle(desired(model(*versions, aliases={"Champion": "3"}), follow))
    assert world.routed.labels[CHAMPION] == ("iris", "3")
    assert not world.routed.refused
    assert not world.routed.reasons


def test_without_a_version_before_there_is_nothing_to_roll_back_to() -> None:
    world = World()
    follow = entity(SelectorKind.ALIAS, "Champion")
    want = desired(model(version(1), aliases={"Champion": "1"}), follow)
    world.settle(want)
    crash_loop(world, "1")
    world.step(want)
    world.acknowledged = world.number
    status = derive(want, world.observe(), {}, "http://h")
    assert (status.service, status.update) == (ServiceState.FAILED, UpdateState.UPDATE_FAILED)
    world.settle(want)
    assert world.routed.workers == {("iris", "1"): ("r0.w-iris-1",)}


@pytest.mark.parametrize("kept", [True, False], ids=["the same name", "another name"])
def test_an_entity_of_another_name_and_version_takes_over_when_it_is_ready(kept: bool) -> None:
    """`%serve iris/2` after `%serve iris/1` names the entity anew: no request may fail for that (REQ-129)."""
    world, found = World(), model(version(1), version(2))
    world.settle(desired(found, entity(SelectorKind.VERSION, "1", "iris-1")))
    assert world.routed.entities == {"iris-1": ("iris", "1")}
    after = "iris-1" if kept else "iris-2"
    want = desired(found, entity(SelectorKind.VERSION, "2", after), generation=2)
    seen = set()
    for _ in range(30):
        world.step(want)
        assert set(world.routed.entities) == {after}
        assert world.routed.workers[world.routed.entities[after]], "the address has nobody to answer"
        seen.add(world.routed.entities[after])
        world.progress()
    assert seen == {("iris", "1"), ("iris", "2")}
    assert world.routed.entities == {after: ("iris", "2")}
    assert ("iris", "1") not in world.routed.workers
