"""One process of a version, however it was started: three pipes, its reports, its log and its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any, Callable, Dict, NamedTuple, Tuple

from .logs import RotatingLog, pump
from .reaper import Reaper

_LINE_LIMIT = 64 * 1024 * 1024
_LAST_WORDS = 1.0
"""Seconds that pipes are read after the end: a child of the model may hold them open for ever."""

OnReport = Callable[[Dict[str, Any]], None]


class Ends(NamedTuple):
    """One side of the three pipes: standard input, standard output and error together, state lines."""

    stdin: int
    output: int
    state: int

    def close(self) -> None:
        """Close all three."""
        for descriptor in self:
            os.close(descriptor)


def make_pipes() -> Tuple[Ends, Ends]:
    """Our ends and the process's ends.

    Raises:
        OSError: too many open files.
    """
    made = []
    try:
        for _ in range(3):
            made.append(os.pipe())  # noqa: PERF401 - what was made before a failure is needed
    except OSError:
        for pair in made:
            os.close(pair[0])
            os.close(pair[1])
        raise
    (stdin_r, stdin_w), (output_r, output_w), (state_r, state_w) = made
    return Ends(stdin_w, output_r, state_r), Ends(stdin_r, output_w, state_w)


class Process:
    """A running process; ``method`` is ``fork`` or ``spawn``, ``state`` what it last reported."""

    def __init__(self, pid: int, method: str, ends: Ends, reaper: Reaper) -> None:
        self.pid = pid
        self.method = method
        self.state = "STARTING"
        self._stdin = ends.stdin
        self._ends = ends
        self._ended = asyncio.ensure_future(reaper.wait(pid))

    async def follow(self, log: RotatingLog, on_report: OnReport) -> int:
        """Read what it prints and reports until it has ended; its exit code."""
        pumping = asyncio.ensure_future(pump(self._ends.output, log))
        following = asyncio.ensure_future(self._reports(on_report))
        try:
            try:
                code = await asyncio.shield(self._ended)
            except ChildProcessError:
                code = 1
            # What is written has arrived long before.
            await asyncio.wait([pumping, following], timeout=_LAST_WORDS)
            return code
        finally:
            pumping.cancel()
            following.cancel()
            os.close(self._stdin)
            self._stdin = -1

    async def _reports(self, on_report: OnReport) -> None:
        reader = asyncio.StreamReader(limit=_LINE_LIMIT)
        stream = os.fdopen(self._ends.state, "rb", buffering=0)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_event_loop().connect_read_pipe(lambda: protocol, stream)
        try:
            while True:
                line = await reader.readline()
                if not line:
                    return
                report = json.loads(line)
                self.state = str(report["state"])
                on_report(report)
        finally:
            transport.close()

    def send(self, document: Dict[str, Any]) -> None:
        """One line to its standard input; a process that is ending needs none.

        Lines are far smaller than what a pipe holds, so that this never waits.
        """
        if self._stdin >= 0:
            try:
                os.write(self._stdin, (json.dumps(document) + "\n").encode("ascii"))
            except OSError:
                return

    def kill(self) -> None:
        """End it at once; nothing when it has ended (its number may be another's by now)."""
        if not self._ended.done():
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
