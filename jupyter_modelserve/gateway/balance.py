"""Which worker and which of its lanes takes a request: slots, the queue before them, replays, ejection.

A worker outlives route tables, so that counts stay true across a change; it is forgotten when its target is gone and
idle. Bounds are those of the worker, whatever number of lanes it has.

A request that was lost with its process is replayed with no other beside it, on a lane where nothing else runs: then
one that kills its process costs nobody else a second try, however many were lost together with it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Container, Sequence

from jupyter_modelserve.errors import TooManyRequests
from jupyter_modelserve.gateway.lanes import LARGE, MEDIUM, Lane, lanes_of
from jupyter_modelserve.types import RouteTable, RouteTarget

Clock = Callable[[], float]
_Waiter = asyncio.Future[Lane]


class Rerouted(Exception):
    """The target left the route table while a request waited for it; nothing was sent."""


class Worker:
    """A loaded version: requests in flight, the bounded queue before them, and its lanes."""

    __slots__ = (
        "_clock",
        "_replays",
        "_waiters",
        "extra",
        "in_flight",
        "lanes",
        "large",
        "retired",
        "slots",
        "taken",
        "target",
    )

    def __init__(self, target: RouteTarget, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.in_flight = 0
        self.taken = 0
        self.extra = 0
        self.retired = False
        self.lanes, self.large = lanes_of(target)
        self._waiters: deque[tuple[_Waiter, int]] = deque()
        self._replays: deque[_Waiter] = deque()
        self.update(target)

    def update(self, target: RouteTarget) -> None:
        """Take the newest limits. What batches gets its queue as well: what waits there makes the batches."""
        self.target = target
        self.slots = target.concurrency + (target.queue if target.batches else 0)

    def serves(self, target: RouteTarget) -> bool:
        """Whether *target* is still the same processes."""
        mine = self.target
        return (mine.address, mine.key, mine.lanes, mine.large) == (
            target.address, target.key, target.lanes, target.large,
        )  # fmt: skip

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiters) + len(self._replays)

    @property
    def load(self) -> int:
        """Requests in flight and waiting."""
        return self.in_flight + self.waiting

    @property
    def full(self) -> bool:
        """Whether a further request would be refused. Those that came from a wait for zero take nobody's room."""
        return self.load - self.extra >= self.target.concurrency + self.target.queue

    @property
    def ejected_until(self) -> float:
        """When the first of its ordinary lanes may be used again."""
        return min(each.ejected_until for each in self.lanes)

    # ------------------------------------------------------------------------------------------------ slots
    def take(self, size: int) -> Lane | None:
        """A slot on a lane for a body of *size* bytes, unless one has to wait."""
        if self._waiters or self._replays:
            return None
        lane = self._choose(size)
        return None if lane is None else self._occupy(lane)

    async def acquire(self, size: int = 0, *, admitted: bool = False) -> Lane:
        """Take a slot, waiting in order; the lane that it is on.

        One that is *admitted*, because it waited for a version at zero, finds room however full the queue is (R13).

        Raises:
            TooManyRequests: the queue is full.
            Rerouted: the target went away meanwhile.
        """
        if self.retired:
            raise Rerouted
        lane = self.take(size)
        if lane is not None:
            return lane
        if self.full and not admitted:
            raise TooManyRequests(
                f"version {self.target.version} of {self.target.model!r} already works on {self.in_flight} requests "
                f"and {self.waiting} wait; try again or choose a larger workload size",
                retry_after_s=1,
            )
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((waiter, size))
        self.extra += admitted
        try:
            return await self._granted(waiter)
        finally:
            self.extra -= admitted

    async def acquire_alone(self) -> Lane:
        """Take a lane on which nothing else runs, before everything that waits (a replay was admitted already).

        Raises:
            Rerouted: the target went away meanwhile.
        """
        if self.retired:
            raise Rerouted
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._replays.append(waiter)
        self._hand_out()
        return await self._granted(waiter)

    async def _granted(self, waiter: _Waiter) -> Lane:
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())  # the slot was handed over in the same moment
            else:
                self._hand_out()
            raise

    def release(self, lane: Lane) -> None:
        """Give a slot back; the next in the queue inherits it."""
        lane.in_flight -= 1
        lane.alone = False
        self.in_flight -= 1
        if self._replays or self._waiters:
            self._hand_out()

    def _occupy(self, lane: Lane) -> Lane:
        lane.in_flight += 1
        self.in_flight += 1
        self.taken += 1
        return lane

    def _hand_out(self) -> None:
        self._replays = deque(each for each in self._replays if not each.done())
        self._waiters = deque(each for each in self._waiters if not each[0].done())
        while self._replays and (lane := self._quiet()) is not None:
            lane.alone = True
            self._replays.popleft().set_result(self._occupy(lane))
        while self._waiters and not self._replays and (lane := self._choose(self._waiters[0][1])) is not None:
            self._waiters.popleft()[0].set_result(self._occupy(lane))

    # ------------------------------------------------------------------------------------------------ lanes
    def _choose(self, size: int) -> Lane | None:
        if self.in_flight >= self.slots:
            return None
        large = self._usable_large()
        if size > LARGE and large is not None:
            return large
        first = self.lanes[0]
        if self.target.batches and size > MEDIUM and large is not None and first.in_flight:
            return self._either(first, large)
        if self.target.batches or len(self.lanes) == 1:
            return None if first.alone else first
        return self._ordinary()

    def _usable_large(self) -> Lane | None:
        large = self.large
        usable = large is not None and not large.alone and large.ejected_until <= self._clock()
        return large if usable else None

    def _either(self, first: Lane, large: Lane) -> Lane | None:
        """The lane of a batching version with less in flight, for a request of many rows; the other one is woken."""
        if not large.warm:
            large.wake()
            return None if first.alone else first
        return large if first.alone or large.in_flight < first.in_flight else first

    def _ordinary(self) -> Lane | None:
        """The first idle lane, else the one with the least in flight; a further one is woken when all are busy."""
        now, cold = self._clock(), None
        best: Lane | None = None
        for lane in self.lanes:
            if lane.alone or (lane.ejected_until > now and lane.number != 0):
                continue
            if not lane.warm:
                cold = cold or lane
            elif lane.in_flight == 0 and lane.ejected_until <= now:
                return lane
            elif best is None or (lane.ejected_until > now, lane.in_flight) < (
                best.ejected_until > now,
                best.in_flight,
            ):
                best = lane
        if cold is not None:
            cold.wake()
        return best

    def _quiet(self) -> Lane | None:
        """A lane for a replay: one that runs before one that would have to be started."""
        every = self.lanes if self.large is None else [*self.lanes, self.large]
        now = self._clock()
        found = [each for each in every if each.in_flight == 0 and (each.ejected_until <= now or each.number == 0)]
        return min(found, key=lambda each: not each.warm, default=None)

    def retire(self) -> None:
        """The target left the table: whoever waits looks for another."""
        self.retired = True
        waiters = [*self._replays, *(each for each, _ in self._waiters)]
        self._replays.clear()
        self._waiters.clear()
        for each in waiters:
            if not each.done():
                each.set_exception(Rerouted())
        for lane in self.lanes if self.large is None else [*self.lanes, self.large]:
            lane.close()


class Workers:
    """All workers of the gateway, by target id."""

    def __init__(self, rng: random.Random | None = None, clock: Clock = time.monotonic) -> None:
        self._workers: dict[str, Worker] = {}
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._clock = clock

    def of(self, target: RouteTarget) -> Worker:
        """The worker of *target*, with its newest limits."""
        worker = self._workers.get(target.id)
        if worker is None or worker.retired or (worker.target is not target and not worker.serves(target)):
            if worker is not None:
                worker.retire()
            worker = self._workers[target.id] = Worker(target, self._clock)
        elif worker.target is not target:
            worker.update(target)
        return worker

    def pick(self, targets: Sequence[RouteTarget], avoid: Container[str] = ()) -> Worker:
        """The less loaded of two random workers that are neither ejected nor in *avoid*; never nothing."""
        if len(targets) == 1:
            return self.of(targets[0])
        now = self._clock()
        workers = [self.of(each) for each in targets]
        fresh = [each for each in workers if each.target.id not in avoid] or workers
        usable = [each for each in fresh if each.ejected_until <= now]
        if not usable:
            return min(fresh, key=lambda each: each.ejected_until)
        pair = usable if len(usable) <= 2 else self._rng.sample(usable, 2)
        best = min(pair, key=lambda each: each.load)
        return min(usable, key=lambda each: each.load) if best.full else best

    def sync(self, table: RouteTable) -> None:
        """Adopt a new table: waiters of vanished targets are sent elsewhere, idle workers forgotten.

        A target that scales has a worker from now on, so that "nobody asked for it" can be told (``demand``).
        """
        for key, worker in list(self._workers.items()):
            target = table.targets.get(key)
            if target is None:
                worker.retire()
                if worker.in_flight == 0:
                    del self._workers[key]
            else:
                self.of(target)
        for target in table.targets.values():
            if target.scales:
                self.of(target)

    def all(self) -> list[Worker]:
        """Every worker, for metrics."""
        return list(self._workers.values())
