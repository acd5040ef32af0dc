"""How many replicas: up at once, down after minutes, to zero after half an hour, on a clock that the test moves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.controller.endpoints.scales import Load, Scales
from jupyter_modelserve.controller.endpoints.scaling import HELD, SILENCE, Bounds, Delays, Demand, bounds, due, wanted
from jupyter_modelserve.controller.endpoints.specification import complete
from jupyter_modelserve.controller.endpoints.view import Key, Observed, Routed
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, WorkloadSize

DELAYS = Delays(down=300.0, zero=1800.0)
KEY: Key = ("iris", "1")
SMALL = Bounds(least=1, most=5, to_zero=True, capacity=4)
ALWAYS = Bounds(least=1, most=5, to_zero=False, capacity=4)


class Story:
    """One version over time: reports come every second while there is load, every ten while there is none."""

    def __init__(self, bound: Bounds, count: int = 1) -> None:
        self.bound, self.count, self.now = bound, count, 0.0
        self.demand = Demand(0.0, 0.0)
        self.counts = [count]

    def passes(self, seconds: float, load: float, *, steady: bool = True, deaf: bool = False) -> Story:
        until, step = self.now + seconds, 1.0 if load else 10.0
        while self.now < until:
            self.now = min(until, self.now + step)
            if not deaf:
                used = self.now if load else self.demand.used_at
                self.demand = self.demand.loaded(self.now, load, used, DELAYS.down)
            self.decide(steady=steady)
        return self

    def decide(self, *, steady: bool = True) -> int:
        self.count = wanted(self.bound, self.demand, self.count, self.now, DELAYS, steady=steady)
        self.counts.append(self.count)
        return self.count


@pytest.mark.req("REQ-132", "REQ-134")
def test_more_load_means_more_replicas_with_the_first_report() -> None:
    story = Story(ALWAYS).passes(5, 3.0)
    assert story.count == 1
    assert story.passes(1, 9.0).count == 3
    assert story.passes(1, 100.0).count == 5  # never more than allowed


@pytest.mark.req("REQ-134")
def test_less_load_means_fewer_replicas_only_after_five_minutes() -> None:
    story = Story(ALWAYS).passes(10, 12.0)
    assert story.count == 3
    assert story.passes(298, 5.0).count == 3
    assert story.passes(10, 5.0).count == 2
    assert story.passes(290, 0).count == 2
    assert story.passes(30, 0).count == 1


@pytest.mark.req("REQ-134")
def test_a_peak_within_the_five_minutes_begins_them_anew() -> None:
    story = Story(ALWAYS).passes(5, 12.0).passes(200, 1.0).passes(1, 12.0)
    assert story.passes(290, 1.0).count == 3
    assert story.passes(20, 1.0).count == 1


@pytest.mark.req("REQ-135")
def test_to_zero_after_half_an_hour_without_a_request_and_not_before() -> None:
    story = Story(SMALL).passes(5, 1.0)
    assert story.passes(1790, 0).count == 1
    assert story.passes(20, 0).count == 0
    assert story.passes(100_000, 0).count == 0
    assert Story(ALWAYS).passes(100_000, 0).count == 1


@pytest.mark.req("REQ-135")
def test_one_request_now_and_then_keeps_it_awake() -> None:
    story = Story(SMALL)
    for _ in range(10):
        story.passes(1, 0.001).passes(1700, 0)
    assert 0 not in story.counts


@pytest.mark.req("REQ-135")
def test_who_waits_wakes_it_with_as_many_replicas_as_it_takes() -> None:
    story = Story(SMALL, count=0)
    story.demand = story.demand.holding(0.0, 100)
    assert story.decide() == 5
    one = Story(SMALL, count=0)
    one.demand = one.demand.holding(0.0, 1)
    assert one.decide() == 1


def test_an_old_word_of_who_waits_wakes_nothing() -> None:
    story = Story(SMALL, count=0)
    story.demand = story.demand.holding(0.0, 7)
    story.now = HELD + 0.1
    assert story.decide() == 0


def test_while_the_gateway_says_nothing_nothing_is_taken_away() -> None:
    story = Story(SMALL).passes(5, 12.0)
    assert story.passes(10_000, 0, deaf=True).count == 3
    assert story.now - story.demand.heard_at > SILENCE
    assert story.passes(10, 0).count == 0  # it speaks again, and nobody has asked for hours


def test_while_a_change_is_under_way_there_are_only_more() -> None:
    story = Story(SMALL).passes(5, 5.0, steady=False)
    assert story.count == 2
    assert story.passes(10_000, 0, steady=False).count == 2
    assert story.passes(10, 0).count == 0


def test_new_bounds_count_at_once() -> None:
    story = Story(SMALL).passes(5, 20.0)
    story.bound = Bounds(2, 3, False, 4)
    assert story.decide() == 3
    story.count = 0
    assert story.decide() == 2  # it may not be at zero any more


def test_the_time_at_which_to_look_again() -> None:
    story = Story(SMALL).passes(5, 9.0).passes(10, 0)
    assert story.count == 3
    assert due(SMALL, story.demand, 3, 15.0, DELAYS) == pytest.approx(290.0)
    assert due(SMALL, story.demand, 1, 15.0, DELAYS) == pytest.approx(1790.0)
    assert due(SMALL, story.demand, 0, 15.0, DELAYS) == math.inf
    assert due(ALWAYS, story.demand, 1, 15.0, DELAYS) == math.inf


LOADS = st.lists(st.tuples(st.floats(1, 2000), st.sampled_from([0.0, 0.5, 3.9, 4.0, 4.1, 11.0, 200.0]), st.booleans()))


@given(
    least=st.integers(1, 4),
    more=st.integers(0, 4),
    zero=st.booleans(),
    capacity=st.sampled_from([1, 4, 16]),
    story=LOADS,
)
def test_whatever_happens_the_promises_hold(
    least: int, more: int, zero: bool, capacity: int, story: list[tuple[float, float, bool]]
) -> None:
    bound = Bounds(least, least + more, zero, capacity)
    told = Story(bound, least)
    for seconds, load, deaf in story:
        before = told.count
        told.passes(min(seconds, 30.0) if load else seconds, load, deaf=deaf)
        assert told.count <= bound.most
        assert told.count >= bound.least or (zero and told.count == 0)
        if load and not deaf and before:
            # Whoever may grow has room for what is asked, at once.
            assert told.count >= min(bound.most, math.ceil(load / capacity))
    told.passes(DELAYS.zero + DELAYS.down + 60, 0)
    assert told.count == (0 if zero else bound.least), "left alone, nothing more than the least remains"


def test_bounds_of_a_version_are_the_largest_of_those_who_select_it() -> None:
    def entity(name: str, **fields: object) -> ServedEntity:
        return ServedEntity("iris", Selector(SelectorKind.ACTIVE), name, **fields)  # type: ignore[arg-type]

    first = entity("a", min_replicas=2, max_replicas=3, scale_to_zero=True)
    second = entity("b", max_replicas=6, workload_size=WorkloadSize.MEDIUM)
    spec = EndpointSpec("iris", (first, second))
    both = {"a": (KEY,), "b": (KEY,)}
    assert bounds(spec, both, KEY) == Bounds(2, 6, False, 16)
    assert bounds(spec, {"a": (KEY,), "b": ()}, KEY) == Bounds(2, 3, True, 16)
    assert bounds(spec, {}, KEY) == Bounds(2, 6, False, 16)  # answers only until its successor does


# ---------------------------------------------------------------------------------------------------- what is kept
class Kept:
    """Scales of one version on a clock of the test's."""

    def __init__(self, routed: Routed, bound: Bounds = SMALL) -> None:
        self.now = 1000.0
        self.routed = routed
        self.scales = Scales(DELAYS, 60.0, lambda: self.now)
        self.scales.track({KEY: bound}, routed)

    def count(self) -> int:
        view = self.scales.view(Observed(routed=self.routed))
        assert (KEY in view.asleep) == (self.scales._tracks[KEY].count == 0)
        return self.scales._tracks[KEY].count


RUNNING = Routed({KEY: ("r0.w", "r1.w")})
AT_ZERO = Routed({KEY: ()})


def test_after_a_restart_of_the_controller_what_is_at_zero_stays_there_and_what_runs_keeps_its_replicas() -> None:
    assert Kept(AT_ZERO).count() == 0
    assert Kept(RUNNING).count() == 2
    assert Kept(Routed()).count() == 1


def test_since_when_it_is_idle_the_gateway_knows_better_than_a_new_controller() -> None:
    kept = Kept(RUNNING)
    heard = kept.scales.hear(RUNNING, {"r0.w": Load(0.0, 1700.0, True), "r1.w": Load(0.0, 1790.0, True)}, {})
    assert not heard  # two replicas are more than is needed, and stay for five minutes all the same
    assert kept.scales._tracks[KEY].demand.used_at == kept.now - 1700.0
    # A gateway that was started anew knows of no use: what was heard before counts.
    kept.now += 50
    kept.scales.hear(RUNNING, {"r0.w": Load(0.0, 1.0, False), "r1.w": Load(0.0, 1.0, False)}, {})
    assert kept.scales._tracks[KEY].demand.used_at == 1000.0 - 1700.0


def test_a_word_that_changes_nothing_wakes_nobody() -> None:
    kept = Kept(Routed({KEY: ("r0.w",)}))
    assert not kept.scales.hear(kept.routed, {"r0.w": Load(2.0, 0.0, True)}, {})
    assert not kept.scales.hear(kept.routed, {"other": Load(90.0, 0.0, True)}, {("iris", "2"): 9})
    assert kept.scales.hear(kept.routed, {"r0.w": Load(9.0, 0.0, True)}, {})
    asleep = Kept(AT_ZERO)
    assert asleep.scales.hear(AT_ZERO, {}, {KEY: 1})


def test_what_does_not_answer_completely_is_not_put_to_zero() -> None:
    kept = Kept(Routed({KEY: ("r0.w",)}))
    kept.now += 5000
    kept.scales.hear(kept.routed, {"r0.w": Load(0.0, 5000.0, True)}, {})
    assert kept.scales.decide(Observed(routed=kept.routed), steady=True) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"min_replicas": 0}, "min_replicas must be 1 to 32; scale_to_zero lets it have none"),
        ({"max_replicas": 33}, "max_replicas must be 1 to 32"),
        ({"min_replicas": 3, "max_replicas": 2}, "max_replicas must be at least 3, the fewest replicas"),
        ({"replicas": 5, "max_replicas": 2}, "max_replicas must be at least 5"),
    ],
)
def test_bounds_that_cannot_be_are_refused_by_name(fields: dict[str, int], field: str) -> None:
    entity = ServedEntity("iris", Selector(SelectorKind.ACTIVE), **fields)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match=field):
        complete(EndpointSpec("iris", (entity,)))


def test_what_is_not_said_follows_from_what_is() -> None:
    def entity(**fields: int) -> ServedEntity:
        return ServedEntity("iris", Selector(SelectorKind.ACTIVE), **fields)  # type: ignore[arg-type]

    told = [
        entity(),
        entity(replicas=3),
        entity(min_replicas=2),
        entity(max_replicas=4),
        entity(replicas=2, max_replicas=4),
    ]
    assert [(each.least, each.most, each.scales) for each in told] == [
        (1, 1, False), (3, 3, False), (2, 2, False), (1, 4, True), (2, 4, True),
    ]  # fmt: skip
