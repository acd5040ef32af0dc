"""Lanes to the workers: how many requests each has, who waits, who is ejected, and which one is next.

The lane of a target outlives route tables, so that counts stay true across a change; it is forgotten when the target
is gone and idle.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Container, Sequence
from typing import Final

from jupyter_modelserve.errors import TooManyRequests
from jupyter_modelserve.types import RouteTable, RouteTarget

_EJECTIONS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class Rerouted(Exception):
    """The target left the route table while a request waited for it; nothing was sent."""


class Lane:
    """Requests in flight to one target and the bounded queue before it."""

    __slots__ = ("_failures", "_waiters", "ejected_until", "head", "in_flight", "target")

    def __init__(self, target: RouteTarget) -> None:
        self.target = target
        self.in_flight = 0
        self.ejected_until = 0.0
        self.head = b"POST /invocations HTTP/1.1\r\nhost: worker\r\nx-modelserve-key: " + target.key.encode("ascii")
        self._failures = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def load(self) -> int:
        """Requests in flight and waiting."""
        return self.in_flight + len(self._waiters)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiters)

    @property
    def full(self) -> bool:
        """Whether a further request would be refused."""
        return self.load >= self.target.concurrency + self.target.queue

    async def acquire(self) -> None:
        """Take a slot, waiting in order.

        Raises:
            TooManyRequests: the queue is full.
            Rerouted: the target went away meanwhile.
        """
        if self.in_flight < self.target.concurrency and not self._waiters:
            self.in_flight += 1
            return
        if self.full:
            raise TooManyRequests(
                f"version {self.target.version} of {self.target.model!r} already works on {self.in_flight} requests "
                f"and {self.waiting} wait; try again or choose a larger workload size",
                retry_after_s=1,
            )
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()  # the slot was handed over in the same moment
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def release(self) -> None:
        """Give a slot back; the next in the queue inherits it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.in_flight -= 1

    def retire(self) -> None:
        """The target left the table: whoever waits looks for another."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Rerouted())

    def fail(self, now: float) -> None:
        """Eject for 1, 2, 4 … 30 seconds: it could not be reached or lost a request."""
        if now < self.ejected_until:
            return
        self.ejected_until = now + _EJECTIONS[min(self._failures, len(_EJECTIONS) - 1)]
        self._failures += 1

    def succeed(self) -> None:
        """It answered: the next ejection is short again."""
        self._failures = 0
        self.ejected_until = 0.0


class Lanes:
    """All lanes of the gateway, by target id."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._lanes: dict[str, Lane] = {}
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing

    def of(self, target: RouteTarget) -> Lane:
        """The lane of *target*, with its newest limits."""
        lane = self._lanes.get(target.id)
        if lane is None or lane.target.address != target.address or lane.target.key != target.key:
            if lane is not None:
                lane.retire()
            lane = self._lanes[target.id] = Lane(target)
        lane.target = target
        return lane

    def pick(self, targets: Sequence[RouteTarget], now: float, avoid: Container[str] = ()) -> Lane:
        """The less loaded of two random lanes that are neither ejected nor in *avoid*; never nothing."""
        if len(targets) == 1:
            return self.of(targets[0])
        lanes = [self.of(each) for each in targets]
        fresh = [each for each in lanes if each.target.id not in avoid] or lanes
        usable = [each for each in fresh if each.ejected_until <= now]
        if not usable:
            return min(fresh, key=lambda each: each.ejected_until)
        pair = usable if len(usable) <= 2 else self._rng.sample(usable, 2)
        best = min(pair, key=lambda each: each.load)
        return min(usable, key=lambda each: each.load) if best.full else best

    def sync(self, table: RouteTable) -> None:
        """Adopt a new table: waiters of vanished targets are sent elsewhere, idle lanes forgotten."""
        for key, lane in list(self._lanes.items()):
            if key not in table.targets:
                lane.retire()
                if lane.in_flight == 0:
                    del self._lanes[key]

    def all(self) -> list[Lane]:
        """Every lane, for metrics."""
        return list(self._lanes.values())
