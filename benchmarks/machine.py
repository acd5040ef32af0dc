"""What processes used of this machine: CPU time by group, memory, and what everybody else used meanwhile.

Linux only (``/proc``), like the figures that are published. CPU time is the figure that a busy machine disturbs least.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
Groups = Mapping[str, Iterable[int]]


@dataclass(frozen=True)
class Reading:
    """Seconds of CPU since boot: of each process of each group, and of the whole machine."""

    at: float
    busy: float
    groups: dict[str, dict[int, float]]


def read(groups: Groups) -> Reading:
    """Look now."""
    found = {name: {pid: cpu for pid in pids if (cpu := cpu_of(pid)) is not None} for name, pids in groups.items()}
    return Reading(time.perf_counter(), _busy(), found)


def used(before: Reading, after: Reading) -> dict[str, float]:
    """Seconds of CPU by group between two readings; a process that began in between counts from zero."""
    return {
        name: sum(cpu - before.groups.get(name, {}).get(pid, 0.0) for pid, cpu in pids.items())
        for name, pids in after.groups.items()
    }


def foreign(before: Reading, after: Reading, known: float) -> float:
    """Cores that others used between two readings, *known* being the seconds that are accounted for."""
    return (after.busy - before.busy - known) / max(after.at - before.at, 1e-9)


def cpu_of(pid: int) -> float | None:
    """Seconds of CPU that a process has used; ``None`` when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_of(pids: Iterable[int]) -> dict[str, float]:
    """MiB of processes together: ``pss`` counts a shared page once among its users, ``own`` what nobody shares."""
    total = {"pss": 0, "own": 0}
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        values = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
        total["pss"] += values["Pss"]
        total["own"] += values["Private_Clean"] + values["Private_Dirty"]
    return {name: kib / 1024 for name, kib in total.items()}


def tree(pid: int) -> list[int]:
    """A process and everything below it."""
    found, children = [pid], _children()
    for each in found:
        found.extend(children.get(each, ()))
    return [each for each in found if cpu_of(each) is not None]


def processes_naming(text: str) -> dict[int, str]:
    """Processes with *text* in their command line, and their descendants (with an ancestor's command line)."""
    named: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            line = command_line(int(entry.name))
            if text in line and int(entry.name) != os.getpid():
                named[int(entry.name)] = line
    queue, children = list(named), _children()
    for pid in queue:
        for child in children.get(pid, ()):
            if child not in named:
                named[child] = named[pid]
                queue.append(child)
    return named


def command_line(pid: int) -> str:
    """Arguments of a process, separated by spaces; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def describe() -> dict[str, str]:
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {
        "cpus": f"{os.cpu_count()} × {model}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            found.setdefault(parent, []).append(int(entry.name))
    return found


def _busy() -> float:
    # user nice system idle iowait irq softirq steal: what is stolen from this machine counts as busy with others.
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICK
