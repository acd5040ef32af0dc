"""The instance's port outlives the gateway: both daemons hold the listening socket and hand it to each other.

A gateway that is killed takes the connections in its hands with it, and nothing else: whoever connects meanwhile
waits in the kernel's queue until the next gateway accepts. So the controller keeps a second reference to the socket,
and a new process of either daemon asks the other one for it (docs/reference/internal-protocol.md, "The port").

| gateway's lock | the controller holds the socket | what the controller does |
|---|---|---|
| held | no | asks the gateway for it |
| held | yes | nothing |
| free, for less than 10 s | yes | keeps it: callers wait |
| free, for 10 s | yes | lets it go: callers are refused |
| free | no | nothing |
| any, and the instance is being stopped | any | lets it go |
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jupyter_modelserve.locks import is_held
from jupyter_modelserve.settings import Paths

HOLD: Final = 10.0
"""Seconds for which callers wait for a gateway that is gone; then they are refused rather than kept waiting."""
_PERIOD: Final = 0.5
_PATIENCE: Final = 2.0
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_logger = logging.getLogger(__name__)


def ask(paths: Paths, daemon: str, port: int, patience: float = _PATIENCE) -> socket.socket | None:
    """The socket that listens on 127.0.0.1:*port*, from the *daemon* that holds it; ``None`` when it does not.

    Args:
        patience: seconds that it may take; it blocks so long.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(patience)
        try:
            wire.connect(str(paths.port_socket(daemon)))
            received = _receive(wire)
        except OSError:
            return None
    return _listener(received, port) if received is not None else None


def _receive(wire: socket.socket) -> int | None:
    """The first descriptor that comes over *wire*; others are closed, for a stranger may send what he likes."""
    room = array.array("i", [0] * 4)
    _, parts, _, _ = wire.recvmsg(1, socket.CMSG_SPACE(len(room) * room.itemsize), _CLOSE_ON_EXEC)
    found = array.array("i")
    for level, kind, data in parts:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    for each in found[1:]:
        os.close(each)
    if found:
        os.set_inheritable(found[0], False)
    return found[0] if found else None


def _listener(descriptor: int, port: int) -> socket.socket | None:
    """*descriptor* as a socket when it listens on our port, else ``None``, and closed."""
    try:
        # The protocol is said because not every system tells it; asyncio looks at it before it sets TCP_NODELAY.
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):
        if found.getsockname() == ("127.0.0.1", port) and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.setblocking(False)
            return found
    found.close()
    return None


class Lending:
    """Hands a socket to whoever of this user asks at *path*, within a running event loop.

    ``held`` is what it hands out: ``None`` is an answer too.
    """

    def __init__(self, path: Path) -> None:
        self.held: socket.socket | None = None
        self._path = path
        self._door: socket.socket | None = None

    def open(self) -> None:
        """Begin to answer; nothing when it does. Call it with the daemon's lock held: a dead one's socket file goes.

        Raises:
            OSError: the socket cannot be made.
        """
        if self._door is not None:
            return
        self._path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            door.bind(str(self._path))
            self._path.chmod(0o600)
            door.listen(8)
        except OSError:
            door.close()
            raise
        door.setblocking(False)
        asyncio.get_running_loop().add_reader(door.fileno(), self._answer, door)
        self._door = door

    def _answer(self, door: socket.socket) -> None:
        try:
            wire, _ = door.accept()
        except OSError:
            return
        with wire, contextlib.suppress(OSError):
            # One byte into the empty buffer of a new connection: it never waits.
            wire.setblocking(False)
            socket.send_fds(wire, [b"p"], [self.held.fileno()] if self.held is not None else [])

    def close(self) -> None:
        """Answer no more and let the socket go."""
        if self._door is not None:
            asyncio.get_running_loop().remove_reader(self._door.fileno())
            self._door.close()
            self._door = None
            self._path.unlink(missing_ok=True)
        self.drop()

    def drop(self) -> None:
        """Let the socket go; the port is free when nobody else holds it."""
        if self.held is not None:
            self.held.close()
            self.held = None


class Keeper:
    """The controller's part: keeps a reference to the socket while there is a gateway, and a little longer."""

    def __init__(self, paths: Paths, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._port = port
        self._clock = clock
        self._gone_since: float | None = None
        self.lending = Lending(paths.port_socket("controller"))

    async def look(self) -> None:
        """Look once, as the table above says."""
        if self._paths.stopping_file.exists():
            self.lending.drop()
        elif is_held(self._paths.lock("gateway")):
            self._gone_since = None
            if self.lending.held is None:
                self.lending.held = await asyncio.to_thread(ask, self._paths, "gateway", self._port)
        elif self.lending.held is not None:
            now = self._clock()
            self._gone_since = now if self._gone_since is None else self._gone_since
            if now - self._gone_since >= HOLD:
                _logger.warning("no gateway for %.0f s; callers are refused from now on", HOLD)
                self.lending.drop()

    async def run(self) -> None:
        """Look twice a second; at the end the socket is let go."""
        try:
            while True:
                try:
                    self.lending.open()
                    await self.look()
                except OSError as error:
                    _logger.warning("the port cannot be kept: %s", error)
                await asyncio.sleep(_PERIOD)
        finally:
            self.lending.close()
