"""One accepted connection: keep-alive, one request at a time, and noticing that the caller has hung up.

Written as an asyncio Protocol because streams cost several times as much per request (docs: facts on hop cost), and
because a queued request whose caller is gone must be dropped before its turn.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Callable, Optional, Set

from .wire import MAX_HEAD, BadHead, Request, Response, error_response, parse_head, render

_AHEAD_LIMIT = 64 * 1024
_LINGER = 1.0
"""Seconds for which a refused body is still read, so that the refusal reaches a caller that is still sending; and for
which a connection without a request yet is kept while draining."""

Respond = Callable[[Response], None]
Handler = Callable[[Request, Respond], None]


class Listener:
    """What connections of one address share: the key, the largest body, the handler, and the open connections."""

    def __init__(self, key: str, body_limit: int, handler: Handler) -> None:
        self.key = key.encode()
        self.body_limit = body_limit
        self.handler = handler
        self.connections: Set[Connection] = set()
        self.closing = False

    def __call__(self) -> Connection:
        """A protocol for one accepted connection."""
        return Connection(self)

    def drain(self) -> None:
        """Close idle connections now and busy ones after their answer."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def refusal(self, request: Request) -> Optional[Response]:
        """Why a request is not read any further: wrong key (421) or too large (413, REQ-014)."""
        request_id = request.headers.get("x-request-id", "")
        given = request.headers.get("x-modelserve-key", "").encode("latin-1")
        if not hmac.compare_digest(given, self.key):
            message = "this address belongs to another replica; read the route again"
            return error_response(421, "MISDIRECTED_REQUEST", message, request_id)
        if request.length > self.body_limit:
            message = "the body has %d bytes; the limit is %d" % (request.length, self.body_limit)
            return error_response(413, "PAYLOAD_TOO_LARGE", message, request_id)
        return None


class Connection(asyncio.Protocol):
    """Parses requests in order and hands each to the listener's handler."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._buffer = bytearray()
        self._request: Optional[Request] = None
        self._busy = False
        self._discarding = False
        self._served = False
        self._transport: Optional[asyncio.Transport] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the listener's connections."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._listener.connections.add(self)
        if self._listener.closing:
            # Accepted in the last moment: its request is answered, and it is not waited for without end.
            self.close_if_idle()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Mark the request in work as abandoned."""
        self._listener.connections.discard(self)
        self._transport = None
        if self._request is not None:
            self._request.gone = True

    def data_received(self, data: bytes) -> None:
        """Collect bytes; reading goes on during a request so that a hang-up is noticed, but not without bound."""
        if self._discarding:
            return
        self._buffer += data
        if not self._busy:
            self._advance()
        elif len(self._buffer) > _AHEAD_LIMIT and self._transport is not None:
            self._transport.pause_reading()

    def close_if_idle(self) -> None:
        """Close when no request is being worked on. One that may be on its way gets a moment."""
        if self._busy or self._transport is None:
            return
        if self._served and self._request is None and not self._buffer:
            self._transport.close()
        else:
            asyncio.get_event_loop().call_later(_LINGER, self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        if not self._busy and self._transport is not None:
            self._transport.close()

    def _advance(self) -> None:
        if self._request is None and not self._read_head():
            return
        request = self._request
        if request is None or len(self._buffer) < request.length:
            return
        request.body = bytes(self._buffer[: request.length])
        del self._buffer[: request.length]
        self._busy = self._served = True
        self._listener.handler(request, self._respond)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                self._refuse(error_response(431, "BAD_REQUEST", "the head is longer than %d bytes" % MAX_HEAD))
            return False
        try:
            request = parse_head(bytes(self._buffer[:end]))
        except BadHead as error:
            self._refuse(error_response(error.status, "BAD_REQUEST", str(error)))
            return False
        del self._buffer[: end + 4]
        refusal = self._listener.refusal(request)
        if refusal is not None:
            self._refuse(refusal)
            return False
        if request.headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._request = request
        return True

    def _refuse(self, response: Response) -> None:
        transport = self._transport
        if transport is None:
            return
        self._discarding = True
        self._buffer.clear()
        transport.write(render(response, keep_alive=False))
        asyncio.get_event_loop().call_later(_LINGER, transport.close)
        if transport.can_write_eof():
            transport.write_eof()

    def _respond(self, response: Response) -> None:
        request, transport = self._request, self._transport
        self._request, self._busy = None, False
        if request is None or transport is None:
            return
        keep_alive = request.keep_alive and not self._listener.closing
        transport.write(render(response, keep_alive))
        if not keep_alive:
            transport.close()
            return
        transport.resume_reading()
        if self._buffer:
            asyncio.get_event_loop().call_soon(self._advance_if_idle)

    def _advance_if_idle(self) -> None:
        if not self._busy and self._transport is not None and not self._discarding:
            self._advance()
