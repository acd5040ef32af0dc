"""Which process is ours: pid, start time and command line together, because a pid alone is reused.

Linux reads /proc; elsewhere (macOS) ``ps`` answers the same questions. No third-party library, so that the answers
have the same form in every process of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LINUX = sys.platform.startswith("linux")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken. ``start_time``: ticks since boot on Linux, ``lstart`` of ps elsewhere."""

    pid: int
    start_time: str


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    group: int
    session: int
    start_time: str


def identify(pid: int) -> Identity | None:
    """The identity of a live process; ``None`` when it is gone or a zombie."""
    found = _stat(pid)
    return None if found is None or found.state in "ZX" else Identity(pid, found.start_time)


def is_alive(identity: Identity, mark: str) -> bool:
    """Whether exactly this process still lives and *mark* is one of its command line arguments."""
    return identify(identity.pid) == identity and _mentions(identity.pid, mark)


def signal_group(identity: Identity, mark: str, number: signal.Signals) -> bool:
    """Send a signal to the process's own group, if it still is the process that we mean.

    A replica's parent leads its session, so that its group is it and its workers and nobody else.
    """
    if not is_alive(identity, mark):
        return False
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(identity.pid) == identity.pid:
            os.killpg(identity.pid, number)
        else:
            os.kill(identity.pid, number)
    return True


def kill_orphans(leader: int, mark: str) -> None:
    """Kill what is left of the session of a leader that is dead: workers that did not notice (Linux only).

    The kernel gives a session's number to no new process while the session has members. Only processes of this user
    with *mark* among their arguments are killed.
    """
    if not _LINUX or identify(leader) is not None:
        return
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        found = _stat(int(entry.name))
        if found and found.session == leader and found.group == leader and _mentions(int(entry.name), mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)


def _stat(pid: int) -> _Stat | None:
    return _stat_linux(pid) if _LINUX else _stat_ps(pid)


def _stat_linux(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold blanks and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], group=int(fields[2]), session=int(fields[3]), start_time=fields[19])


def _stat_ps(pid: int) -> _Stat | None:
    line = _ps(pid, "stat=,pgid=,lstart=").split(None, 2)
    if len(line) < 3:
        return None
    return _Stat(state=line[0][0], group=int(line[1]), session=int(line[1]), start_time=" ".join(line[2].split()))


def _mentions(pid: int, mark: str) -> bool:
    if not _LINUX:
        # ps joins the arguments with blanks, and a path may hold blanks.
        return mark in _ps(pid, "command=")
    try:
        return os.fsencode(mark) in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _ps(pid: int, columns: str) -> str:
    command = ["ps", "-o", columns, "-p", str(pid)]
    with suppress(OSError, subprocess.SubprocessError):
        environ = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False, env=environ)
        return done.stdout.strip()
    return ""
