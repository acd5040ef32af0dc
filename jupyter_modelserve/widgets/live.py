"""A dashboard that looks again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import ipywidgets


class LiveView(ipywidgets.VBox):
    """Looks again every *interval* seconds, until :meth:`close` or the end of the kernel.

    Args:
        children: what it consists of.
        interval: seconds between two looks; 0 looks only when somebody asks for it.
    """

    def __init__(self, children: Sequence[ipywidgets.Widget], interval: float) -> None:
        super().__init__(children)
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    async def _again(self) -> None:
        """Look once more and show it; what waits for an answer does so in a thread."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Look from now on, if there is an event loop: a script that only wants one picture has none."""
        if self._interval > 0:
            try:
                self._task = asyncio.get_running_loop().create_task(self._follow())
            except RuntimeError:
                self._task = None

    async def _follow(self) -> None:
        while self.comm is not None:
            await asyncio.sleep(self._interval)
            await self._again()

    def close(self) -> None:
        """Stop looking and take the view away."""
        if self._task:
            self._task.cancel()
        super().close()
