"""A small HTTP/1.1 client over unix sockets, with a head of our own making.

A client framework costs 0.3 to 1.6 ms per hop (facts: performance (g)); this one writes a head that the caller cannot
influence, so smuggling a second request is impossible by construction, and lets httptools read the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import httptools

from jupyter_modelserve.gateway.request import Headers

HIGH_WATER: Final = 256 * 1024
_HEAD_LIMIT: Final = 64 * 1024
_CONNECT_SECONDS: Final = 2.0
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_REMEMBERED: Final = 256
_LONGEST_REMEMBERED: Final = 1024


class ConnectFailed(Exception):
    """Nobody listens at the address: nothing was sent."""


class ConnectionLost(Exception):
    """The connection ended too early. ``answered`` tells whether a part of the answer had come."""

    def __init__(self, answered: bool) -> None:
        super().__init__("connection lost")
        self.answered = answered


@dataclass(frozen=True, slots=True)
class _Head:
    """What the parser read from a head with a content-length: the same bytes mean the same next time."""

    status: int
    headers: Headers
    keep: bool
    length: int


_heads: dict[bytes, _Head] = {}
"""Heads of answers that came in one piece. Most answers of a worker have one of a few, and reading one costs 3 µs."""


class Connection(asyncio.Protocol):
    """One connection to a process of ours: one request at a time, answers as a stream with back-pressure."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.used = False
        self.lost = False
        self.listener: Callable[[], None] | None = None
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
        self._framed = False
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
        return self.take()

    def take(self) -> bytes:
        """All of the body that has come."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._read_paused and self.transport is not None and not self.lost:
            self._read_paused = False
            self.transport.resume_reading()
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
        if self.listener is not None:
            self.listener()
        elif self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    @property
    def headed(self) -> bool:
        """Whether the head of the answer is there."""
        return not self._in_head

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on it: not while it holds back an answer that nobody read."""
        return self.complete and self._keep and not self.lost and not self._read_paused

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
        first = not self.answered
        self.answered = True
        if first and self._recall(data):
            self._wake()
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
        if self._in_head and self._head_bytes > _HEAD_LIMIT:
            self.close()
        if first:
            self._remember(data)
        self._hold_back()
        self._wake()

    def _recall(self, data: bytes) -> bool:
        """Take a whole answer whose head is known, without the parser, which stays at the start of an answer."""
        end = data.find(b"\r\n\r\n", 0, _LONGEST_REMEMBERED) + 4
        head = _heads.get(data[:end])
        if head is None or len(data) - end != head.length or self._no_body:
            return False
        self.status, self.headers, self._keep = head.status, head.headers, head.keep
        self._in_head = False
        self.complete = True
        self._pieces.append(data[end:])
        return True

    def _remember(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n", 0, _LONGEST_REMEMBERED) + 4
        lengths = [value for name, value in self.headers if name in _FRAMING]
        if end < 4 or not self.complete or self.lost or self._no_body or lengths != [b"%d" % (len(data) - end)]:
            return
        if len(_heads) >= _REMEMBERED:
            _heads.clear()
        _heads[data[:end]] = _Head(self.status, self.headers, self._keep, len(data) - end)

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
    def on_message_begin(self) -> None:
        """An answer begins; a second one to one request is refused before it can be taken for the first."""
        if self.complete:
            raise ConnectionLost(True)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer."""
        name = name.lower()
        self.headers.append((name, value))
        if name in _FRAMING:
            self._framed = True

    def on_headers_complete(self) -> None:
        """The head is complete, unless it is an interim one."""
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            self._framed = False
            return
        self.status = status
        self._in_head = False
        self._keep = bool(self._parser.should_keep_alive())
        if self._no_body:
            self._keep = False
            self.complete = True
        elif not self._framed and status not in {204, 304}:
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
