"""Tells the controller at once which workers could not be reached, so that it looks before its next round.

Only a hint: what is true the controller finds out itself, and what gets lost here it sees ten seconds later.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from jupyter_modelserve.gateway.upstream import ConnectFailed, ConnectionLost, call

_GATHER: Final = 0.05
"""Seconds in which a failing worker's requests become one hint."""


class Hints:
    """Gathers ids of workers for the controller on *socket*."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._workers: set[str] = set()
        self._noted = asyncio.Event()

    def trouble(self, worker: str) -> None:
        """A worker could not be reached, or lost a request."""
        self._workers.add(worker)
        self._noted.set()

    async def run(self) -> None:
        """Send what was gathered, for ever."""
        while True:
            await self._noted.wait()
            await asyncio.sleep(_GATHER)
            self._noted.clear()
            workers, self._workers = self._workers, set()
            body = json.dumps({"workers": sorted(workers)}).encode()
            try:
                await call(self._socket, "POST", "/internal/trouble", body, 2.0)
            except (ConnectFailed, ConnectionLost, TimeoutError):
                continue
