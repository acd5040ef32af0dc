"""A request body on its way through: Jupyter Server puts pieces in, the connection to the gateway takes them out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

_PIECES: Final = 8
"""Of at most 64 KiB each: what waits in memory when the gateway is slower than the caller."""


class Body:
    """A queue with an end. What is put in after :meth:`ignore` is dropped, so that the caller can read a refusal."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES)
        self._ignored = False

    async def put(self, piece: bytes | None) -> None:
        """Add a piece, or the end (``None``); waits while the other side is behind."""
        if not self._ignored:
            await self._pieces.put(piece)

    def ignore(self) -> None:
        """Nobody takes anything any more; whoever waits in :meth:`put` goes on."""
        self._ignored = True
        while not self._pieces.empty():
            self._pieces.get_nowait()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces in order, to the end."""
        while (piece := await self._pieces.get()) is not None:
            yield piece
