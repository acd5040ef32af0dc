"""Puts the figures of the last benchmark into the comparison with other servers, between its markers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import models, report

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "explanation" / "comparison.md"
_MARKED = re.compile(r"(<!-- begin speed -->\n).*?(<!-- end speed -->)", re.DOTALL)


def render() -> str:
    """The page with the figures of docs/performance.json."""
    found = json.loads((DOCS / "performance.json").read_text(encoding="utf-8")).get("peers")
    text = _table(found) if found else "Not measured yet."
    return _MARKED.sub(lambda part: f"{part[1]}\n{text}\n\n{part[2]}", PAGE.read_text(encoding="utf-8"))


def _table(found: dict[str, Any]) -> str:
    known = report.servers_of(found)
    servers = list(dict.fromkeys(name for names in known.values() for name in names))
    head = ["server", *(f"{models.NAMES[model]}" for model in known), "memory, MiB", "wrong answers"]
    rows = [
        [name, *(_speed(found, name, model) for model in known), _memory(found, name), _wrong(found, name)]
        for name in servers
    ]
    return f"{report.table(head, rows)}\n\n{report.about(found)}"


def _speed(found: dict[str, Any], server: str, model: str) -> str:
    measured = [each["rps"] for each in report.windows(found, server, model, models.ONE, 16)]
    return f"{median(measured):,.0f}" if measured else "–"


def _memory(found: dict[str, Any], server: str) -> str:
    """Of what answers, and behind a plus of what stands beside it (registry, reconciler)."""
    known = [each["parts"] for each in found["memory"] if each["server"] == server]
    answers = max((sum(part["pss"] for name, part in each.items() if name != "idle") for each in known), default=0.0)
    beside = max((each["idle"]["pss"] for each in known if "idle" in each), default=0.0)
    return " + ".join(f"{each:,.0f}" for each in (answers, beside) if each) or "–"


def _wrong(found: dict[str, Any], server: str) -> str:
    checks = [each for each in found["checks"] if each["server"] == server]
    return f"{sum(each['wrong'] for each in checks)} of {sum(each['asked'] for each in checks):,}" if checks else "–"
