"""When each token was last used: noted here, told to the controller at most once a minute."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Final

from jupyter_modelserve.gateway.upstream import ConnectFailed, ConnectionLost, call

_PERIOD: Final = 60.0
_logger = logging.getLogger(__name__)


class Usage:
    """Gathers ``{token id: milliseconds since 1970}`` for the controller on *socket*."""

    def __init__(self, socket: str, period: float = _PERIOD) -> None:
        self._socket = socket
        self._period = period
        self._used: dict[str, int] = {}

    def note(self, token_id: str) -> None:
        """A token was used just now."""
        self._used[token_id] = time.time_ns() // 1_000_000

    async def report(self) -> None:
        """Tell the controller; what it does not take is told next time."""
        if not self._used:
            return
        used, self._used = self._used, {}
        try:
            status, _ = await call(self._socket, "POST", "/internal/used", json.dumps({"tokens": used}).encode())
            failed = status >= 300
        except (ConnectFailed, ConnectionLost, TimeoutError):
            failed = True
        if failed:
            self._used = {**used, **self._used}

    async def run(self) -> None:
        """Report once a minute."""
        while True:
            await asyncio.sleep(self._period)
            await self.report()
