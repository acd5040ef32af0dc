"""What a load must have met, and a report that says what happened when it did not."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.load import Shot

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Slo:
    """What a load must have met. ``check`` raises an AssertionError whose text is the whole report.

    Args:
        failed: requests that may end with anything but 200.
        versions: the versions that may answer; empty: any.
        least: requests there must be at all.
        gap: longest time in seconds without any answer 200 (generous: it catches hangs, it measures nothing).
        only: statuses allowed at all, besides 200; empty: any within *failed*.
    """

    failed: int = 0
    versions: frozenset[str] = frozenset()
    least: int = 1
    gap: float = 30.0
    only: frozenset[int] = frozenset()

    def check(self, shots: Sequence[Shot]) -> str:
        """The report, when everything was met."""
        bad = [shot for shot in shots if shot.status != 200]
        seen = {shot.version for shot in shots if shot.status == 200}
        broken = []
        if len(shots) < self.least:
            broken.append(f"{len(shots)} requests, at least {self.least} are needed")
        if len(bad) > self.failed:
            broken.append(f"{len(bad)} failed, {self.failed} may")
        if self.versions and not seen <= self.versions:
            broken.append(f"answered by {sorted(seen)}, allowed are {sorted(self.versions)}")
        if self.only and (others := {shot.status for shot in bad} - self.only):
            broken.append(f"statuses {sorted(others)}, allowed are 200 and {sorted(self.only)}")
        if any(shot.status == 503 and not shot.retry_after for shot in bad):
            broken.append("a 503 came without Retry-After")
        if longest_gap(shots) > self.gap:
            broken.append(f"{longest_gap(shots):.2f} s without an answer, {self.gap:g} s may be")
        text = report(shots)
        assert not broken, "\n".join(["the SLO is not met:", *broken, text])
        return text


def longest_gap(shots: Sequence[Shot]) -> float:
    """Longest time in seconds between answers 200, the first and the last request included."""
    if not shots:
        return 0.0
    good = sorted(shot.answered for shot in shots if shot.status == 200)
    edges = [0.0, *good, max(shot.answered for shot in shots)]
    return max(after - before for before, after in itertools.pairwise(edges))


def percentile(shots: Sequence[Shot], share: float) -> float:
    """The latency in seconds that *share* (0 to 1) of the answers 200 did not exceed; 0 without any."""
    found = sorted(shot.latency for shot in shots if shot.status == 200)
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0


def report(shots: Sequence[Shot]) -> str:
    """Several lines for people: counts, latencies, versions, the longest gap, the first failures."""
    bad = sorted((shot for shot in shots if shot.status != 200), key=lambda shot: shot.intended)
    statuses = Counter(shot.status for shot in shots)
    versions = Counter(shot.version for shot in shots if shot.status == 200)
    latency = f"latency p50 {1e3 * percentile(shots, 0.5):.1f} ms, p99 {1e3 * percentile(shots, 0.99):.1f} ms"
    lines = [
        f"requests {len(shots)}, failed {len(bad)}, by status {dict(sorted(statuses.items()))}",
        f"{latency}, longest gap {longest_gap(shots):.2f} s, answered by {dict(sorted(versions.items()))}",
    ]
    lines += [f"  at {s.intended:.2f} s, answered {s.answered:.2f} s: {s.status} {s.body[:160]}" for s in bad[:_SHOWN]]
    if len(bad) > _SHOWN:
        lines.append(f"  and {len(bad) - _SHOWN} more, the last at {bad[-1].intended:.2f} s: {bad[-1].body[:160]}")
    return "\n".join(lines)
