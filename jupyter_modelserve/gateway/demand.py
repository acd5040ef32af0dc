"""Tells the controller what is asked of versions whose replicas follow the load, and who waits for one at zero.

Load is sampled (requests in flight and waiting, twenty times a second while anything happens) and told as the mean of a
second: that is requests per second times the time of one, the concurrency that is needed (REQ-133). It costs requests
nothing. A level, not an event: what gets lost is said again, every second while something happens, else now and then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from jupyter_modelserve.gateway.balance import Worker
from jupyter_modelserve.gateway.upstream import ConnectFailed, ConnectionLost, call
from jupyter_modelserve.gateway.waking import WaitingRoom

PERIOD: Final = 1.0
QUIET: Final = 10.0
"""Seconds between reports while nothing happens: they say since when, which a new controller does not know."""
_SAMPLE: Final = 0.05
_LOOK: Final = 0.25
_GATHER: Final = 0.01
_RETRY: Final = 0.2


@dataclass(slots=True)
class _Target:
    """What is known of a worker. ``taken`` is its count of requests at the last look."""

    seen: float
    taken: int = 0
    used: bool = False
    samples: list[int] = field(default_factory=list)
    told: float = 0.0

    def sample(self, worker: Worker, now: float) -> bool:
        """Look once; whether anything happened since the last time."""
        stirred = worker.taken != self.taken or worker.load > 0
        if stirred:
            self.taken, self.used, self.seen = worker.taken, True, now
        self.samples.append(worker.load)
        return stirred

    def report(self, now: float) -> dict[str, Any]:
        """What is told of it, and what the next report begins with."""
        self.told = round(sum(self.samples) / len(self.samples), 3) if self.samples else 0.0
        self.samples.clear()
        return {"load": self.told, "idle": round(now - self.seen, 3), "used": self.used}


class Demand:
    """Reports to the controller on *socket* what is asked of *workers* that scale, and who is in *room*."""

    def __init__(
        self,
        socket: str,
        workers: Callable[[], Iterable[Worker]],
        room: WaitingRoom,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._socket = socket
        self._workers = workers
        self._room = room
        self._clock = clock
        self._known: dict[str, _Target] = {}
        self._stirred = False
        self._reported = float("-inf")
        self._noticed = asyncio.Event()
        room.noticed = self._noticed.set

    async def run(self) -> None:
        """Look and report, for ever."""
        while True:
            busy = self.look()
            if await self._noticed_within(_SAMPLE if busy else _LOOK):
                await asyncio.sleep(_GATHER)
                self._reported = float("-inf")
            if self.due() and not await self._tell(self.report()):
                self._reported = float("-inf")
                await asyncio.sleep(_RETRY)

    async def _noticed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._noticed.wait()
        except TimeoutError:
            return False
        self._noticed.clear()
        return True

    # ------------------------------------------------------------------------------------------------ looking
    def look(self) -> bool:
        """Take one sample; whether anything happens."""
        now = self._now()
        found = {each.target.id: each for each in self._workers() if each.target.scales and not each.retired}
        self._known = {name: self._known.get(name) or _Target(now) for name in found}
        # Not any(): each of them must be looked at.
        stirred = sum([self._known[name].sample(worker, now) for name, worker in found.items()]) > 0
        self._stirred = self._stirred or stirred
        return stirred

    def due(self) -> bool:
        """Whether it is time to report."""
        passed = self._now() - self._reported
        if not self._known and not self._room.held:
            return False
        active = self._stirred or bool(self._room.held) or any(each.told for each in self._known.values())
        return passed >= (PERIOD if active else QUIET)

    def report(self) -> dict[str, Any]:
        """What is told now."""
        now = self._reported = self._now()
        self._stirred = False
        targets = {name: each.report(now) for name, each in self._known.items()}
        held = [[model, version, count] for (model, version), count in sorted(self._room.held.items())]
        return {"targets": targets, "held": held}

    async def _tell(self, report: dict[str, Any]) -> bool:
        try:
            status, _ = await call(self._socket, "POST", "/internal/demand", json.dumps(report).encode(), 2.0)
        except (ConnectFailed, ConnectionLost, TimeoutError):
            return False
        return status < 300

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()
