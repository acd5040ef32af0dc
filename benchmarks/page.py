"""docs/performance.md from docs/performance.json: the tables stand between markers, so text and figures cannot part.

``python -m benchmarks page`` takes the last runs from build/ first; a test compares page and JSON.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks import expected, report
from benchmarks.report import Found

DOCS = Path(__file__).resolve().parents[1] / "docs"
BUILD = DOCS.parent / "build"
PAGE, FIGURES = DOCS / "performance.md", DOCS / "performance.json"
RUNS = {"bench": "bench.json", "peers": "bench-peers.json"}
_MARKED = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def sections(figures: dict[str, Found]) -> dict[str, str]:
    """Name of a marker to what belongs there."""
    bench, peers = figures.get("bench"), figures.get("peers")
    nothing = "Not measured yet."
    return {
        "expected": expected.render(bench, peers) if bench or peers else nothing,
        "bench": report.render(bench) if bench else nothing,
        "peers": report.render(peers) if peers else nothing,
    }


def filled(page: str, figures: dict[str, Found]) -> str:
    """The page with the tables of these figures between its markers."""
    made = sections(figures)
    return _MARKED.sub(lambda found: f"{found[1]}\n{made[found[2]].strip()}\n\n{found[3]}", page)


def write() -> None:
    """Take the last runs over into the documentation."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    for name, file in RUNS.items():
        if (BUILD / file).is_file():
            figures[name] = json.loads((BUILD / file).read_text(encoding="utf-8"))
    FIGURES.write_text(report.dump(figures), encoding="utf-8")
    written = json.loads(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), written), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(DOCS.parent)} and {FIGURES.relative_to(DOCS.parent)}")
