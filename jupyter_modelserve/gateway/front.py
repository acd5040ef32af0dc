"""The HTTP server in front: uvicorn's httptools protocol with what a public door needs besides.

uvicorn is a well-kept HTTP/1.1 server (21 µs a request), but it bounds neither the head of a request nor the time it
takes, and ASGI tells of a hang-up only to who asks. The subclass adds: limits on head and time, a hang-up that reaches
the running request at once, errors in the one shape, and a close that lets the caller read why (a plain ``close`` with
unread input resets the connection, and the answer is lost).
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from jupyter_modelserve.errors import BadRequest, ModelServeError

HEAD_LIMIT: Final = 64 * 1024
HEAD_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 75.0
LINGER_SECONDS: Final = 1.0


class HeadTooLarge(ModelServeError):
    """The request line and headers exceed 64 KiB."""

    status = 431
    error_code = "BAD_REQUEST"


class Transport:
    """A transport whose ``close`` half-closes first while the caller still sends, so that the answer is read."""

    def __init__(self, inner: asyncio.Transport, unread: Callable[[], bool]) -> None:
        self._inner = inner
        self._unread = unread
        self._closing = False
        self._held = b""
        self.holding = False
        self.get_extra_info = inner.get_extra_info
        self.pause_reading = inner.pause_reading
        self.resume_reading = inner.resume_reading
        self.abort = inner.abort

    def write(self, data: bytes) -> None:
        """Send *data*; while ``holding``, keep it for the next call (one system call instead of two)."""
        if self.is_closing():
            return
        if self.holding:
            self.holding = False
            self._held = data
            return
        if self._held:
            data, self._held = self._held + data, b""
        self._inner.write(data)

    def is_closing(self) -> bool:
        """Whether no further answer will be written."""
        return self._closing or self._inner.is_closing()

    def close(self) -> None:
        """End the connection: at once, or after a second in which nothing more is read."""
        if self.is_closing():
            return
        self._closing = True
        if not self._unread():
            self._inner.close()
            return
        try:
            self._inner.pause_reading()
            self._inner.write_eof()
        except (OSError, RuntimeError):
            self._inner.abort()
            return
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._inner.abort)


class FrontProtocol(HttpToolsProtocol):
    """One connection of a caller; also the :class:`~jupyter_modelserve.gateway.request.Link` of its requests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.private = False
        self._accepted = False
        self._deaf = False
        self.in_head = True
        self.since = self.loop.time()
        self.fresh = True
        self._head_bytes = 0
        self._on_lost: Callable[[], object] | None = None

    # ------------------------------------------------------------------------------------------------ Link
    def watch(self, on_lost: Callable[[], object] | None) -> None:
        """Call *on_lost* when the caller hangs up; ``None`` forgets it."""
        self._on_lost = on_lost

    def resume(self) -> None:
        """Read on after the body, so that a hang-up is noticed (uvicorn pauses above 64 KiB)."""
        if not self.pipeline:
            self.flow.resume_reading()

    def hold_head(self) -> None:
        """Send the next head together with the body that follows at once."""
        self._door.holding = True

    def abort(self) -> None:
        """Cut the connection."""
        if self._accepted:
            self.transport.abort()

    # ------------------------------------------------------------------------------------------------ transport
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connected; dropped at once when there are too many."""
        if len(self.connections) >= self.app_state["max_connections"]:
            transport.abort()
            return
        self._accepted = True
        self.private = transport.get_extra_info("socket").family == socket.AF_UNIX
        self.app_state = {"link": self}
        self._door = Transport(transport, self._unread)
        super().connection_made(self._door)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller hung up: whoever works for it hears at once."""
        if not self._accepted:
            return
        super().connection_lost(exc)
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost()

    def data_received(self, data: bytes) -> None:
        """Input of the caller; a head may have 64 KiB."""
        if not self._accepted or self._deaf or self.transport.is_closing():
            return
        super().data_received(data)
        if self.in_head and not self.transport.is_closing():
            if not self._head_bytes:
                self.since = self.loop.time()
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse(HeadTooLarge("the request line and headers are larger than 64 KiB"))

    def overdue(self, now: float) -> bool:
        """Whether a head has been on its way for too long (and no other request is being answered)."""
        cycle = self._current()
        limit = IDLE_SECONDS if self.fresh else HEAD_SECONDS
        return self.in_head and now - self.since > limit and (cycle is None or cycle.response_complete)

    def _unread(self) -> bool:
        cycle = self._current()
        return self.in_head or (cycle is not None and cycle.more_body)

    def _current(self) -> RequestResponseCycle | None:
        return self.cycle

    # ------------------------------------------------------------------------------------------------ parser
    def on_message_begin(self) -> None:
        """A new request begins."""
        super().on_message_begin()
        self.in_head = True
        self.fresh = False
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The head is complete: the request starts."""
        super().on_headers_complete()
        self.in_head = False
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refuses, in the one error shape; *msg* is uvicorn's and says less."""
        del msg
        self._refuse(BadRequest("this is not a well-formed HTTP/1.1 request"))

    def _refuse(self, error: ModelServeError) -> None:
        cycle = self._current()
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # the nonsense follows a good request: answer that one and hang up
                cycle.keep_alive = False
                self._deaf = True
                return
            if cycle.response_started or self.pipeline:
                self.transport.abort()  # another answer would be taken for the continuation of the first
                return
        body = json.dumps(error.body("")).encode()
        head = (
            f"HTTP/1.1 {error.status} {'Bad Request' if error.status == 400 else 'Request Header Fields Too Large'}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.in_head = True
        self.transport.close()


def remove_socket(path: Path) -> None:
    """Take a socket file away that a killed gateway left."""
    path.unlink(missing_ok=True)


class Front:
    """The listening sockets: the instance's port on loopback and the private unix socket."""

    def __init__(self, app: Any, max_connections: int) -> None:
        self._config = Config(
            app, http=FrontProtocol, ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, timeout_keep_alive=int(IDLE_SECONDS),
        )  # fmt: skip
        self._config.load()
        self._state = ServerState()
        self._app_state = {"max_connections": max_connections}
        self._servers: list[asyncio.AbstractServer] = []
        self._tick()

    async def listen(self, listener: socket.socket, private: Path) -> None:
        """Serve on both sockets."""
        loop = asyncio.get_running_loop()
        remove_socket(private)
        self._servers.append(await loop.create_unix_server(self._protocol, str(private)))
        os.chmod(private, 0o600)  # noqa: PTH101 - one call at start
        self._servers.append(await loop.create_server(self._protocol, sock=listener, backlog=2048))

    def _protocol(self) -> FrontProtocol:
        return FrontProtocol(config=self._config, server_state=self._state, app_state=self._app_state)

    def _tick(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]

    async def run(self, stop: asyncio.Event, grace: float = 5.0) -> None:
        """Keep the date and cut slow heads once a second, until *stop*; then end within *grace* seconds."""
        while not stop.is_set():
            self._tick()
            self._sweep(asyncio.get_running_loop().time())
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue
        await self._close(grace)

    def _sweep(self, now: float) -> None:
        for each in list(self._state.connections):
            if isinstance(each, FrontProtocol) and each.overdue(now):
                each.abort()

    async def _close(self, grace: float) -> None:
        for server in self._servers:
            server.close()
        for each in list(self._state.connections):
            each.shutdown()
        if self._state.tasks:
            _, late = await asyncio.wait(list(self._state.tasks), timeout=grace)
            for task in late:
                task.cancel()
        for each in list(self._state.connections):
            each.transport.close()
