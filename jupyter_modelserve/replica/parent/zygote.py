"""The zygote seen from the parent: have one, ask it for forks, replace it when it ends or its environment changed.

A zygote is a convenience and nothing depends on it: whatever goes wrong with it, the answer is ``None`` and the worker
is spawned. Workers are not its children (the kernel hands them over to the parent), so that they outlive it.
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from typing import Any, Dict, NamedTuple, Optional, Sequence, Set

from .environ import zygote_environ
from .reaper import Reaper

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BOOT_BUDGET = 120.0
_PATIENCE = 60.0
"""Seconds that a worker waits for a zygote that boots."""
_MOST_BOOTS = 3
"""Boots in a row that came to nothing, after which there is none for good."""
_FORK_BUDGET = 30.0
_STEADY = 30.0
_PAUSES = (0.0, 1.0, 5.0, 30.0, 60.0)
"""Seconds before each boot in a row; one that was fit for :data:`_STEADY` seconds begins anew."""
_MESSAGE = 64 * 1024


class Forked(NamedTuple):
    """A worker: its pid, and the numbers that the descriptors sent along have in it."""

    pid: int
    descriptors: Sequence[int]


class Zygote:
    """At most one process; boots from :meth:`start` on. Used in the event loop's thread."""

    def __init__(self, directory: str, reaper: Reaper) -> None:
        self._directory = directory
        self._reaper = reaper
        self._lock = asyncio.Lock()
        self._settled = asyncio.Event()
        self._socket: Optional[socket.socket] = None
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._ended: Optional["asyncio.Future[int]"] = None
        self._task: Optional["asyncio.Future[None]"] = None
        self._number = 0
        self._avoided: Set[str] = set()
        self.unfit = ""
        """Why there is none for good."""

    @property
    def pid(self) -> Optional[int]:
        """Of the process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Boot in the background."""
        self._task = asyncio.ensure_future(self._keep())

    def close(self) -> None:
        """End it. Its workers go on."""
        if self._task is not None:
            self._task.cancel()
        self._kill()

    async def _keep(self) -> None:
        in_a_row = in_vain = 0
        while not self.unfit:
            begin = time.monotonic()
            try:
                in_vain = 0 if await self._one_life() else in_vain + 1
            except OSError as error:
                self.unfit = "it cannot be started: %s" % error.strerror
            if in_vain == _MOST_BOOTS:
                self.unfit = "the zygote has not come up %d times in a row" % in_vain
            if self.unfit:
                _say("workers are spawned, not forked: %s" % self.unfit)
                break
            in_a_row = 0 if time.monotonic() - begin > _STEADY else in_a_row + 1
            await asyncio.sleep(_PAUSES[min(max(in_a_row - 1, 0), len(_PAUSES) - 1)])
        self._settled.set()

    async def _one_life(self) -> bool:
        """From its start to its end; whether it was ready."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                process = self._process = self._spawn(theirs)
            ours.setblocking(False)
            self._ended = asyncio.ensure_future(self._reaper.wait(process.pid))
            try:
                ready = await self._boot(ours)
                process.returncode = await asyncio.shield(self._ended)
                return ready
            finally:
                self._replace()
                self._process = None

    def _spawn(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        scratch = os.path.join(self._directory, "work", "zygote")
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, _PACKAGE, "zygote", self._directory, str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), cwd=scratch, env=zygote_environ(os.environ),
        )  # fmt: skip

    async def _boot(self, ours: socket.socket) -> bool:
        """Wait for its first word; whether it is ready."""
        hello = await self._receive(ours, _BOOT_BUDGET)
        if hello is None:
            self._kill()
        elif "unfit" in hello:
            self.unfit = str(hello["unfit"])
        else:
            self._socket = ours
            self._settled.set()
        return self._socket is not None

    def _kill(self) -> None:
        # Once it has ended its number may be another's.
        if self._process is not None and self._ended is not None and not self._ended.done():
            try:
                os.kill(self._process.pid, 9)
            except ProcessLookupError:
                return

    async def fork(self, request: Dict[str, Any], descriptors: Sequence[int]) -> Optional[Forked]:
        """A worker out of the zygote, or ``None`` when it has to be spawned.

        Args:
            request: ``flavors``, ``modules``, ``cwd``, ``environ``, ``arguments`` as the zygote's main reads them.
            descriptors: standard input, output, state lines, and perhaps a listening socket.
        """
        if not await self._is_ready():
            return None
        async with self._lock:
            if self._avoided.intersection(request["flavors"]):
                return None
            # The second attempt is with a new one, when the first had died or its environment had changed.
            for _ in range(2):
                if self.unfit or not await self._is_ready():
                    return None
                answer = await self._ask(request, descriptors)
                if answer is not None and "pid" in answer:
                    return Forked(int(answer["pid"]), list(answer["descriptors"]))
                if answer is not None and "refused" in answer:
                    return None
                self._replace()
                _say("a new zygote: %s" % (answer or {}).get("stale", "the last one does not answer"))
                if answer is not None and "avoid" in answer:
                    self._avoided.add(str(answer["avoid"]))
                    return None
            return None

    async def _is_ready(self) -> bool:
        try:
            await asyncio.wait_for(self._settled.wait(), _PATIENCE)
        except asyncio.TimeoutError:
            return False
        return self._socket is not None

    def _replace(self) -> None:
        self._settled.clear()
        self._socket = None
        self._kill()

    async def _ask(self, request: Dict[str, Any], descriptors: Sequence[int]) -> Optional[Dict[str, Any]]:
        connection = self._socket
        assert connection is not None
        self._number += 1
        message = json.dumps({**request, "number": self._number}).encode("ascii")
        if len(message) > _MESSAGE:
            return {"refused": "the request is too large"}
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        try:
            connection.sendmsg([message], [rights])
        except OSError:
            return None
        while True:
            answer = await self._receive(connection, _FORK_BUDGET)
            # An answer to a question whose asker has gone: that worker finds its standard input closed and ends.
            if answer is None or answer.get("number") == self._number:
                return answer

    async def _receive(self, connection: socket.socket, budget: float) -> Optional[Dict[str, Any]]:
        try:
            loop = asyncio.get_event_loop()
            data = await asyncio.wait_for(loop.sock_recv(connection, _MESSAGE), budget)
            return dict(json.loads(data)) if data else None
        except (OSError, ValueError, asyncio.TimeoutError):
            return None


def _say(text: str) -> None:
    """A line in the parent's own log."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
