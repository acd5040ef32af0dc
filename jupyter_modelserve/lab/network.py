"""Connections that hear an answer while they still send, for httpx.

The gateway refuses a body that is too large, or one too many, before it has read it. httpx reads nothing until the
whole request is written, and by then the connection is reset and the refusal lost. Here an answer that comes early ends
the writing, which httpx takes as "read on".
"""

# ruff: noqa: ASYNC109 - the parameters are those of httpcore's interface

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import httpcore

_HELD: Final = 256 * 1024
"""Bytes that wait here for a slow reader before the other side is slowed down."""


class _Connection(asyncio.Protocol):
    """What arrived, whether more may come, and whether the socket takes more."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = False
        self.broken = False
        self.writable = True
        self.secure = False
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember what can be slowed down; called again when encryption starts."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self.received += data
        if len(self.received) > _HELD:
            self.transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        """The other side sends no more; it may still read."""
        self.ended = True
        self._changed.set()
        return not self.secure

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing goes in either direction any more."""
        self.ended = True
        self.broken = exc is not None
        self._changed.set()

    def pause_writing(self) -> None:
        """The socket is full."""
        self.writable = False

    def resume_writing(self) -> None:
        """The socket takes more."""
        self.writable = True
        self._changed.set()

    async def until(self, condition: Callable[[], bool], timeout: float | None) -> None:
        """Wait until *condition* holds; one waiter at a time."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Stream(httpcore.AsyncNetworkStream):
    """One connection as httpcore sees it."""

    def __init__(self, transport: asyncio.Transport, connection: _Connection) -> None:
        self._transport = transport
        self._connection = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most *max_bytes*; empty at the end."""
        held = self._connection
        try:
            await held.until(lambda: bool(held.received) or held.ended, timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        if not held.received and held.broken:
            raise httpcore.ReadError
        piece = bytes(held.received[:max_bytes])
        del held.received[:max_bytes]
        if len(held.received) <= _HELD and not held.ended and not self._transport.is_closing():
            self._transport.resume_reading()
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; ends with ``WriteError`` when the answer is there already or the other side has gone."""
        held = self._connection
        self._refuse_late(held)
        if buffer:
            self._transport.write(buffer)
        try:
            await held.until(lambda: held.writable or held.ended or bool(held.received), timeout)
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        if not held.writable:
            self._refuse_late(held)

    async def aclose(self) -> None:
        """Cut the connection, so that the other side knows at once."""
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        """Go on encrypted."""
        loop = asyncio.get_running_loop()
        self._connection.secure = True
        try:
            async with asyncio.timeout(timeout):
                made = await loop.start_tls(
                    self._transport, self._connection, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error
        return Stream(cast(asyncio.Transport, made), self._connection)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about a connection."""
        if info == "is_readable":
            return bool(self._connection.received) or self._connection.ended
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))

    @staticmethod
    def _refuse_late(held: _Connection) -> None:
        if held.received or held.ended:
            raise httpcore.WriteError


class Backend(httpcore.AsyncNetworkBackend):
    """Makes such connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Connect to *host*; asyncio sets TCP_NODELAY by itself."""
        try:
            async with asyncio.timeout(timeout):
                made = await asyncio.get_running_loop().create_connection(_Connection, host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError from error
        return Stream(*made)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
