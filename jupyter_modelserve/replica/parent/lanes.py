"""Further processes of a version, started on demand by socket activation (docs/reference/internal-protocol.md).

The parent binds and listens, so that a connection may always be made; the first one starts the process, which takes the
listening socket over and gives it back by ending. Connections that nobody has accepted wait in the socket's backlog, so
that neither the start nor the end of a lane loses one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Callable, Dict, Optional

from .launching import Lane, Launcher, Order
from .logs import RotatingLog
from .process import Process

REST = 30.0
"""Seconds for which a lane that could not load or crashed is not tried again."""
_BACKLOG = 128


class ExtraLane:
    """One lane other than 0: listens from the beginning, runs while there is something to do."""

    def __init__(self, order: Order, launcher: Launcher, log: RotatingLog, changed: Callable[[], None]) -> None:
        self.lane: Lane = order.lane
        self.process: Optional[Process] = None
        self._order = order
        self._launcher = launcher
        self._log = log
        self._changed = changed
        self._stopping = asyncio.Event()
        self._was_ready = False
        self._listener: Optional[socket.socket] = None
        self._task = asyncio.ensure_future(self._keep())

    @property
    def usable(self) -> bool:
        """Whether connections are taken."""
        return self._listener is not None

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
                await self._activation()
                if self._stopping.is_set():
                    return
                code = await self._one_life()
            except OSError as error:
                self._log.note("lane %s cannot be started: %s" % (self.lane, error.strerror))
                code, self._was_ready = 1, False
            if code != 0 and not self._was_ready and not self._stopping.is_set():
                # Whoever waits in the backlog is told at once, and lane 0 takes what comes until then.
                self._close()
                self._log.note("lane %s ended (%d); tried again in %g s" % (self.lane, code, REST))
                self._changed()
                await self._pause(REST)

    def _listen(self) -> None:
        if self._listener is not None:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._unlink()
            listener.bind(self._order.address)  # 0600 by the parent's umask.
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._changed()

    async def _activation(self) -> None:
        """Until somebody connects, or the lane is to end."""
        assert self._listener is not None
        loop = asyncio.get_event_loop()
        connected = asyncio.Event()
        number = self._listener.fileno()
        loop.add_reader(number, connected.set)
        waiting = [asyncio.ensure_future(each.wait()) for each in (connected, self._stopping)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(number)
            for each in waiting:
                each.cancel()

    async def _one_life(self) -> int:
        self._was_ready = False
        order = self._order._replace(listener=self._listener, idle=self._launcher.lane_idle)
        process = self.process = await self._launcher.start(order, self._log)
        budget = asyncio.get_event_loop().call_later(float(order.spec["startup_budget"]), self._too_slow, process)
        try:
            if self._stopping.is_set():
                process.kill()
            return await process.follow(self._log, self._report)
        finally:
            budget.cancel()
            self.process = None
            self._changed()

    def _report(self, line: Dict[str, Any]) -> None:
        self._was_ready = self._was_ready or line["state"] == "READY"
        self._changed()

    def _too_slow(self, process: Process) -> None:
        if process.state not in ("READY", "FAILED"):
            self._log.note("lane %s was not ready in time" % self.lane)
            process.kill()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except asyncio.TimeoutError:
            return

    async def stop(self, grace: float) -> None:
        """Take no more connections, answer what is there for *grace* seconds, end."""
        self._stopping.set()
        process = self.process
        if process is not None and process.state == "READY" and grace > 0:
            process.send({"drain": grace})
            self._close()
            await asyncio.wait([self._task], timeout=grace + 2.0)
        if self.process is not None:
            self.process.kill()
        await asyncio.wait([self._task], timeout=10.0)
        self._close()

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._unlink()

    def _unlink(self) -> None:
        if os.path.exists(self._order.address):
            os.unlink(self._order.address)
