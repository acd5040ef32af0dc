"""The last minutes of an instance, one point per reading: what the monitor draws. Pure, with the clock given."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from jupyter_modelserve.widgets import counters


@dataclass(frozen=True)
class Point:
    """One interval. ``at`` is its end in seconds since 1970; latencies in seconds, None without requests."""

    at: float
    rate: float
    failed: float
    p50: float | None
    p99: float | None


class History:
    """Readings of the last *seconds*, and the points between them. A restart of the gateway begins anew."""

    def __init__(self, seconds: float = 300.0) -> None:
        self._seconds = seconds
        self._started = 0.0
        self._readings: deque[tuple[float, counters.Reading]] = deque()
        self.points: deque[Point] = deque()

    def add(self, at: float, started: float, reading: counters.Reading) -> None:
        """Take a reading of the time *at* from a gateway that runs since *started*."""
        if started != self._started:
            self._started = started
            self._readings.clear()
        if self._readings and at > self._readings[-1][0]:
            self.points.append(_point(*self._readings[-1], at, reading))
        self._readings.append((at, reading))
        while self._readings[0][0] < at - self._seconds:
            self._readings.popleft()
        while self.points and self.points[0].at < at - self._seconds:
            self.points.popleft()

    def recent(self, seconds: float = 60.0) -> tuple[float, counters.Reading]:
        """What happened in about the last *seconds*, and how many they are."""
        if len(self._readings) < 2:
            return 0.0, {}
        at, last = self._readings[-1]
        then, first = next(each for each in self._readings if each[0] >= at - seconds)
        return at - then, counters.between(first, last)

    @property
    def everything(self) -> counters.Reading:
        """All since the gateway started."""
        return self._readings[-1][1] if self._readings else {}


def _point(then: float, before: counters.Reading, at: float, after: counters.Reading) -> Point:
    change = counters.total(counters.between(before, after).values())
    return Point(
        at=at,
        rate=change.requests / (at - then),
        failed=change.failed / (at - then),
        p50=change.quantile(0.5),
        p99=change.quantile(0.99),
    )
