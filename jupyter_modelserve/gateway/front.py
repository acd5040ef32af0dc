"""The doors: the instance's port on loopback and the private unix socket, with what connections need once a second."""

from __future__ import annotations

import asyncio
import os
import socket
from email.utils import formatdate
from pathlib import Path
from typing import Final

from jupyter_modelserve.gateway.caller import App, Caller, Hall

_LOOK: Final = 0.02


def remove_socket(path: Path) -> None:
    """Take a socket file away that a killed gateway left."""
    path.unlink(missing_ok=True)


class Front:
    """Listens, keeps the time, and ends connections."""

    def __init__(self, app: App, max_connections: int) -> None:
        self._hall = Hall(app, max_connections)
        self._servers: list[asyncio.AbstractServer] = []

    async def listen(self, listener: socket.socket, private: Path) -> None:
        """Serve on both sockets."""
        loop = asyncio.get_running_loop()
        self._tick(loop.time())
        remove_socket(private)
        self._servers.append(await loop.create_unix_server(self._caller, str(private)))
        os.chmod(private, 0o600)  # noqa: PTH101 - one call at start
        self._servers.append(await loop.create_server(self._caller, sock=listener, backlog=2048))

    def _caller(self) -> Caller:
        return Caller(self._hall)

    def _tick(self, now: float) -> None:
        self._hall.now = now
        self._hall.date = f"date: {formatdate(usegmt=True)}\r\n".encode()

    async def run(self, stop: asyncio.Event, grace: float = 5.0) -> None:
        """Keep the date and cut slow callers once a second, until *stop*; then end within *grace* seconds."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            self._tick(loop.time())
            for each in list(self._hall.callers):
                each.sweep(self._hall.now)
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue
        await self._close(grace)

    async def _close(self, grace: float) -> None:
        for server in self._servers:
            server.close()
        for each in list(self._hall.callers):
            each.leave()
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + grace
        while loop.time() < give_up_at:
            if all(each.current is None for each in self._hall.callers):
                break
            await asyncio.sleep(_LOOK)
        for each in list(self._hall.callers):
            if each.current is not None:
                each.abort()
        await asyncio.sleep(_LOOK)  # who works for them hears of it, and the last bytes go out
