"""One version's worker seen from the parent: start it, follow its reports, restart it after a crash, drain it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any, Dict, Optional

from .environ import worker_environ
from .exits import explain_exit, oom_kills
from .logs import RotatingLog, pump
from .status import STEADY, Status

BACKOFF = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before each restart in a row; a version READY for :data:`STEADY` seconds begins anew."""
_TAIL_LINES = 50
_LINE_LIMIT = 64 * 1024 * 1024
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_STARTUP_FAILURE = {
    "cause": "start-up timed out",
    "hint": "raise startup_budget, or make loading faster; the log shows how far it came",
}


class Worker:
    """Keeps one version loaded until :meth:`stop`."""

    def __init__(
        self, worker_id: str, spec: Dict[str, Any], directory: str, sockets: str, key: str, log_limit: int
    ) -> None:
        self.id = worker_id
        self.spec = spec
        self._directory = directory
        self._key = key
        self._socket = os.path.join(sockets, worker_id + ".sock")
        os.makedirs(os.path.join(directory, "logs"), mode=0o700, exist_ok=True)
        self.log = RotatingLog(os.path.join(directory, "logs", worker_id + ".log"), log_limit)
        self.status = Status(str(spec["model"]), str(spec["version"]), "unix:" + self._socket)
        self._process: Optional[asyncio.subprocess.Process] = None
        self._stopping = asyncio.Event()
        self._reported_failure: Optional[Dict[str, Any]] = None
        self._settled = asyncio.Event()
        self._ending: Optional[asyncio.Future[None]] = None
        self._task = asyncio.ensure_future(self._keep())

    async def _keep(self) -> None:
        in_a_row, served = 0, False
        while True:
            oom_before = oom_kills()
            code = await self._one_life()
            if self._stopping.is_set():
                return
            failure = self._reported_failure or explain_exit(code, oom_before)
            ready = self.status.state == "READY"
            # What served once can be loaded: a death without a word on the way back says nothing about the version.
            served = served or ready
            if not served or self._reported_failure is not None:
                self._fail(failure)
                return
            if ready and time.time() - self.status.since >= STEADY:
                in_a_row = 0
            pause = BACKOFF[min(in_a_row, len(BACKOFF) - 1)]
            in_a_row += 1
            reason = failure["message"]
            self.log.note("%s; starting again in %g s" % (reason, pause))
            self.status.restarts += 1
            self.status.died(in_a_row, reason)
            self.status.begin()
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
                return
            except asyncio.TimeoutError:
                continue

    def _fail(self, failure: Dict[str, Any]) -> None:
        self.log.note("failed: %s: %s" % (failure["cause"], failure["message"]))
        self.status.fail(failure, self.log.tail(_TAIL_LINES + 1)[:-1])

    async def _one_life(self) -> int:
        """From start to end of one process; its exit code."""
        self._reported_failure = None
        self._settled = asyncio.Event()
        self.status.begin()
        reading, writing = os.pipe()
        try:
            process = await self._spawn(writing)
        except OSError as error:
            os.close(reading)
            message = "the interpreter cannot be started: %s" % error.strerror
            self._reported_failure = {"cause": "load failed", "message": message, "hint": "build the environment anew"}
            return 1
        finally:
            os.close(writing)
        self._process, self.status.pid = process, process.pid
        if self._stopping.is_set():
            kill(process)
        self._send(
            {
                "key": self._key,
                "socket": self._socket,
                "state_fd": writing,
                "parent_pid": os.getpid(),
                "spec": self._own_spec(),
            }
        )
        pumping = asyncio.ensure_future(pump(process.stdout, self.log))
        following = asyncio.ensure_future(self._follow(reading))
        budget = asyncio.ensure_future(self._enforce_budget(process))
        code = await process.wait()
        budget.cancel()
        # A child of the model may hold the pipes open for ever; what is written has arrived long before.
        await asyncio.wait([pumping, following], timeout=1.0)
        for task in (pumping, following):
            task.cancel()
        self._process, self.status.pid = None, None
        if os.path.exists(self._socket):
            os.unlink(self._socket)
        return code

    def _own_spec(self) -> Dict[str, Any]:
        return {name: value for name, value in self.spec.items() if name != "environ"}

    async def _spawn(self, writing: int) -> asyncio.subprocess.Process:
        # Relative files of a model land here, never in its own (hard-linked) files.
        scratch = os.path.join(self._directory, "work", self.id)
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        return await asyncio.create_subprocess_exec(
            sys.executable, _PACKAGE, "worker", self._directory, self.id,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            pass_fds=(writing,), cwd=scratch, env=worker_environ(os.environ, self.spec["environ"]),
        )  # fmt: skip

    def _send(self, document: Dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write((json.dumps(document) + "\n").encode("ascii"))

    async def _follow(self, descriptor: int) -> None:
        reader = asyncio.StreamReader(limit=_LINE_LIMIT)
        loop = asyncio.get_event_loop()
        stream = os.fdopen(descriptor, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
        try:
            while True:
                line = await reader.readline()
                if not line:
                    return
                self._reported(json.loads(line))
        finally:
            transport.close()

    def _reported(self, line: Dict[str, Any]) -> None:
        if line["state"] == "FAILED":
            self._reported_failure = line["failure"]
        if line["state"] in ("READY", "FAILED"):
            self._settled.set()
        if not self._stopping.is_set():
            self.status.report(line)

    async def _enforce_budget(self, process: asyncio.subprocess.Process) -> None:
        seconds = float(self.spec["startup_budget"])
        try:
            await asyncio.wait_for(self._settled.wait(), seconds)
        except asyncio.TimeoutError:
            message = "the version was not ready within %g seconds" % seconds
            self._reported_failure = {**_STARTUP_FAILURE, "message": message}
            kill(process)

    async def in_flight(self) -> int:
        """Requests accepted and not answered; 0 when the worker does not answer in half a second."""
        if self.status.state not in ("READY", "UNLOADING") or self._process is None:
            return 0
        try:
            return await asyncio.wait_for(self._ask(), 0.5)
        except (OSError, ValueError, KeyError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            return 0

    async def _ask(self) -> int:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            head = "GET /ping HTTP/1.1\r\nconnection: close\r\nx-modelserve-key: %s\r\n\r\n" % self._key
            writer.write(head.encode("latin-1"))
            answer = await reader.read()
            return int(json.loads(answer.partition(b"\r\n\r\n")[2])["in_flight"])
        finally:
            writer.close()

    async def stop(self, grace: float) -> None:
        """Drain for *grace* seconds, end the process and let go of the log; a second call joins the first."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(grace))
            self._stopping.set()
        await asyncio.shield(self._ending)

    async def _end(self, grace: float) -> None:
        was_ready = self.status.state == "READY"
        self.status.enter("UNLOADING")
        process = self._process
        if process is not None:
            if was_ready and grace > 0:
                self._send({"drain": grace})
                await asyncio.wait([self._task], timeout=grace + 2.0)
            if self._process is not None:
                kill(process)
        await asyncio.wait([self._task], timeout=10.0)
        self.log.close()


def kill(process: asyncio.subprocess.Process) -> None:
    """End a process that may have ended already."""
    try:
        process.kill()
    except ProcessLookupError:
        return
