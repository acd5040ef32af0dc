"""Slots, their order, lanes, replays, ejection and the choice between targets."""

from __future__ import annotations

import asyncio
import random
from typing import Any, cast

import pytest

from jupyter_modelserve.errors import TooManyRequests
from jupyter_modelserve.gateway.balance import Rerouted, Worker, Workers
from jupyter_modelserve.gateway.lanes import LARGE, Lane, lanes_of
from jupyter_modelserve.gateway.upstream import Connection
from jupyter_modelserve.types import RouteTable, RouteTarget


def target(name: str, concurrency: int = 1, queue: int = 2, **more: Any) -> RouteTarget:
    return RouteTarget(name, "iris", "1", f"unix:/{name}.sock", "key", concurrency, queue, 1.0, **more)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept:
    """A kept connection as a lane sees it."""

    lost = used = False

    def close(self) -> None:
        self.lost = True


def kept() -> Connection:
    return cast(Connection, Kept())


async def spin(task: asyncio.Task[Any]) -> asyncio.Task[Any]:
    await asyncio.sleep(0)
    return task


async def test_a_slot_is_inherited_in_order_and_the_queue_is_bounded() -> None:
    worker, order = Worker(target("a")), list[int]()

    async def take(number: int) -> None:
        await worker.acquire()
        order.append(number)

    lane = await worker.acquire()
    tasks = [await spin(asyncio.create_task(take(number))) for number in (1, 2)]
    assert (worker.in_flight, worker.waiting, worker.full) == (1, 2, True)
    with pytest.raises(TooManyRequests) as caught:
        await worker.acquire()
    assert caught.value.retry_after_s == 1
    for _ in tasks:
        worker.release(lane)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [1, 2]
    worker.release(lane)
    assert (worker.load, lane.in_flight) == (0, 0)


async def test_a_waiter_that_leaves_in_the_moment_of_the_hand_over_passes_the_slot_on() -> None:
    worker = Worker(target("a"))
    lane = await worker.acquire()
    first, second = [await spin(asyncio.create_task(worker.acquire())) for _ in range(2)]
    worker.release(lane)  # first now owns the slot but has not run yet
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 1)
    assert (worker.in_flight, worker.waiting) == (1, 0)
    worker.release(lane)
    assert worker.in_flight == 0


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    worker = Worker(target("a"))
    lane = await worker.acquire()
    for acquire in (worker.acquire, worker.acquire_alone):
        waiting = await spin(asyncio.create_task(acquire()))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert worker.waiting == 0
    worker.release(lane)
    assert worker.in_flight == 0


async def test_a_table_without_the_target_sends_its_waiters_away_and_forgets_it_when_idle() -> None:
    workers = Workers()
    worker = workers.of(target("a"))
    lane = await worker.acquire()
    waiting = [
        await spin(asyncio.create_task(worker.acquire())),
        await spin(asyncio.create_task(worker.acquire_alone())),
    ]
    workers.sync(RouteTable(2))
    for each in waiting:
        with pytest.raises(Rerouted):
            await each
    assert workers.all() == [worker]
    worker.release(lane)
    with pytest.raises(Rerouted):
        await worker.acquire_alone()  # a replay that was about to wait
    workers.sync(RouteTable(3))
    assert workers.all() == []


def test_ejection_doubles_to_thirty_seconds_and_ends_with_an_answer() -> None:
    lane, now, spans = Lane("unix:/a.sock", "key", 0, 1), 0.0, []
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
    clock = Time()
    workers, a, b = Workers(clock=clock), target("a"), target("b")
    workers.of(a).lanes[0].fail(0.0)
    clock.now = 0.5
    assert {workers.pick((a, b)).target.id for _ in range(20)} == {"b"}
    workers.of(b).lanes[0].fail(0.2)
    assert workers.pick((a, b)).target.id == "a"  # the one that returns first
    assert workers.pick((a,)).target.id == "a"
    assert workers.pick((a, b), {"a"}).target.id == "b"


async def test_the_less_loaded_of_two_is_taken_and_never_a_full_one() -> None:
    workers = Workers(random.Random(3))
    targets = [target(each, 1, 0) for each in "abcdefgh"]
    for _ in targets:
        await workers.pick(targets).acquire()
    assert [workers.of(each).in_flight for each in targets] == [1] * 8


def test_a_target_with_a_new_address_gets_a_new_worker_and_new_limits_do_not() -> None:
    workers = Workers()
    first = workers.of(target("a"))
    assert workers.of(target("a", concurrency=7)) is first
    assert first.slots == 7
    moved = RouteTarget("a", "iris", "1", "unix:/moved.sock", "key", 1, 2, 1.0)
    assert workers.of(moved) is not first
    assert first.retired


# ---------------------------------------------------------------------------------------------------- lanes
def test_lanes_are_named_after_lane_0() -> None:
    lanes, large = lanes_of(target("a", lanes=3, large=True))
    assert [each.address for each in lanes] == ["unix:/a.sock", "unix:/a-1.sock", "unix:/a-2.sock"]
    assert large is not None
    assert large.address == "unix:/a-large.sock"
    lanes, large = lanes_of(RouteTarget("a", "iris", "1", "tcp:127.0.0.1:80", "key", 4, 0, 1.0, 4, True))
    assert ([each.address for each in lanes], large) == (["tcp:127.0.0.1:80"], None)


async def test_requests_of_a_batching_version_all_go_to_lane_0_at_once() -> None:
    worker = Worker(target("a", concurrency=4, queue=3, lanes=4, batches=True))
    lanes = [await worker.acquire() for _ in range(7)]
    assert {each.number for each in lanes} == {0}
    assert worker.waiting == 0
    with pytest.raises(TooManyRequests):
        await worker.acquire()


async def test_without_batches_the_first_idle_lane_that_runs_is_taken_else_the_least_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    woken: list[object] = []
    monkeypatch.setattr(Lane, "wake", lambda lane: woken.append(lane.number))
    worker = Worker(target("a", concurrency=4, lanes=3))
    first, second = await worker.acquire(), await worker.acquire()
    assert (first.number, second.number, woken) == (0, 0, [1])  # nobody waits for lane 1 to start
    worker.lanes[1].idle.append(kept())
    third = await worker.acquire()
    fourth = await worker.acquire()
    assert (third.number, fourth.number, woken) == (1, 1, [1, 2])
    for lane in (first, second, third, fourth):
        worker.release(lane)
    assert [each.in_flight for each in worker.lanes] == [0, 0, 0]
    worker.lanes[0].fail(worker._clock())
    assert (await worker.acquire()).number == 1
    worker.lanes[1].idle.clear()
    worker.lanes[1].in_flight = 0
    assert (await worker.acquire()).number == 0  # ejected, but there is no other


async def test_a_lane_whose_connections_are_gone_has_ended() -> None:
    lane, seen = Lane("unix:/a-1.sock", "key", 1, 8), []
    seen.append(lane.warm)
    lane.idle.append(kept())
    seen.append(lane.warm)
    lane.idle[0].lost = True
    seen.append(lane.warm)
    assert seen == [False, True, False]
    assert lane.reuse() is None


async def test_large_bodies_have_a_lane_of_their_own_while_it_can_be_reached() -> None:
    clock = Time()
    worker = Worker(target("a", concurrency=4, large=True), clock)
    assert (await worker.acquire(LARGE)).number == 0
    lane = await worker.acquire(LARGE + 1)
    assert lane.number == "large"
    assert worker.in_flight == 2  # one bound for all
    lane.fail(clock.now)
    assert (await worker.acquire(LARGE + 1)).number == 0


async def test_a_replay_has_its_lane_to_itself_and_goes_before_what_waits() -> None:
    worker = Worker(target("a", concurrency=8, queue=8, batches=True))
    busy = await worker.acquire()
    replays = [await spin(asyncio.create_task(worker.acquire_alone())) for _ in range(2)]
    new = await spin(asyncio.create_task(worker.acquire()))
    assert [each.done() for each in (*replays, new)] == [False, False, False]
    worker.release(busy)
    lane = await asyncio.wait_for(replays[0], 1)
    assert lane.alone
    assert [each.done() for each in (replays[1], new)] == [False, False]
    worker.release(lane)
    lane = await asyncio.wait_for(replays[1], 1)
    await asyncio.sleep(0)
    assert not new.done()
    worker.release(lane)
    assert not (await asyncio.wait_for(new, 1)).alone


async def test_replays_use_every_lane_so_that_one_that_hangs_does_not_hold_the_others_up() -> None:
    worker = Worker(target("a", concurrency=8, queue=8, batches=True, large=True))
    hangs, other = await worker.acquire_alone(), await worker.acquire_alone()
    assert {hangs.number, other.number} == {0, "large"}
    third = await spin(asyncio.create_task(worker.acquire_alone()))
    worker.release(other)
    assert await asyncio.wait_for(third, 1) is other


def take_over(tasks: list[asyncio.Task[Lane]], held: list[Lane]) -> None:
    for task in [each for each in tasks if each.done()]:
        tasks.remove(task)
        if not isinstance(task.exception(), TooManyRequests):
            held.append(task.result())


async def test_counts_stay_true_whatever_happens_in_which_order() -> None:
    """Random requests, replays, ends and departures: slots are never lost, doubled or shared with a replay."""
    rng = random.Random(4)
    for _ in range(30):
        more = {"lanes": rng.choice([1, 3]), "large": rng.random() < 0.5, "batches": rng.random() < 0.5}
        worker = Worker(target("a", concurrency=3, queue=5, **more))
        for lane in worker.lanes:
            lane.idle.append(kept())
        tasks: list[asyncio.Task[Lane]] = []
        held: list[Lane] = []
        for _ in range(200):
            action = rng.random()
            if action < 0.35 and not worker.full:
                tasks.append(asyncio.create_task(worker.acquire(rng.choice([10, LARGE + 1]))))
            elif action < 0.5:
                tasks.append(asyncio.create_task(worker.acquire_alone()))
            elif action < 0.85 and held:
                worker.release(held.pop(rng.randrange(len(held))))
            elif tasks:
                tasks.pop(rng.randrange(len(tasks))).cancel()
            for _ in range(rng.randint(0, 3)):
                await asyncio.sleep(0)
            take_over(tasks, held)
            every = [*worker.lanes, *([worker.large] if worker.large else [])]
            assert all(each.in_flight == 1 for each in every if each.alone)
            assert worker.in_flight == sum(each.in_flight for each in every)
        while held or tasks:
            while held:
                worker.release(held.pop())
            await asyncio.sleep(0)
            take_over(tasks, held)
        await asyncio.sleep(0)
        assert worker.load == 0
