"""Starts processes of versions: forked from the zygote where that is the same, else spawned."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Union

from .environ import worker_environ
from .forkable import judge
from .logs import RotatingLog
from .process import Ends, Process, make_pipes
from .reaper import Reaper
from .zygote import Forked, Zygote

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

Lane = Union[int, str]


class Order(NamedTuple):
    """What to start. ``listener``: the socket that a lane takes over; lane 0 binds ``address`` itself."""

    worker_id: str
    lane: Lane
    spec: Dict[str, Any]
    address: str
    listener: Optional[socket.socket] = None
    idle: Optional[float] = None


class Launcher:
    """Knows how every process of this replica is started.

    Args:
        directory: of the replica.
        key: what whoever asks a process must know.
        reaper: collects what is started.
        zygote: forks processes; without one all of them are spawned.
        lane_idle: seconds without a request after which a lane other than 0 ends.
    """

    def __init__(
        self, directory: str, key: str, reaper: Reaper, zygote: Optional[Zygote], lane_idle: float = 60.0
    ) -> None:
        self.lane_idle = lane_idle
        self._directory = directory
        self._key = key
        self._reaper = reaper
        self._zygote = zygote

    @property
    def method(self) -> str:
        """How ordinary versions are started now: ``fork`` or ``spawn``."""
        return "spawn" if self._zygote is None or self._zygote.unfit else "fork"

    async def start(self, order: Order, log: RotatingLog) -> Process:
        """A new process, its configuration sent.

        Raises:
            OSError: the interpreter cannot be started, or there are too many open files.
        """
        ours, theirs = make_pipes()
        try:
            process, numbers = await self._start(order, ours, theirs, log)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        process.send(
            {
                "key": self._key,
                "socket": order.address,
                "state_fd": numbers[0],
                "listen_fd": numbers[1] if order.listener is not None else None,
                "lane": order.lane,
                "idle": order.idle,
                "parent_pid": os.getpid(),
                "spec": {name: value for name, value in order.spec.items() if name != "environ"},
            }
        )
        return process

    async def _start(self, order: Order, ours: Ends, theirs: Ends, log: RotatingLog) -> "tuple[Process, List[int]]":
        # Relative files of a model land here, never in its own (hard-linked) files.
        scratch = os.path.join(self._directory, "work", order.worker_id)
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        forked = await self._fork(order, theirs, scratch, log)
        if forked is not None:
            return Process(forked.pid, "fork", ours, self._reaper), list(forked.descriptors[2:])
        passed = [theirs.state]
        if order.listener is not None:
            passed.append(order.listener.fileno())
        return Process(self._spawn(order, theirs, scratch, passed), "spawn", ours, self._reaper), passed

    def _spawn(self, order: Order, theirs: Ends, scratch: str, passed: List[int]) -> int:
        child = subprocess.Popen(
            [sys.executable, _PACKAGE, "worker", self._directory, order.worker_id],
            stdin=theirs.stdin, stdout=theirs.output, stderr=theirs.output, pass_fds=passed, cwd=scratch,
            env=self._environ(order),
        )  # fmt: skip
        child.returncode = 0  # The reaper collects it; Popen must not.
        return child.pid

    async def _fork(self, order: Order, theirs: Ends, scratch: str, log: RotatingLog) -> Optional[Forked]:
        if self._zygote is None or self._zygote.unfit:
            return None
        found = judge(order.spec)
        if found.reason:
            log.note("spawned, not forked: %s" % found.reason)
            return None
        request = {
            "flavors": found.flavors, "modules": found.modules, "cwd": scratch, "environ": self._environ(order),
            "arguments": [self._directory, order.worker_id],
        }  # fmt: skip
        descriptors = [*theirs] if order.listener is None else [*theirs, order.listener.fileno()]
        return await self._zygote.fork(request, descriptors)

    def _environ(self, order: Order) -> Dict[str, str]:
        return worker_environ(os.environ, order.spec["environ"])
