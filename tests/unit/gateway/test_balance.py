"""Lanes: slots, order, ejection and the choice between targets."""

from __future__ import annotations

import asyncio
import random

import pytest

from jupyter_modelserve.errors import TooManyRequests
from jupyter_modelserve.gateway.balance import Lane, Lanes, Rerouted
from jupyter_modelserve.types import RouteTable, RouteTarget


def target(name: str, concurrency: int = 1, queue: int = 2) -> RouteTarget:
    return RouteTarget(name, "iris", "1", f"unix:/{name}", "key", concurrency, queue, 1.0)


async def spin(task: asyncio.Task[None]) -> asyncio.Task[None]:
    await asyncio.sleep(0)
    return task


async def test_a_slot_is_inherited_in_order_and_the_queue_is_bounded() -> None:
    lane, order = Lane(target("a")), list[int]()

    async def take(number: int) -> None:
        await lane.acquire()
        order.append(number)

    await lane.acquire()
    tasks = [await spin(asyncio.create_task(take(number))) for number in (1, 2)]
    assert (lane.in_flight, lane.waiting, lane.full) == (1, 2, True)
    with pytest.raises(TooManyRequests) as caught:
        await lane.acquire()
    assert caught.value.retry_after_s == 1
    for _ in tasks:
        lane.release()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [1, 2]
    lane.release()
    assert lane.load == 0


async def test_a_waiter_that_leaves_in_the_moment_of_the_hand_over_passes_the_slot_on() -> None:
    lane = Lane(target("a"))
    await lane.acquire()
    first, second = [await spin(asyncio.create_task(lane.acquire())) for _ in range(2)]
    lane.release()  # first now owns the slot but has not run yet
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 1)
    assert (lane.in_flight, lane.waiting) == (1, 0)
    lane.release()
    assert lane.in_flight == 0


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    lane = Lane(target("a"))
    await lane.acquire()
    waiting = await spin(asyncio.create_task(lane.acquire()))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    lane.release()
    assert (lane.in_flight, lane.waiting) == (0, 0)


async def test_a_table_without_the_target_sends_its_waiters_away_and_forgets_it_when_idle() -> None:
    lanes = Lanes()
    lane = lanes.of(target("a"))
    await lane.acquire()
    waiting = await spin(asyncio.create_task(lane.acquire()))
    lanes.sync(RouteTable(2))
    with pytest.raises(Rerouted):
        await waiting
    assert lanes.all() == [lane]
    lane.release()
    lanes.sync(RouteTable(3))
    assert lanes.all() == []


def test_ejection_doubles_to_thirty_seconds_and_ends_with_an_answer() -> None:
    lane, now, spans = Lane(target("a")), 0.0, []
    for _ in range(7):
        lane.fail(now)
        lane.fail(now)  # a second failure in the same outage does not count
        spans.append(lane.ejected_until - now)
        now = lane.ejected_until
    assert spans == [1, 2, 4, 8, 16, 30, 30]
    lane.succeed()
    lane.fail(now)
    assert lane.ejected_until - now == 1


def test_the_last_target_is_never_ejected() -> None:
    lanes, a, b = Lanes(), target("a"), target("b")
    lanes.of(a).fail(0.0)
    assert {lanes.pick((a, b), 0.5).target.id for _ in range(20)} == {"b"}
    lanes.of(b).fail(0.2)
    assert lanes.pick((a, b), 0.5).target.id == "a"  # the one that returns first
    assert lanes.pick((a,), 0.5).target.id == "a"
    assert lanes.pick((a, b), 0.5, {"a"}).target.id == "b"


async def test_the_less_loaded_of_two_is_taken_and_never_a_full_one() -> None:
    lanes = Lanes(random.Random(3))
    targets = [target(each, 1, 0) for each in "abcdefgh"]
    for _ in targets:
        lane = lanes.pick(targets, 0.0)
        await lane.acquire()
    assert [lanes.of(each).in_flight for each in targets] == [1] * 8


def test_a_target_with_a_new_address_gets_a_new_lane() -> None:
    lanes = Lanes()
    first = lanes.of(target("a"))
    moved = RouteTarget("a", "iris", "1", "unix:/moved", "key", 1, 2, 1.0)
    assert lanes.of(moved) is not first
