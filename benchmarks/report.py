"""From what a run found to Markdown tables. Figures are medians over the rounds, with the smallest and the largest.

A ratio is taken inside each round, between two servers, and only then over the rounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import models
from benchmarks.load import TOO_DIRTY

BASE = "mlflow models serve"
DIRECT, PYFUNC = "ours, direct", "ours, pyfunc"
WORK = ((models.ONE, 1), (models.ONE, 16), (models.ONE, 64), (models.MANY, 4))
HEADS = ("1 client", "16 clients", "64 clients", "1,000 rows, 4 clients")
Found = dict[str, Any]


def write(found: Found, name: str) -> None:
    """Print the tables and write build/NAME.md and build/NAME.json."""
    build = Path("build")
    build.mkdir(exist_ok=True)
    text = render(found)
    (build / f"{name}.md").write_text(text, encoding="utf-8")
    (build / f"{name}.json").write_text(dump(found), encoding="utf-8")
    print(text)


def dump(found: Found, depth: int = 0) -> str:
    """JSON with four digits of each figure and one window a line, so that a new run can be compared with the old."""
    lines = []
    for name, value in sorted(found.items()):
        if isinstance(value, dict) and depth == 0 and "windows" in value:
            text = dump(value, 1).strip()
        elif isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(_short(each), ensure_ascii=False) for each in value) + "\n]"
        else:
            text = json.dumps(_short(value), ensure_ascii=False)
        lines.append(f"{json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list) else value


def render(found: Found) -> str:
    """Everything that a run found."""
    return "\n\n".join([*_sections(found)]) + "\n"


def _sections(found: Found) -> Iterator[str]:
    yield about(found)
    if found.get("windows"):
        for model in servers_of(found):
            yield f"**{models.NAMES[model]}**, one row a request where nothing else is said"
            yield speed(found, model)
        yield costs(found)
        yield from filter(None, [gateway(found), checks(found), noise(found), missing(found)])
    if found.get("startup"):
        yield startup(found)


def about(found: Found) -> str:
    """Which run this is."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    machine = found["machine"]
    return (
        f"`{found['command']}`, {found['made']}: {found['rounds']} rounds of {found['seconds']:g} s windows, "
        f"{found['took'] / 60:.0f} minutes in all. Python {machine['python']} on {machine['cpus']}, "
        f"{machine['memory']}, {machine['system']}. {versions}."
    )


# ---------------------------------------------------------------------------------------------------- numbers
def servers_of(found: Found) -> dict[str, list[str]]:
    """Model to the servers that were measured with it, in order of appearance in the first round."""
    names: dict[str, list[str]] = {}
    for each in found["windows"]:
        known = names.setdefault(each["model"], [])
        if each["round"] == 0 and each["server"] not in known:
            known.append(each["server"])
    return names


def windows(found: Found, server: str, model: str, kind: str, clients: int, generator: str = "") -> list[Found]:
    """The windows of one cell by round; those of the load generator that the cell is about."""
    key = (server, model, kind, clients)
    cell = [each for each in found["windows"] if (each["server"], each["model"], each["kind"], each["clients"]) == key]
    if not generator and any(each["generator"] == "wrk" for each in cell):
        generator = "wrk"
    # Where wrk cannot be had, everything is measured with our generator, the pair for the gateway twice.
    rounds = {each["round"]: each for each in reversed(cell) if not generator or each["generator"] == generator}
    return [rounds[number] for number in sorted(rounds)]


def ratios(found: Found, server: str, base: str, model: str, kind: str, clients: int) -> list[float]:
    """Requests/s of one server over another's, round by round; a round in which the other answered nothing has none."""
    ours, theirs = (windows(found, name, model, kind, clients) for name in (server, base))
    by_round = {each["round"]: each["rps"] for each in theirs}
    return [each["rps"] / by_round[each["round"]] for each in ours if by_round.get(each["round"])]


def spread(values: Iterable[float], digits: int = 1, unit: str = "") -> str:
    """``median (smallest–largest)``."""
    known = sorted(values)
    if not known:
        return "–"
    texts = [f"{_number(each, digits)}" for each in (median(known), known[0], known[-1])]
    return f"{texts[0]}{unit}" if len(known) == 1 else f"{texts[0]}{unit} ({texts[1]}–{texts[2]})"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{0 if abs(value) >= 100 else digits}f}"


# ---------------------------------------------------------------------------------------------------- tables
def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Markdown."""
    names = list(heads)
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def speed(found: Found, model: str) -> str:
    """Requests/s, ratio to ``mlflow models serve``, p50 and p99 of every server."""

    def cell(server: str, kind: str, clients: int) -> str:
        cells = windows(found, server, model, kind, clients)
        if not cells:
            return "–"
        rps = f"{median(each['rps'] for each in cells):,.0f}/s"
        known = ratios(found, server, BASE, model, kind, clients) if server != BASE else []
        times = " / ".join(f"{median(each[name] for each in cells):.2f}" for name in ("p50", "p99"))
        failures = sum(each["failures"] for each in cells)
        return f"{rps}{f', {spread(known)}×' if known else ''}; {times} ms" + (
            f"; **{failures} failures**" if failures else ""
        )

    rows = ([server, *(cell(server, *work) for work in WORK)] for server in servers_of(found)[model])
    return table(["requests/s, ratio to mlflow; p50 / p99", *HEADS], rows)


def costs(found: Found) -> str:
    """CPU time per request of the processes that answer it, and memory after the load."""
    parts = {(each["server"], each["model"]): each["parts"] for each in found["memory"]}

    def cpu(server: str, model: str, work: tuple[str, int]) -> str:
        cells = windows(found, server, model, *work)
        names = [name for name in (cells[0]["cpu"] if cells else {}) if name != "idle"]
        medians = {name: median(each["cpu"][name] for each in cells) for name in names}
        shown = [f"{value:,.0f}" for value in medians.values() if value >= 0.5]
        return " + ".join(shown) or "–"

    def memory(server: str, model: str) -> str:
        known = parts.get((server, model), {})
        return " + ".join(f"{each['pss']:.0f}" for name, each in known.items() if name != "idle") or "–"

    rows = (
        [models.NAMES[model], server, *(cpu(server, model, work) for work in WORK), memory(server, model)]
        for model, names in servers_of(found).items()
        for server in names
    )
    heads = ["model", "CPU µs per request (gateway + worker)", *HEADS, "memory, PSS MiB (gateway + worker)"]
    return table(heads, rows)


@dataclass(frozen=True)
class Added:
    """What the gateway costs, round by round: milliseconds of p50 at one client, microseconds of CPU at 16."""

    p50: list[float]
    cpu: list[float]


def added(found: Found, model: str = "lr") -> Added | None:
    """The gateway against the worker's own socket with the same load generator; ``None`` when that was not measured."""
    through = windows(found, DIRECT, model, models.ONE, 1, "ours")
    beside = {each["round"]: each for each in windows(found, f"{DIRECT}, worker's socket", model, models.ONE, 1)}
    pairs = [(each["p50"], beside[each["round"]]["p50"]) for each in through if each["round"] in beside]
    cpu = [each["cpu"]["gateway"] for each in windows(found, DIRECT, model, models.ONE, 16)]
    return Added([mine - theirs for mine, theirs in pairs], cpu) if pairs else None


def gateway(found: Found) -> str:
    """What the gateway adds."""
    rows = [
        [models.NAMES[model], spread(each.p50, 3), spread(each.cpu)]
        for model in servers_of(found)
        if (each := added(found, model))
    ]
    heads = ["gateway, direct path", "p50 added at 1 client, ms", "CPU µs per request at 16 clients"]
    return table(heads, rows) if rows else ""


def checks(found: Found) -> str:
    """How many answers were compared with the estimator's own, and by which way ours were made."""
    rows = [
        [models.NAMES[each["model"]], each["server"], f"{each['asked']:,}", f"{each['wrong']:,}", each["path"] or "–"]
        for each in found["checks"]
    ]
    return table(["model", "server", "answers compared, 64 clients", "wrong", "path"], rows)


def noise(found: Found) -> str:
    """How far to trust it: what others used of the machine, and what the load generators cost."""
    known = found["windows"]
    dirty = sum(each["foreign"] > TOO_DIRTY for each in known)
    kinds = sorted({each["generator"] for each in known})
    load = ", ".join(
        f"{name} {median(each['load_cpu'] for each in known if each['generator'] == name and each['rps'] > 2000):.0f}"
        for name in kinds
        if any(each["rps"] > 2000 for each in known if each["generator"] == name)
    )
    usual = median(each["foreign"] for each in known)
    return (
        f"Other processes used {usual:.2f} cores in the median window, and more than {TOO_DIRTY} in {dirty} of "
        f"{len(known)}. CPU µs per request of the load generator above 2,000 requests/s: {load or '–'}."
    )


def missing(found: Found) -> str:
    """What could not be measured, and why."""
    return "\n".join(f"- {name}: {why}" for name, why in found["missing"].items())


def startup(found: Found) -> str:
    """Everything that happens once."""
    rows = [[name, each if isinstance(each, str) else spread(each, 2)] for name, each in found["startup"].items()]
    return table(["what happens once", "seconds where nothing else is said"], rows)
