"""Collects every child of the parent, by one handler of SIGCHLD.

Workers come in two ways (spawned by us, forked by the zygote and handed over by the kernel), and as their subreaper the
parent also gets what a model's processes leave behind. One place that waits for all of them is the only one that can
tell them apart and leaves no zombies. Used in the event loop's thread only.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Dict

_REMEMBERED = 256


class Reaper:
    """Exit codes by pid; negative: by that signal."""

    def __init__(self) -> None:
        self._waiting: Dict[int, asyncio.Future[int]] = {}
        self._ended: Dict[int, int] = {}

    def start(self) -> None:
        """Watch from now on (in the main thread, inside the loop)."""
        asyncio.get_event_loop().add_signal_handler(signal.SIGCHLD, self.collect)

    def stop(self) -> None:
        """Let others collect."""
        asyncio.get_event_loop().remove_signal_handler(signal.SIGCHLD)

    def collect(self) -> None:
        """Take leave of every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._note(pid, exit_code(status))

    def _note(self, pid: int, code: int) -> None:
        future = self._waiting.pop(pid, None)
        if future is not None:
            if not future.done():
                future.set_result(code)
            return
        # A forked worker may end before its pid is known here. What a model left behind is remembered in vain.
        self._ended.pop(pid, None)
        self._ended[pid] = code
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    async def wait(self, pid: int) -> int:
        """The exit code of a child, when it has ended. One waiter per child.

        Raises:
            ChildProcessError: it is no child of this process.
        """
        try:
            found, status = os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
        except ChildProcessError:
            if pid not in self._ended:
                raise
            return self._ended.pop(pid)
        self._ended.pop(pid, None)  # An earlier process that had the same number.
        if found:
            return exit_code(status)
        future: asyncio.Future[int] = asyncio.get_event_loop().create_future()
        self._waiting[pid] = future
        return await future


def exit_code(status: int) -> int:
    """What ``os.waitstatus_to_exitcode`` of newer Pythons says."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
