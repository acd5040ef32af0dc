"""A counter that one can wait for: the only way in which parts of the controller wake each other."""

from __future__ import annotations

import asyncio


class Signal:
    """Counts changes; waiters see every change at least once, however late they come."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Count one change and wake everybody who waits."""
        self.count += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, seen: int, seconds: float) -> bool:
        """Wait until the count differs from *seen*; false after *seconds* without a change."""
        if self.count != seen:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
