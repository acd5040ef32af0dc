"""The figures of a run as a file: what was measured, when and on what machine."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

_COUNTS = re.compile(r"requests (\d+), failed (\d+)")
_TIMES = re.compile(r"latency p50 ([\d.]+) ms, p99 ([\d.]+) ms, longest gap ([\d.]+) s")


def measured(lines: list[str]) -> dict[str, Any]:
    """What the lines of a scenario say: numbers of its load, and whatever was noted besides."""
    found: dict[str, Any] = {"besides": []}
    for line in lines:
        if counts := _COUNTS.match(line):
            found |= {"requests": int(counts[1]), "failed": int(counts[2])}
        elif times := _TIMES.match(line):
            found |= {"p50_ms": float(times[1]), "p99_ms": float(times[2]), "gap_s": float(times[3])}
        elif not line.startswith("  "):
            found["besides"].append(line)
    return found


def write(
    path: Path,
    outcomes: Mapping[str, str],
    lines: Mapping[str, list[str]],
    long: bool,
    engines: Mapping[str, str] | None = None,
) -> None:
    """Write one run to *path*. *engines* tells which engine carried the models of a scenario."""
    scenarios = {
        name: {"engine": (engines or {}).get(name, "process"), "outcome": outcome, **measured(lines.get(name, []))}
        for name, outcome in outcomes.items()
    }
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    run = {
        "date": time.strftime("%Y-%m-%d"),
        "ended": time.strftime("%H:%M %Z"),
        "set": "long" if long else "short",
        "machine": machine,
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "mlflow": version("mlflow"),
        "scenarios": scenarios,
    }
    path.write_text(json.dumps(run, indent=1), encoding="utf-8")
