"""Scaled to zero, and back: what is routed, what runs, what the user reads; and changes in between (REQ-135)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_modelserve.controller.endpoints import planner
from jupyter_modelserve.controller.endpoints.routes import contribute
from jupyter_modelserve.controller.endpoints.status import derive, version_state
from jupyter_modelserve.controller.endpoints.view import Desired, Key, LabelKind
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    EndpointStatus,
    Model,
    ReplicaState,
    SelectorKind,
    ServiceState,
    UpdateState,
    VersionState,
)
from tests.unit.endpoints.world import BROKEN, World, desired, entity, model, version

ONE: Key = ("iris", "1")
TWO: Key = ("iris", "2")
CHAMPION = ("iris", LabelKind.ALIAS, "Champion")
pytestmark = pytest.mark.req("REQ-135")


def champion(number: int, **fields: Any) -> Desired:
    found: Model = model(version(1), version(2), aliases={"Champion": str(number)})
    scale: dict[str, Any] = {"max_replicas": 3, "scale_to_zero": True, **fields}
    return desired(found, entity(SelectorKind.ALIAS, "Champion", **scale))


def at_zero(want: Desired) -> World:
    world = World(count=3)
    world.follow_load()
    world.settle(want)
    world.minutes(31)
    world.settle(want)
    assert world.routed.workers == {ONE: ()}
    return world


def under_load(want: Desired) -> World:
    """Three replicas, because they are needed."""
    world = World(count=3)
    world.follow_load()
    world.settle(want)
    world.minutes(1, load=9.0)
    world.settle(want)
    return world


def status(world: World, want: Desired) -> EndpointStatus:
    return derive(want, world.observe(), {}, "http://h")


def test_it_is_unloaded_and_still_ready_and_routed_for_whoever_asks() -> None:
    want = champion(1)
    world = at_zero(want)
    assert world.workers == {}
    found = status(world, want)
    assert (found.service, found.update) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    assert found.service_message == "Scaled to zero; the next request starts it"
    (shown,) = found.versions
    assert (shown.state, shown.serving, shown.replicas) == (VersionState.SCALED_TO_ZERO, True, 0)
    state = version_state(ONE, world.observe())
    part = contribute(want.spec, world.routed, {}, {ONE: (state[0], "")}, Settings(), {})
    assert part.versions[ONE].wakes
    assert part.versions[ONE].targets == ()
    assert part.rank(CHAMPION)[0], "it can answer for the name"


def test_its_empty_replica_is_kept_for_a_while_and_then_ended() -> None:
    want = champion(1)
    world = at_zero(want)
    assert world.replicas == {"r0": ReplicaState.READY}
    world.minutes(31)
    world.settle(want)
    assert world.replicas == {}
    world.hold(ONE, 1)
    world.settle(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}


def test_an_empty_replica_that_died_is_not_started_for_nobody() -> None:
    want = champion(1)
    world = at_zero(want)
    world.replicas["r0"] = ReplicaState.FAILED
    world.settle(want)
    assert world.replicas == {}


def test_a_request_loads_it_in_the_kept_replica() -> None:
    want = champion(1)
    world = at_zero(want)
    world.history.clear()
    world.hold(ONE, 1)
    world.step(want)
    assert status(world, want).service_message == "Returning from zero; requests wait for it"
    assert status(world, want).update is UpdateState.NOT_UPDATING
    world.settle(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}
    assert [type(each) for each in world.history] == [planner.LoadVersion, planner.Publish]


def test_a_hundred_requests_bring_as_many_replicas_as_are_allowed_and_the_first_answers_first() -> None:
    want = champion(1)
    world = at_zero(want)
    world.hold(ONE, 100)
    sizes = []
    for _ in range(12):
        world.step(want)
        sizes.append(len(world.routed.workers[ONE]))
        world.progress()
        world.acknowledged = world.number
    assert sizes == sorted(sizes)
    assert {0, 1, 3} <= set(sizes)


def test_a_request_that_arrives_while_it_leaves_has_it_back() -> None:
    want = champion(1)
    world = World()
    world.follow_load()
    world.settle(want)
    world.minutes(31)
    world.step(want)  # published, and the gateway does not know yet
    assert world.routed.workers == {ONE: ()}
    assert world.workers["r0.w-iris-1"].ready
    world.hold(ONE, 1)
    world.step(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}, "it never went"


def test_a_request_that_arrives_while_it_unloads_waits_for_it_to_be_loaded_again() -> None:
    want = champion(1)
    world = World()
    world.follow_load()
    world.settle(want)
    world.minutes(31)
    world.step(want)
    world.acknowledged = world.number
    world.step(want)
    assert world.workers["r0.w-iris-1"].state is VersionState.UNLOADING
    world.hold(ONE, 1)
    world.settle(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}


def test_a_name_stays_with_the_version_at_zero_until_the_new_one_predicted() -> None:
    world = at_zero(champion(1))
    want = champion(2)
    seen = set()
    for _ in range(12):
        world.step(want)
        answers = world.routed.labels[CHAMPION]
        assert answers in world.routed.workers
        seen.add((answers, bool(world.routed.workers[answers])))
        world.progress()
        world.acknowledged = world.number
    assert seen == {(ONE, False), (TWO, True)}
    assert set(world.routed.workers) == {TWO}


def test_when_the_new_version_is_broken_the_one_at_zero_is_woken_for_whoever_asks() -> None:
    world = at_zero(champion(1))
    world.broken.add(TWO)
    want = champion(2)
    world.settle(want)
    assert status(world, want).update is UpdateState.UPDATE_FAILED
    assert status(world, want).service is ServiceState.READY
    assert world.routed.labels[CHAMPION] == ONE
    world.hold(ONE, 1)
    world.settle(want)
    assert world.routed.workers[ONE] == ("r0.w-iris-1",)


def test_one_that_cannot_return_says_so_instead_of_holding_for_ever() -> None:
    want = champion(1)
    world = at_zero(want)
    world.broken.add(ONE)
    world.hold(ONE, 3)
    world.settle(want)
    assert world.routed.workers == {}
    found = status(world, want)
    assert (found.service, found.update) == (ServiceState.FAILED, UpdateState.UPDATE_FAILED)
    assert found.service_message == "it does not load"
    world.minutes(40)
    world.settle(want)
    assert status(world, want).service is ServiceState.FAILED, "a failure does not go to sleep"


def test_a_new_controller_leaves_it_at_zero() -> None:
    want = champion(1)
    world = at_zero(want)
    world.preparations.clear()
    world.follow_load()
    world.settle(want)
    assert world.workers == {}
    assert world.routed.workers == {ONE: ()}
    world.hold(ONE, 1)
    world.settle(want)
    assert world.routed.workers[ONE]


def test_a_new_controller_goes_on_where_the_old_one_died_while_it_woke_it() -> None:
    want = champion(1)
    world = at_zero(want)
    world.hold(ONE, 1)
    world.step(want)
    world.step(want)
    assert world.workers["r0.w-iris-1"].state is VersionState.LOADING
    world.preparations.clear()
    world.follow_load()
    world.step(want)
    world.hold(ONE, 1)  # the gateway says it again
    world.settle(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}


def test_what_may_not_be_at_zero_any_more_returns_by_itself() -> None:
    world = at_zero(champion(1))
    want = champion(1, scale_to_zero=False, min_replicas=2)
    world.settle(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1", "r1.w-iris-1")}


def test_an_endpoint_at_zero_that_is_deleted_leaves_nothing() -> None:
    want = champion(1)
    world = at_zero(want)
    gone = Desired(want.spec, 2, True, want.models)
    for _ in range(8):
        world.step(gone)
        world.progress()
        world.acknowledged = world.number
    assert world.forgotten
    assert world.replicas == {}


def renamed(number: int, name: str, **fields: Any) -> Desired:
    """The endpoint after its model got another name or was swapped: what answered until now is registered no more."""
    found = model(version(number, model=name), aliases={"Champion": str(number)}, name=name)
    scale: dict[str, Any] = {"max_replicas": 3, "scale_to_zero": True, **fields}
    return desired(found, entity(SelectorKind.ALIAS, "Champion", model=name, **scale))


def without_the_first() -> Desired:
    """The version at zero is deleted while the alias moves on."""
    found = model(version(2), aliases={"Champion": "2"})
    return desired(found, entity(SelectorKind.ALIAS, "Champion", max_replicas=3, scale_to_zero=True))


@pytest.mark.parametrize(
    ("want", "heir"),
    [(renamed(1, "flowers"), ("flowers", "1")), (without_the_first(), TWO)],
    ids=["renamed", "deleted"],
)
def test_whoever_asks_is_held_while_what_was_at_zero_is_gone_and_its_successor_starts(want: Desired, heir: Key) -> None:
    world = at_zero(champion(1))
    messages = set()
    for _ in range(3):
        world.step(want)
        assert world.routed.entities == {"e": heir}
        assert world.routed.workers == {heir: ()}, "held, although it never ran"
        found = status(world, want)
        assert (found.service, found.update) == (ServiceState.READY, UpdateState.IN_PROGRESS)
        messages.add(found.service_message)
        world.progress()
        world.acknowledged = world.number
    assert messages == {"Returning from zero; requests wait for it"}
    world.settle(want)
    assert world.routed.workers[heir]
    found = status(world, want)
    assert (found.service_message, found.update) == ("Ready", UpdateState.NOT_UPDATING)


def test_a_successor_that_fails_while_requests_are_held_for_it_says_so() -> None:
    world = at_zero(champion(1))
    world.broken.add(TWO)
    want = without_the_first()
    world.settle(want)
    assert world.routed.workers == {}
    found = status(world, want)
    assert (found.service, found.service_message) == (ServiceState.FAILED, "it does not load")


@pytest.mark.req("REQ-132")
@pytest.mark.parametrize(
    ("want", "heir"), [(champion(2), TWO), (renamed(1, "flowers"), ("flowers", "1"))], ids=["moved", "renamed"]
)
def test_a_name_that_moves_under_load_keeps_its_capacity(want: Desired, heir: Key) -> None:
    before = champion(1)
    world = under_load(before)
    assert len(world.routed.workers[ONE]) == 3
    world.settle(want)
    assert {key: len(group) for key, group in world.routed.workers.items()} == {heir: 3}
    world.minutes(6, load=0.5)
    world.settle(want)
    assert len(world.routed.workers[heir]) == 1


@pytest.mark.req("REQ-134")
def test_a_replica_that_answers_does_not_go_while_one_that_would_stay_does_not() -> None:
    want = champion(1, scale_to_zero=False)
    world = under_load(want)
    broken = world.workers["r0.w-iris-1"]
    world.workers[broken.id] = replace(broken, state=VersionState.FAILED, failure=BROKEN)
    world.minutes(6)
    world.settle(want)
    assert set(world.routed.workers[ONE]) == {"r1.w-iris-1", "r2.w-iris-1"}, "the first one is broken"
    assert status(world, want).versions[0].state is VersionState.READY
    del world.workers[broken.id]  # it is due to be loaded once more, and this time it loads
    world.settle(want)
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}


@pytest.mark.req("REQ-134")
def test_fewer_replicas_are_unrouted_before_they_end() -> None:
    want = champion(1, scale_to_zero=False)
    world = under_load(want)
    assert len(world.routed.workers[ONE]) == 3
    world.minutes(6)
    world.settle(want)  # the world itself refuses to end what is routed or not acknowledged
    assert world.routed.workers == {ONE: ("r0.w-iris-1",)}
    assert set(world.replicas) == {"r0"}
