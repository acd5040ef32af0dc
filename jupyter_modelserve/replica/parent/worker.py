"""One version seen from the parent: start it, follow its reports, restart it after a crash, drain it.

Lane 0 decides what is said of the version; further lanes come and go (:mod:`.lanes`).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..hiding import Hider
from .exits import explain_exit, oom_kills
from .lanes import ExtraLane
from .launching import Lane, Launcher, Order
from .logs import RotatingLog
from .process import Process
from .status import STEADY, Status

BACKOFF = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before each restart in a row; a version READY for :data:`STEADY` seconds begins anew."""
_TAIL_LINES = 50
_STARTUP_FAILURE = {
    "cause": "start-up timed out",
    "hint": "raise startup_budget, or make loading faster; the log shows how far it came",
}


class Worker:
    """Keeps one version loaded until :meth:`stop`; *changed* is called whenever its visible state did."""

    def __init__(
        self,
        worker_id: str,
        spec: Dict[str, Any],
        directory: str,
        sockets: str,
        key: str,
        log_limit: int,
        launcher: Launcher,
        changed: Callable[[], None],
    ) -> None:
        self.id = worker_id
        self.spec = spec
        self._key = key
        self._sockets = sockets
        self._launcher = launcher
        self._changed = changed
        os.makedirs(os.path.join(directory, "logs"), mode=0o700, exist_ok=True)
        self._hider = Hider(spec.get("secrets", {}).values())
        self.log = RotatingLog(os.path.join(directory, "logs", worker_id + ".log"), log_limit, self._hider)
        self._socket = self._address(0)
        self.status = Status(
            str(spec["model"]), str(spec["version"]), "unix:" + self._socket, concurrency=int(spec["concurrency"])
        )
        self._process: Optional[Process] = None
        self._lanes: List[ExtraLane] = []
        self._leaving: List[asyncio.Future[None]] = []
        self._stopping = asyncio.Event()
        self._reported_failure: Optional[Dict[str, Any]] = None
        self._settled = asyncio.Event()
        self._ending: Optional[asyncio.Future[None]] = None
        self._task = asyncio.ensure_future(self._keep())

    def _address(self, lane: Lane) -> str:
        return os.path.join(self._sockets, "%s.sock" % self.id if lane == 0 else "%s-%s.sock" % (self.id, lane))

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
            self._changed()
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
                return
            except asyncio.TimeoutError:
                continue

    def _fail(self, failure: Dict[str, Any]) -> None:
        self.log.note("failed: %s: %s" % (failure["cause"], failure["message"]))
        self.status.fail(failure, self.log.tail(_TAIL_LINES + 1)[:-1])
        self._changed()

    async def _one_life(self) -> int:
        """From start to end of one process; its exit code."""
        self._reported_failure = None
        self._settled = asyncio.Event()
        self.status.begin()
        self._changed()
        try:
            process = await self._launch()
        except OSError as error:
            message = "the interpreter cannot be started: %s" % error.strerror
            self._reported_failure = {"cause": "load failed", "message": message, "hint": "build the environment anew"}
            return 1
        if process is None:
            return 0
        self._process, self.status.pid = process, process.pid
        self._changed()
        if self._stopping.is_set():
            process.kill()
        budget = asyncio.ensure_future(self._enforce_budget(process))
        try:
            return await process.follow(self.log, self._reported)
        finally:
            budget.cancel()
            self._process, self.status.pid = None, None
            if os.path.exists(self._socket):
                os.unlink(self._socket)

    async def _launch(self) -> Optional[Process]:
        """A process, or ``None`` when the version is to end before there is one (a zygote may still boot)."""
        order = Order(self.id, 0, self.spec, self._socket)
        starting = asyncio.ensure_future(self._launcher.start(order, self.log))
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            return None
        return starting.result()

    def _reported(self, line: Dict[str, Any]) -> None:
        if line["state"] == "FAILED":
            self._reported_failure = self._hider.clean_all(line["failure"])
        if line["state"] in ("READY", "FAILED"):
            self._settled.set()
        if self._stopping.is_set():
            return
        self.status.report(line)
        if line["state"] == "READY":
            self._have_lanes()
        self._changed()

    def _have_lanes(self) -> None:
        """Listen for the lanes that the version may have; which, is known when lane 0 is READY."""
        wanted: List[Lane] = [*range(1, self.status.lanes), "large"]
        for lane in [lane for lane in self._lanes if lane.lane not in wanted]:
            self._lanes.remove(lane)
            self._leaving.append(asyncio.ensure_future(lane.stop(float(self.spec["timeout"]))))
        there = {lane.lane for lane in self._lanes}
        for name in wanted:
            if name not in there:
                order = Order(self.id, name, self.spec, self._address(name))
                self._lanes.append(ExtraLane(order, self._launcher, self.log, self._changed))

    def processes(self) -> List[Dict[str, Any]]:
        """The processes that run, lane 0 first."""
        found: List[Tuple[Lane, Process, str]] = []
        if self._process is not None:
            found.append((0, self._process, self.status.state))
        found += [(lane.lane, lane.process, lane.process.state) for lane in self._lanes if lane.process]
        return [
            {"lane": lane, "pid": process.pid, "state": state, "start_method": process.method}
            for lane, process, state in found
        ]

    def document(self, in_flight: int) -> Dict[str, Any]:
        """WorkerStatus."""
        large = any(lane.lane == "large" and lane.usable for lane in self._lanes)
        return self.status.document(in_flight, self.processes(), large)

    async def _enforce_budget(self, process: Process) -> None:
        seconds = float(self.spec["startup_budget"])
        try:
            await asyncio.wait_for(self._settled.wait(), seconds)
        except asyncio.TimeoutError:
            message = "the version was not ready within %g seconds" % seconds
            self._reported_failure = {**_STARTUP_FAILURE, "message": message}
            process.kill()

    async def in_flight(self) -> int:
        """Requests accepted and not answered; a process that does not answer in half a second counts 0."""
        asked = []
        if self.status.state in ("READY", "UNLOADING") and self._process is not None:
            asked.append(self._socket)
        asked += [self._address(lane.lane) for lane in self._lanes if lane.process and lane.process.state == "READY"]
        return sum(await asyncio.gather(*(self._count(address) for address in asked)))

    async def _count(self, address: str) -> int:
        try:
            return await asyncio.wait_for(self._ask(address), 0.5)
        except (OSError, ValueError, KeyError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            return 0

    async def _ask(self, address: str) -> int:
        reader, writer = await asyncio.open_unix_connection(address)
        try:
            head = "GET /ping HTTP/1.1\r\nconnection: close\r\nx-modelserve-key: %s\r\n\r\n" % self._key
            writer.write(head.encode("latin-1"))
            answer = await reader.read()
            return int(json.loads(answer.partition(b"\r\n\r\n")[2])["in_flight"])
        finally:
            writer.close()

    async def stop(self, grace: float) -> None:
        """Drain for *grace* seconds, end the processes and let go of the log; a second call joins the first."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(grace))
            self._stopping.set()
        await asyncio.shield(self._ending)

    async def _end(self, grace: float) -> None:
        was_ready = self.status.state == "READY"
        self.status.enter("UNLOADING")
        self._changed()
        process = self._process
        lanes = [asyncio.ensure_future(lane.stop(grace if was_ready else 0.0)) for lane in self._lanes]
        if process is not None:
            if was_ready and grace > 0:
                process.send({"drain": grace})
                await asyncio.wait([self._task], timeout=grace + 2.0)
            if self._process is not None:
                process.kill()
        await asyncio.wait([self._task, *lanes, *self._leaving], timeout=grace + 10.0)
        self._lanes = []
        self.log.close()
