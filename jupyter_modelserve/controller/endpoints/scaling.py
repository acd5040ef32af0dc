"""How many replicas a version needs: arithmetic on what is asked of it, by a clock that the caller reads. Pure.

More at once, fewer only after minutes of less load, none after half an hour without a request (REQ-132, REQ-134,
REQ-135). Unknown is not idle: while the gateway says nothing, nothing is taken away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from jupyter_modelserve.controller.endpoints.view import Key
from jupyter_modelserve.types import EndpointSpec

SILENCE = 30.0
"""Seconds without a word of the gateway after which nothing is known of the load."""
HELD = 3.0
"""Seconds for which the word that requests are held counts: the gateway repeats it every second."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a version may have. ``capacity``: requests that one replica works on at the same time (REQ-133)."""

    least: int = 1
    most: int = 1
    to_zero: bool = False
    capacity: int = 1


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds of less load before there are fewer replicas, and without a request before there are none."""

    down: float
    zero: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a version. All times are seconds on one clock.

    ``peaks``: ``(at, load)`` by time, each lower than the one before, so that the first one within a period is the
    highest of that period. Load is the mean number of requests worked on or waiting. ``used_at``: the last request.
    ``heard_at``: when the gateway last spoke of it. ``held``: requests that wait for it to return from zero, said at
    ``held_at``.
    """

    used_at: float
    heard_at: float
    peaks: tuple[tuple[float, float], ...] = ()
    held: int = 0
    held_at: float = -math.inf

    def loaded(self, at: float, load: float, used_at: float, period: float) -> Demand:
        """With a further report; what is older than *period* is forgotten."""
        kept = tuple((when, value) for when, value in self.peaks if value > load and when > at - period)
        return replace(self, peaks=(*kept, (at, load)), used_at=used_at, heard_at=at)

    def holding(self, at: float, requests: int) -> Demand:
        """With the word that *requests* are held."""
        return replace(self, held=requests, held_at=at, used_at=at, heard_at=at)

    def peak(self, since: float) -> float:
        """The highest load from *since* on. A report speaks of the time until the next one."""
        current = next((value for when, value in self.peaks if when >= since), 0.0)
        return max(current, self.peaks[-1][1] if self.peaks else 0.0)

    def waiting(self, now: float) -> int:
        """Requests that are held, as far as is known *now*."""
        return self.held if now - self.held_at <= HELD else 0


def bounds(spec: EndpointSpec, entities: Mapping[str, tuple[Key, ...]], key: Key) -> Bounds:
    """What the entities that select a version allow together: the largest of each, to zero only when all agree.

    One that no entity selects any more, because it answers only until its successor does, has what its model has.
    """
    found = [each for each in spec.entities if key in entities.get(each.name, ())]
    found = found or [each for each in spec.entities if each.model == key[0]] or list(spec.entities)
    capacity = max(each.workload_size.concurrency for each in spec.entities)
    least, most = max(each.least for each in found), max(each.most for each in found)
    return Bounds(least, max(least, most), all(each.scale_to_zero for each in found), capacity)


def wanted(bound: Bounds, demand: Demand, current: int, now: float, delays: Delays, *, steady: bool = True) -> int:
    """How many replicas there should be.

    Args:
        bound: what may be.
        demand: what is asked.
        current: how many there should be until now; 0 = scaled to zero.
        now: the clock of *demand*.
        delays: how long less must last.
        steady: no change of the endpoint is under way, so that replicas may be taken away.
    """
    held = demand.waiting(now)
    if current == 0:
        return _fitting(bound, held) if held or not bound.to_zero else 0
    may_shrink = steady and now - demand.heard_at <= SILENCE
    unused = not held and demand.peak(now) <= 0 and now - demand.used_at >= delays.zero
    if bound.to_zero and may_shrink and unused:
        return 0
    count = _fitting(bound, max(demand.peak(now - delays.down), held))
    return count if count >= current or may_shrink else max(bound.least, min(current, bound.most))


def due(bound: Bounds, demand: Demand, current: int, now: float, delays: Delays) -> float:
    """Seconds until time alone may change what :func:`wanted` says; infinite when it cannot."""
    moments = [math.inf]
    if current > bound.least:
        moments += [when + delays.down for when, _ in demand.peaks]
    if current and bound.to_zero:
        moments.append(demand.used_at + delays.zero)
    return min((each - now for each in moments if each > now), default=math.inf)


def _fitting(bound: Bounds, load: float) -> int:
    # Rounded first: a mean of 4.0000001 is no reason for a further replica.
    return max(bound.least, min(bound.most, math.ceil(round(load / bound.capacity, 3))))
