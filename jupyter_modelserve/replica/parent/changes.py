"""A counter of visible changes that the controller can wait for, so that it learns of them at once."""

from __future__ import annotations

import asyncio
import time


class Changes:
    """``revision`` differs after every change; it begins at another number in every process."""

    def __init__(self) -> None:
        self.revision = time.time_ns() // 1000000
        self._event = asyncio.Event()

    def note(self) -> None:
        """Something that the status shows has changed."""
        self.revision += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, seconds: float) -> None:
        """Until the next change, at most *seconds*."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except asyncio.TimeoutError:
            return
