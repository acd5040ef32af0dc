"""Which versions are waited for: a line per row of the table in the module, and its bounds."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.gateway.returning import Returning
from jupyter_modelserve.gateway.routing import Route, ScoringAddress, plan, resolve
from jupyter_modelserve.types import RouteEntity, RouteModel, RouteTable, RouteTarget, RouteVersion, VersionState

READY, LOADING, FAILED = VersionState.READY, VersionState.LOADING, VersionState.FAILED
KEY = ("iris", "1")
ALL = {"a": RouteTarget("a", "iris", "1", "unix:/a", "k", 4, 16, 120.0)}
ALL["b"] = RouteTarget("b", "iris", "2", "unix:/b", "k", 4, 16, 120.0)
ENDPOINTS: dict[str, tuple[RouteEntity, ...]] = {
    "ep": (RouteEntity("old", "iris", "1", 90), RouteEntity("new", "iris", "2", 10))
}


class Clock:
    now = 500.0

    def __call__(self) -> float:
        return self.now


def table(versions: Mapping[str, RouteVersion]) -> RouteTable:
    targets = {each: ALL[each] for version in versions.values() for each in version.targets}
    return RouteTable(1, targets, {"iris": RouteModel(dict(versions), {"Champion": "1"})}, ENDPOINTS)


THERE = {"1": RouteVersion(READY, ("a",))}
AWAY = {"1": RouteVersion(LOADING)}


def started(clock: Clock, hold: float = 5.0) -> Returning:
    made = Returning(hold, 10, clock)
    made.adopt(table(THERE))
    return made


@pytest.mark.parametrize(
    ("after", "waited"),
    [
        (THERE, False),
        (AWAY, True),
        ({"1": RouteVersion(VersionState.PENDING)}, True),
        ({"1": RouteVersion(VersionState.STARTING)}, True),
        ({"1": RouteVersion(VersionState.PROBING)}, True),
        ({"1": RouteVersion(FAILED, (), "out of memory")}, False),
        ({"1": RouteVersion(VersionState.UNLOADING)}, False),
        ({"1": RouteVersion(VersionState.SCALED_TO_ZERO, wakes=True)}, False),
        ({"1": RouteVersion(LOADING, wakes=True)}, False),
        ({}, False),
    ],
)
def test_only_what_was_there_and_is_still_wanted_is_waited_for(after: Mapping[str, RouteVersion], waited: bool) -> None:
    returning = started(Clock())
    returning.adopt(table(after))
    assert (KEY in returning.coming()) is waited


def test_what_was_never_ready_is_not_waited_for() -> None:
    returning = Returning(5.0, 10, Clock())
    returning.adopt(table(AWAY))
    returning.adopt(table(AWAY))
    assert not returning.coming()


def test_the_time_begins_with_the_death_and_further_tables_do_not_prolong_it() -> None:
    clock = Clock()
    returning = started(clock)
    returning.adopt(table(AWAY))
    clock.now += 3
    returning.adopt(table({"1": RouteVersion(VersionState.PROBING)}))
    assert returning.left(KEY) == 2
    clock.now += 2
    assert not returning.coming()
    assert returning.left(KEY) <= 0


def test_one_that_fails_on_its_way_back_is_not_waited_for_any_more() -> None:
    returning = started(Clock())
    returning.adopt(table(AWAY))
    returning.adopt(table({"1": RouteVersion(FAILED, (), "out of memory")}))
    assert not returning.coming()


def test_the_third_death_within_a_minute_is_told_at_once_and_later_ones_are_waited_for_again() -> None:
    clock, waited = Clock(), []
    returning = started(clock)
    for pause in (1, 1, 1, 70):
        returning.adopt(table(AWAY))
        waited.append(bool(returning.coming()))
        returning.adopt(table(THERE))
        clock.now += pause
    returning.adopt(table(AWAY))
    assert [*waited, bool(returning.coming())] == [True, True, False, False, True]


def test_no_hold_is_no_wait() -> None:
    returning = started(Clock(), hold=0.0)
    returning.adopt(table(AWAY))
    assert not returning.coming()


def go(versions: Mapping[str, RouteVersion], name: str, segment: str | None) -> Route:
    return resolve(table(versions), ScoringAddress(name, segment), random.Random(1), frozenset({KEY}))


def test_a_model_that_returns_is_a_route_without_targets_by_every_name() -> None:
    for segment in ("1", "Champion"):
        assert go(AWAY, "iris", segment) == Route((), "iris", "1", "iris", returning=KEY)
    assert go(THERE, "iris", "1").targets
    with pytest.raises(Unavailable, match="not ready"):
        plan(table(AWAY), ScoringAddress("iris", "1"))


def test_an_endpoint_waits_only_when_nothing_else_of_it_answers() -> None:
    both = {**AWAY, "2": RouteVersion(READY, ("b",))}
    assert go(both, "ep", None).version == "2"
    found = go({**AWAY, "2": RouteVersion(FAILED)}, "ep", None)
    assert (found.returning, found.version, found.entity, found.endpoint) == (KEY, "1", "old", "ep")


def owned(old: RouteVersion, new: RouteVersion, both: RouteVersion) -> RouteTable:
    """Two endpoints serve version 1, each with its own process."""
    targets = {each: ALL["a"] for version in (old, new) for each in version.targets}
    endpoints: dict[str, tuple[RouteEntity, ...]] = {
        "staging": (RouteEntity("main", "iris", "1", 100, own=old),),
        "prod": (RouteEntity("main", "iris", "1", 100, own=new),),
    }
    return RouteTable(1, targets, {"iris": RouteModel({"1": both})}, endpoints)


def test_an_endpoint_whose_own_process_died_waits_for_it_though_another_endpoint_has_one() -> None:
    returning = Returning(5.0, 10, Clock())
    mine, yours = RouteVersion(READY, ("a",)), RouteVersion(READY, ("b",))
    returning.adopt(owned(mine, yours, RouteVersion(READY, ("a", "b"))))
    gone = owned(RouteVersion(LOADING), yours, RouteVersion(READY, ("b",)))
    returning.adopt(gone)
    (key,) = returning.coming()
    found = resolve(gone, ScoringAddress("staging", None), random.Random(1), returning.coming())
    assert (found.targets, found.returning, returning.left(key) > 0) == ((), key, True)
    assert resolve(gone, ScoringAddress("prod", None), random.Random(1), returning.coming()).targets
    assert resolve(gone, ScoringAddress("iris", "1"), random.Random(1), returning.coming()).targets
    returning.adopt(owned(mine, yours, RouteVersion(READY, ("a", "b"))))
    assert not returning.coming()
