"""Turns the gateway's counters into what a person asks: how many, how fast, how many failed. Pure.

Counters only grow until the gateway restarts, so everything is a difference between two readings.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """Whose requests: the endpoint ("" when a model was addressed), the model and the version that answered."""

    endpoint: str
    model: str
    version: str


@dataclass
class Count:
    """Requests, refusals of the caller's making (4xx), failures (5xx), and how many were done within each bound (s)."""

    requests: float = 0
    refused: float = 0
    failed: float = 0
    seconds: float = 0
    within: dict[float, float] = field(default_factory=dict)

    def add(self, other: Count, sign: int = 1) -> None:
        """Sum up (or with -1 subtract) another one."""
        self.requests += sign * other.requests
        self.refused += sign * other.refused
        self.failed += sign * other.failed
        self.seconds += sign * other.seconds
        for bound, number in other.within.items():
            self.within[bound] = self.within.get(bound, 0) + sign * number

    def quantile(self, share: float) -> float | None:
        """Seconds within which *share* of the requests ended, as Prometheus interpolates it; None without."""
        total = self.within.get(math.inf, 0)
        if total <= 0:
            return None
        below, before = 0.0, 0.0
        for bound in sorted(self.within):
            number = self.within[bound]
            if number >= share * total:
                if math.isinf(bound):
                    return below
                part = (share * total - before) / (number - before) if number > before else 1.0
                return below + (bound - below) * part
            below, before = bound, number
        return below

    @property
    def availability(self) -> float | None:
        """Share of requests that did not fail (5xx); None without requests."""
        return 1 - self.failed / self.requests if self.requests > 0 else None


Reading = dict[Key, Count]


def read(text: str) -> tuple[float, Reading]:
    """When the gateway started (seconds since 1970), and the counts of everything that was addressed."""
    from prometheus_client.parser import text_string_to_metric_families

    started, found = 0.0, defaultdict[Key, Count](Count)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "modelserve_start_time_seconds":
                started = sample.value
            elif sample.labels.get("model"):
                key = Key(sample.labels.get("endpoint", ""), sample.labels["model"], sample.labels.get("version", ""))
                _count(found, key, sample.name, sample.labels, sample.value)
    return started, dict(found)


def _count(found: dict[Key, Count], key: Key, name: str, labels: Mapping[str, str], value: float) -> None:
    if name == "modelserve_requests_total":
        count, status = found[key], labels["status"]
        count.requests += value
        count.refused += value if status.startswith("4") else 0
        count.failed += value if status.startswith("5") else 0
    elif name == "modelserve_request_seconds_sum":
        found[key].seconds += value
    elif name == "modelserve_request_seconds_bucket":
        bound = math.inf if labels["le"] == "+Inf" else float(labels["le"])
        found[key].within[bound] = found[key].within.get(bound, 0) + value


def total(counts: Iterable[Count]) -> Count:
    """All of them together."""
    found = Count()
    for each in counts:
        found.add(each)
    return found


def between(before: Reading, after: Reading) -> Reading:
    """What happened from one reading to the next."""
    found: Reading = {}
    for key, count in after.items():
        change = Count()
        change.add(count)
        change.add(before.get(key, Count()), -1)
        found[key] = change
    return found
