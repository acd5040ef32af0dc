"""Keeps the other daemon alive: a free lock means that it died, and then it is started again (architecture §1)."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Final

from jupyter_modelserve.locks import is_held, owner
from jupyter_modelserve.settings import Paths

_PERIOD: Final = 1.0
_MOMENT: Final = 0.01
_SETTLED: Final = 5.0
"""Seconds after which a start counts as a success: a death after that is news and not a loop."""
_START: Final = 30.0
"""A daemon that was spawned may take this long until it holds its lock (Python has to import it)."""
_PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_logger = logging.getLogger(__name__)


def is_alive(pid: int) -> bool:
    """Whether the process *pid* that we spawned still runs; reaps it when it is our child and has ended."""
    if pid <= 0:
        return False
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    return True


class Partner:
    """Looks after the other daemon of an instance.

    Args:
        daemon: ``gateway`` or ``controller``.
        spawn: starts it and returns its process id.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        paths: Paths,
        daemon: str,
        spawn: Callable[[Paths], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = paths
        self._daemon = daemon
        self._spawn = spawn
        self._clock = clock
        self._pid = 0
        self._spawned_at = 0.0
        self._attempts = 0
        self.alive = False

    def wanted(self) -> bool:
        """Look once: whether it should be spawned now."""
        self.alive = is_held(self._paths.lock(self._daemon))
        now = self._clock()
        if self.alive:
            if self._pid:
                is_alive(self._pid)  # reap a spawned one that lost the race for the lock
            if now - self._spawned_at > _SETTLED:
                self._attempts = 0
            return False
        if self._paths.stopping_file.exists() or is_held(self._paths.lock("launch")):
            return False
        if not self._attempts:
            return True
        if is_alive(self._pid) and now - self._spawned_at < _START:
            return False
        return now - self._spawned_at >= _PAUSES[min(self._attempts, len(_PAUSES)) - 1]

    async def look(self) -> None:
        """Look once and spawn when needed; pauses of 1, 2, 5, 10, 30 s between attempts that fail."""
        if not self.wanted():
            return
        self._spawned_at = self._clock()
        self._attempts += 1
        _logger.warning("the %s does not run; starting it (attempt %d)", self._daemon, self._attempts)
        try:
            self._pid = await asyncio.to_thread(self._spawn, self._paths)
        except Exception:
            self._pid = 0
            _logger.exception("the %s could not be started", self._daemon)

    async def run(self) -> None:
        """Look once a second, and at once when the daemon's process ends (where the system tells that)."""
        while True:
            await self.look()
            pid = owner(self._paths.lock(self._daemon)) if self.alive else None
            if await ended(pid or 0, _PERIOD):
                # Its lock is free a moment after its end is told.
                await asyncio.sleep(_MOMENT)


async def ended(pid: int, seconds: float) -> bool:
    """Wait until the process *pid* ends, at most *seconds*; whether it did.

    Where nothing tells (a system without process descriptors, a process that is gone already) it waits the whole time.
    """
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):
        await asyncio.sleep(seconds)
        return False
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, told.set)
    try:
        await asyncio.wait_for(told.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return True
