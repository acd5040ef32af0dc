"""A small HTTP/1.1 client over unix sockets, with a head of our own making.

A client framework costs 0.3 to 1.6 ms per hop (facts: performance (g)); this one writes a head that the caller cannot
influence, so smuggling a second request is impossible by construction, and lets httptools read the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

import httptools

from jupyter_modelserve.gateway.request import Headers

HIGH_WATER: Final = 256 * 1024
_HEAD_LIMIT: Final = 64 * 1024
_CONNECT_SECONDS: Final = 2.0
_IDLE_KEPT: Final = 64


class ConnectFailed(Exception):
    """Nobody listens at the address: nothing was sent."""


class ConnectionLost(Exception):
    """The connection ended too early. ``answered`` tells whether a part of the answer had come."""

    def __init__(self, answered: bool) -> None:
        super().__init__("connection lost")
        self.answered = answered


class Connection(asyncio.Protocol):
    """One connection to a process of ours: one request at a time, answers as a stream with back-pressure."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.used = False
        self.lost = False
        self._write_paused = False
        self._can_write: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reset(False)

    def _reset(self, expect_no_body: bool) -> None:
        self.status = 0
        self.headers: Headers = []
        self.complete = False
        self.answered = False
        self._no_body = expect_no_body
        self._until_eof = False
        self._in_head = True
        self._head_bytes = 0
        self._keep = False
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._read_paused = False
        self._wanted: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------------------------------------ sending
    def send(self, pieces: Iterable[bytes], *, head_only: bool = False) -> None:
        """Begin a request; *head_only* for HEAD, whose answer has no body.

        Raises:
            ConnectionLost: the other side has hung up.
        """
        if self.lost or self.transport is None:
            raise ConnectionLost(False)
        self._reset(head_only)
        self.transport.writelines(pieces)

    async def write(self, data: bytes) -> None:
        """Send a piece of a request's body; waits while the other side reads slowly.

        Raises:
            ConnectionLost: the other side has hung up.
        """
        if self.lost or self.transport is None:
            raise ConnectionLost(self.answered)
        self.transport.write(data)
        if self._write_paused:
            self._can_write = self.loop.create_future()
            await self._can_write

    # ------------------------------------------------------------------------------------------------ receiving
    async def head(self) -> None:
        """Wait for the head of the answer: afterwards ``status`` and ``headers`` are set.

        Raises:
            ConnectionLost: the other side hung up or sent nonsense before that.
        """
        while self._in_head:
            await self._more()

    async def read(self) -> bytes:
        """The next piece of the answer's body; empty at its end.

        Raises:
            ConnectionLost: the answer broke off.
        """
        while not self._pieces:
            if self.complete:
                return b""
            await self._more()
        piece = self._pieces.popleft() if len(self._pieces) == 1 else self.take()
        self._buffered = sum(map(len, self._pieces))
        if self._read_paused and self.transport is not None and not self.lost:
            self._read_paused = False
            self.transport.resume_reading()
        return piece

    def take(self) -> bytes:
        """All of the body that has come."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return data

    async def _more(self) -> None:
        if self.lost:
            raise ConnectionLost(self.answered)
        self._wanted = self.loop.create_future()
        try:
            await self._wanted
        finally:
            self._wanted = None

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on it."""
        return self.complete and self._keep and not self.lost

    def close(self) -> None:
        """Drop it, with whatever is unsent."""
        self.lost = True
        if self.transport is not None:
            self.transport.abort()

    # ------------------------------------------------------------------------------------------------ transport
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Connected."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        if self.complete or self.lost:
            self.close()  # nobody asked: what follows cannot be trusted
            return
        self.answered = True
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
        if self._in_head and self._head_bytes > _HEAD_LIMIT:
            self.close()
        self._hold_back()
        self._wake()

    def _hold_back(self) -> None:
        if self._buffered > HIGH_WATER and not self._read_paused and self.transport and not self.transport.is_closing():
            self._read_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The other side closed: the transport may close as well."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self.lost = True
        if self._until_eof and exc is None:
            self.complete = True
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The other side reads more slowly than we write."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The other side caught up (or is gone)."""
        self._write_paused = False
        waiter, self._can_write = self._can_write, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ------------------------------------------------------------------------------------------------ parser
    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete, unless it is an interim one."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        self.status = status
        self._in_head = False
        self._keep = bool(self._parser.should_keep_alive())
        names = {name for name, _ in self.headers}
        if self._no_body:
            self._keep = False
            self.complete = True
        elif status not in {204, 304} and not names & {b"content-length", b"transfer-encoding"}:
            self._until_eof = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._no_body:
            self._pieces.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if self.status >= 200:
            self.complete = True


async def connect(address: str) -> Connection:
    """Open a connection to ``unix:PATH`` or ``tcp:HOST:PORT``.

    Raises:
        ConnectFailed: nobody listens there.
    """
    loop = asyncio.get_running_loop()
    scheme, _, place = address.partition(":")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            if scheme == "tcp":
                host, _, port = place.rpartition(":")
                return (await loop.create_connection(Connection, host.strip("[]"), int(port)))[1]
            return (await loop.create_unix_connection(Connection, place))[1]
    except (OSError, ValueError) as error:
        raise ConnectFailed(str(error)) from error


class Pool:
    """Idle connections by address, the last used first."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Connection]] = {}

    async def get(self, address: str) -> Connection:
        """An idle connection, or a new one.

        Raises:
            ConnectFailed: nobody listens there.
        """
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if not connection.lost:
                connection.used = True
                return connection
        return await connect(address)

    def put(self, address: str, connection: Connection) -> None:
        """Keep *connection* for the next request, or close it."""
        idle = self._idle.setdefault(address, [])
        if connection.reusable and len(idle) < _IDLE_KEPT:
            idle.append(connection)
        else:
            connection.close()

    def keep_only(self, addresses: set[str]) -> None:
        """Close what leads elsewhere."""
        for address in [each for each in self._idle if each not in addresses]:
            for connection in self._idle.pop(address):
                connection.close()


async def call(path: str, method: str, target: str, body: bytes = b"", seconds: float = 10.0) -> tuple[int, bytes]:
    """A small request of our own to a unix socket: status and body.

    Raises:
        ConnectFailed: nobody listens there.
        ConnectionLost: the connection ended too early.
        TimeoutError: no answer within *seconds*.
    """
    async with asyncio.timeout(seconds):
        connection = await connect(f"unix:{path}")
        try:
            head = (
                f"{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            connection.send([head.encode("ascii"), body])
            await connection.head()
            pieces = []
            while piece := await connection.read():
                pieces.append(piece)
            return connection.status, b"".join(pieces)
        finally:
            connection.close()
