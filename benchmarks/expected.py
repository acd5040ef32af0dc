"""What was asked of the speed, as ratios and bounds, against what a run found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks import models, report
from benchmarks.report import DIRECT, PYFUNC, Found, added, ratios, spread, table

RATIOS = (
    (PYFUNC, "lr", {(models.ONE, 1): 2, (models.ONE, 16): 15, (models.ONE, 64): 60, (models.MANY, 4): 4}),
    (PYFUNC, "rf", {(models.ONE, 1): 1, (models.ONE, 16): 12, (models.ONE, 64): 30, (models.MANY, 4): 4}),
    (DIRECT, "lr", {(models.ONE, 1): 10, (models.ONE, 16): 60, (models.ONE, 64): 150}),
    (DIRECT, "rf", {(models.ONE, 1): 8}),
)
BEST_PEER = 3.0
BOUNDS = (
    ("version registered", "version registered (its creation in the registry) → first answer", 0.5, "s"),
    ("`%serve` with daemons down", "%serve with daemons down → returned", 12.0, "s"),
    ("gateway, idle", "gateway, idle, PSS, MiB", 60.0, "MiB"),
    ("a further version", "memory of a further version, PSS, MiB", 40.0, "MiB"),
)


@dataclass(frozen=True)
class Verdict:
    """One expectation, what was found, and whether it holds by the median."""

    what: str
    wanted: str
    found: str
    holds: bool


def verdicts(bench: Found | None, peers: Found | None) -> Iterator[Verdict]:
    """Everything that can be said from these runs."""
    if bench and bench.get("windows"):
        yield from _ratios(bench)
        yield from _gateway(bench)
    if peers:
        yield from _peers(peers)
    if bench:
        yield from _bounds(bench)


def render(bench: Found | None, peers: Found | None) -> str:
    """As a table."""
    rows = ([each.what, each.wanted, each.found, "yes" if each.holds else "**no**"] for each in verdicts(bench, peers))
    return table(["expectation", "wanted", "found", "met"], rows)


def _named(model: str, kind: str, clients: int) -> str:
    size = "" if kind == models.ONE else f", {kind}"
    return f"{models.NAMES[model]}{size}, {clients} client{'s' if clients > 1 else ''}"


def _ratios(found: Found) -> Iterator[Verdict]:
    for server, model, wanted in RATIOS:
        for (kind, clients), least in wanted.items():
            known = ratios(found, server, report.BASE, model, kind, clients)
            if known:
                what = f"{server} over {report.BASE}: {_named(model, kind, clients)}"
                yield Verdict(what, f"≥ {least}×", f"{spread(known)}×", median(known) >= least)


def _peers(found: Found) -> Iterator[Verdict]:
    names = report.servers_of(found)
    for server in (PYFUNC, DIRECT):
        for model, known in names.items():
            rivals = [each for each in known if each not in {PYFUNC, DIRECT, report.BASE}]
            for clients in (16, 64):
                by_rival = {each: ratios(found, server, each, model, models.ONE, clients) for each in rivals}
                closest = min(filter(by_rival.get, by_rival), key=lambda each: median(by_rival[each]), default="")
                if closest:
                    values = by_rival[closest]
                    what = f"{server} over the best peer ({closest}): {_named(model, models.ONE, clients)}"
                    yield Verdict(what, f"≥ {BEST_PEER:.0f}×", f"{spread(values)}×", median(values) >= BEST_PEER)


def _gateway(found: Found) -> Iterator[Verdict]:
    cost = added(found)
    if cost:
        yield Verdict("gateway, p50 at 1 client", "≤ 0.1 ms", f"{spread(cost.p50, 3)} ms", median(cost.p50) <= 0.1)
        yield Verdict(
            "gateway, CPU per request at 16 clients", "≤ 30 µs", f"{spread(cost.cpu)} µs", median(cost.cpu) <= 30
        )


def _bounds(found: Found) -> Iterator[Verdict]:
    for what, key, most, unit in BOUNDS:
        known = found.get("startup", {}).get(key)
        if known:
            yield Verdict(what, f"≤ {most:g} {unit}", f"{spread(known, 2)} {unit}", median(known) <= most)
