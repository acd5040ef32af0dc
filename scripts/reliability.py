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
KEPT = 2
"""Earlier runs that stay on the page."""
HEAD = """# Figures of reliability

Written by `make chaos`, and by `python scripts/reliability.py --set short` after `make test`; not by hand. What each
scenario does and what is promised stands in [what may die, and what you notice](explanation/reliability.md). Failed
counts every request that was not answered 200; the longest gap is the longest time without any answer 200.
"""


def table(run: dict[str, Any]) -> str:
    """One run as a section."""
    size = "20,000 requests, 20 kills or moves" if run["set"] == "long" else "2,000 requests, 5 kills or moves"
    command = "chaos" if run["set"] == "long" else "test"
    passed = sum(each["outcome"] == "passed" for each in run["scenarios"].values())
    software = f"Python {run['python']}, MLflow {run['mlflow']}, load average at the end {run['load']}"
    lines = [
        f"{RUNS}{run['date']}, the {run['set']} set ({size})",
        "",
        f"By `make {command}`: {passed} of {len(run['scenarios'])} scenarios passed. {run['machine']}, {software}.",
        "",
        "| scenario | | requests | failed | p50 ms | p99 ms | longest gap s | besides |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in run["scenarios"].items():
        numbers = (f"{each[key]:,}" if key in each else "" for key in COLUMNS)
        besides = "; ".join(each["besides"]).replace("|", "\\|")
        lines.append(f"| `{name}` | {each['outcome']} | {' | '.join(numbers)} | {besides} |")
    return "\n".join([*lines, ""])


def page(run: dict[str, Any], before: str) -> str:
    """The whole page with *run* on top of the runs that *before*, its last text, shows."""
    older = [RUNS + each.rstrip() + "\n" for each in before.split(RUNS)[1:]]
    return "\n".join([HEAD, table(run), *older[:KEPT]])


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
