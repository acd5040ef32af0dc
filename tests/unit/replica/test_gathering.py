"""A batch waits for callers who come back, and what that may cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.replica.worker.gathering import Gathering

TOOK = 0.002
"""Seconds that a batch of these tests takes: a wait is a millisecond at most."""


def after(answered: int, waiting: int, took: float = TOOK) -> Gathering:
    found = Gathering()
    found.ended(0.0, took, answered, waiting)
    return found


def test_a_caller_who_is_alone_never_waits() -> None:
    assert not after(1, 0).wants_more(0.0, 1)
    assert not Gathering().wants_more(0.0, 1)


def test_a_crowd_is_waited_for_until_it_is_there() -> None:
    gathering = after(8, 8)
    assert gathering.wants_more(0.0001, 8)
    assert gathering.wants_more(0.0002, 15)
    assert not gathering.wants_more(0.0003, 16)


def test_nobody_waits_longer_than_half_of_the_last_batch_or_two_milliseconds() -> None:
    assert after(8, 8).wants_more(0.00099, 8)
    assert not after(8, 8).wants_more(0.00101, 8)
    assert after(8, 8, 60.0).wants_more(0.0019, 8)
    assert not after(8, 8, 60.0).wants_more(0.0021, 8)


def test_a_batch_that_takes_next_to_nothing_is_not_worth_a_wait() -> None:
    assert not after(8, 8, 0.0004).wants_more(0.0, 8)


def test_waits_in_vain_become_rare_and_one_that_pays_brings_them_back() -> None:
    gathering, now, waits = Gathering(), 0.0, []
    for number in range(200):
        gathering.ended(now, TOOK, 8, 1)
        if gathering.wants_more(now, 1):
            waits.append(number)
            assert not gathering.wants_more(now + 0.0011, 2)  # one of eight came
        now += 1
    assert waits == [0, 3, 8, 17, 34, 67, 132, 197]
    for _ in range(70):
        gathering.ended(now, TOOK, 8, 1)
        if gathering.wants_more(now, 1):
            break
    assert not gathering.wants_more(now + 0.0005, 9)
    for _ in range(3):
        gathering.ended(now, TOOK, 8, 1)
        assert gathering.wants_more(now, 1)
        assert not gathering.wants_more(now, 9)


@given(st.lists(st.tuples(st.floats(0, 0.02), st.integers(1, 64), st.integers(0, 64)), max_size=60))
def test_all_waits_together_cost_at_most_half(batches: list[tuple[float, int, int]]) -> None:
    gathering, now, lost, worked = Gathering(), 0.0, 0.0, 0.0
    for took, answered, waiting in batches:
        now, worked = now + took, worked + took
        gathering.ended(now, took, answered, waiting)
        begin = now
        while gathering.wants_more(now, waiting):
            now += 0.0001
        lost += now - begin
    assert lost <= worked * 0.5 + 0.0001 * len(batches) + 1e-9
