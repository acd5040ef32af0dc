"""Writes docs/reliability.md from the figures of a run of tests/chaos (``make chaos`` does both).

A page of figures that nobody can produce again is worth little: so a command makes it, with the date and the machine,
and the runs before it stay below.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RUNS = "## Run of "
COLUMNS = ("requests", "failed", "p50_ms", "p99_ms", "gap_s")
KEPT = 4
"""Earlier runs that stay on the page."""
HEAD = """# Figures of reliability

Written by `make chaos`, and by `python scripts/reliability.py --set short` after `make test`; not by hand. What each
scenario does and what is promised stands in [what may die, and what you notice](explanation/reliability.md). Failed
counts every request that was not answered 200; the longest gap is the longest time without any answer 200.
"""
ENGINES = {"process": "Models as processes", "docker": "Models in containers"}


def section(run: dict[str, Any]) -> str:
    """One run as a section with a table for each engine."""
    size = "20,000 requests, 20 kills or moves" if run["set"] == "long" else "2,000 requests, 5 kills or moves"
    scenarios = run["scenarios"].values()
    there = [name for name in ENGINES if any(engine_of(each) == name for each in scenarios)]
    one = there[0] if len(there) == 1 else ""
    if run["set"] == "long":
        command = f"make chaos ENGINE={one}" if one else "make chaos"
    else:
        command = f"pytest tests/chaos -k {one}" if one else "make test"
    passed = sum(each["outcome"] == "passed" for each in scenarios)
    software = f"Python {run['python']}, MLflow {run['mlflow']}, load average at the end {run['load']}"
    ended = f", ended {run['ended']}" if "ended" in run else ""
    lines = [
        f"{RUNS}{run['date']}{ended}, the {run['set']} set ({size})",
        "",
        f"By `{command}`: {passed} of {len(scenarios)} scenarios passed. {run['machine']}, {software}.",
        "",
    ]
    return "\n".join([*lines, *(line for name in there for line in table(run, name))])


def engine_of(scenario: dict[str, Any]) -> str:
    """What carried the models; figures of earlier versions do not say, for there was one engine."""
    return str(scenario.get("engine", "process"))


def table(run: dict[str, Any], engine: str) -> list[str]:
    """The scenarios on one engine, as lines."""
    lines = [
        f"### {ENGINES[engine]}",
        "",
        "| scenario | | requests | failed | p50 ms | p99 ms | longest gap s | besides |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in run["scenarios"].items():
        if engine_of(each) == engine:
            numbers = (f"{each[key]:,}" if key in each else "" for key in COLUMNS)
            besides = "; ".join(each["besides"]).replace("|", "\\|")
            lines.append(f"| `{name}` | {each['outcome']} | {' | '.join(numbers)} | {besides} |")
    return [*lines, ""]


def page(run: dict[str, Any], before: str) -> str:
    """The whole page with *run* on top of the runs that *before*, its last text, shows."""
    older = [RUNS + each.rstrip() + "\n" for each in before.split(RUNS)[1:]]
    return "\n".join([HEAD, section(run), *older[:KEPT]])


def main(arguments: list[str] | None = None) -> int:
    """Write the page; 1 when there are no figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=("long", "short"), default="long", help="which run's figures")
    source = ROOT / "build" / f"reliability-{parser.parse_args(arguments).set}.json"
    if not source.is_file():
        print(f"{source} is missing; run: make chaos", file=sys.stderr)
        return 1
    run = json.loads(source.read_text(encoding="utf-8"))
    before = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    PAGE.write_text(page(run, before), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
