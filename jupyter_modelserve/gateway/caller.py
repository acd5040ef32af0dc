"""One connection of a caller: HTTP/1.1 by httptools (llhttp, strict), without a framework or a task in between.

uvicorn's protocol was measured first (docs/decisions.md): it costs a request three times as much, bounds neither the
head nor its time, and tells of a hang-up only to who asks. llhttp does the parsing that is easy to get wrong; what is
here is the order of requests and answers, limits, and a close that lets the caller read why.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Protocol

import httptools

from jupyter_modelserve.errors import BadRequest, ModelServeError
from jupyter_modelserve.gateway.express import Ticket
from jupyter_modelserve.gateway.request import Form, Headers, Request, join

HEAD_LIMIT: Final = 64 * 1024
HEADERS_LIMIT: Final = 256
HEAD_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 75.0
PRIVATE_LIMIT: Final = 32
"""Connections to the private socket at a time. They are counted apart: `down` must work when callers fill the rest."""
LINGER_SECONDS: Final = 1.0
_AHEAD: Final = 256 * 1024
"""Bytes of a body that are taken before somebody reads them."""
_FORMS: Final = 8
_LONGEST_FORM: Final = 4096
_STRANGERS: Final = 64
"""Heads in a row that were never seen before, after which no more are remembered (each has an id of its own, say)."""
_VERSIONS: Final = {"1.1": True, "1.0": False}
_METHODS: Final = {each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_logger = logging.getLogger(__name__)


class HeadTooLarge(BadRequest):
    """The request line and headers exceed 64 KiB or 256 headers."""

    status = 431


class App(Protocol):
    """What answers requests."""

    def begin(self, request: Request) -> None:
        """Start to answer; by the end exactly one answer is sent, or the connection cut."""


@dataclass
class Hall:
    """What all connections share. ``now`` and ``date`` are kept by the front, once a second.

    ``limit``: most connections at a time, besides those on the private socket, of which there are ``private``.
    """

    app: App
    limit: int
    now: float = 0.0
    date: bytes = b""
    private: int = 0
    callers: set[Caller] = field(default_factory=set)


class Caller(asyncio.Protocol):
    """One connection, also the :class:`~jupyter_modelserve.gateway.request.Link` of its requests.

    At most one request is answered at a time; those that follow on the connection wait in ``_queue``.
    """

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._arriving: Request | None = None
        self._headers: Headers = []
        self._url = b""
        self._in_head = True
        self._begun = False
        self._barren = 0
        self._moved = False
        self._refusal: ModelServeError | None = None
        self._deaf = False
        self._closing = False
        self._leaving = False
        self._advancing = False
        self._reading = True
        self._can_write: asyncio.Future[None] | None = None
        self._forms: dict[bytes, Form] = {}
        self._strangers = 0
        self._whole: Request | None = None
        self.current: Request | None = None
        self.since = hall.now
        self.private = False
        self.ticket: Ticket | None = None

    # ------------------------------------------------------------------------------------------------ transport
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connected; dropped at once when there are too many."""
        hall = self._hall
        self.private = transport.get_extra_info("socket").family == socket.AF_UNIX
        private = hall.private + self.private
        if private > PRIVATE_LIMIT if self.private else len(hall.callers) - private >= hall.limit:
            self._deaf = True
            transport.abort()
            return
        self._transport = transport
        hall.callers.add(self)
        hall.private = private

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller hung up: whoever works for it hears at once."""
        if self in self._hall.callers:
            self._hall.callers.remove(self)
            self._hall.private -= self.private
        self._transport, self._deaf, self._closing = None, True, True
        self._queue.clear()
        self._forms.clear()
        self.resume_writing()
        current, self.current = self.current, None
        if current is not None and current.on_gone is not None:
            current.on_gone()

    def eof_received(self) -> bool:
        """The caller closed. That it only half-closed cannot be told apart, so both count as a hang-up."""
        return False

    def data_received(self, data: bytes) -> None:
        """Input of the caller."""
        if self._deaf:
            return
        fresh = not self._begun and not self._barren and self._arriving is None
        if fresh and self._forms and self._known(data):
            return
        self._moved = False
        self._whole = None
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # the answer to it says that nothing else is spoken here, and closes
        except httptools.HttpParserCallbackError:
            _logger.exception("a request could not be taken")
            self._refuse(ModelServeError("something went wrong here; the log has more"))
        except httptools.HttpParserError:
            self._refuse(self._refusal or BadRequest("this is not a well-formed HTTP/1.1 request"))
        if self._moved:
            self._barren = 0
        elif self._barren > HEAD_LIMIT and not self._deaf:
            self._refuse(HeadTooLarge("the request line and headers are larger than 64 KiB"))
        if self._refusal is not None and not self._deaf:
            self._refuse(self._refusal)
        if fresh and self._strangers < _STRANGERS and not self._deaf:
            self._remember(data)
        self._advance()
        if self._queue or self._arriving is not None:
            self.flow()

    def _known(self, data: bytes) -> bool:
        """Take a whole request whose head was read before; the parser stays where it is, between two requests."""
        end = data.find(b"\r\n\r\n", 0, _LONGEST_FORM) + 4
        form = self._forms.get(data[:end])
        if form is None or len(data) - end != form.length:
            return False
        self._strangers = 0
        self._queue.append(form.again(self, data[end:]))
        self._advance()
        if self._queue:
            self.flow()
        return True

    def _remember(self, data: bytes) -> None:
        """Note the head of a request, when *data* is it and its body and nothing else."""
        if self._whole is None:
            return
        end = data.find(b"\r\n\r\n", 0, _LONGEST_FORM) + 4
        form = Form.of(self._whole)
        if form is None or end < 4 or len(data) - end != form.length:
            return
        self._strangers += 1
        if len(self._forms) >= _FORMS:
            self._forms.clear()
        self._forms[data[:end]] = form

    # ------------------------------------------------------------------------------------------------ parser
    def on_message_begin(self) -> None:
        """A new request begins."""
        self._headers = []
        self._url = b""
        self._in_head = self._begun = True
        self.since = self._hall.now

    def on_url(self, url: bytes) -> None:
        """The address, or a piece of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers behind a chunked body mean nothing here."""
        if self._in_head:
            self._headers.append((name.lower(), value.rstrip(b" \t")))  # llhttp leaves the blanks at the end

    def on_headers_complete(self) -> None:
        """The head is complete."""
        parser, headers = self._parser, self._headers
        self._in_head = self._begun = False
        if self._barren > HEAD_LIMIT or len(headers) > HEADERS_LIMIT:
            self._measure()
        self._moved = True
        modern = _VERSIONS.get(parser.get_http_version())
        if modern is None and self._refusal is None:
            self._refusal = BadRequest("only HTTP/1.1 and HTTP/1.0 are spoken here")
        method = parser.get_method()
        keep = bool(modern) and parser.should_keep_alive()
        request = Request(
            self, _METHODS.get(method) or method.decode("latin-1"), self._url, headers, keep, bool(modern)
        )
        self._arriving = request
        if self._refusal is None and not self._leaving:
            self._queue.append(request)

    def _measure(self) -> None:
        """Look at the size of one head more closely: what came with it may have been bodies before it."""
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)
        if self._refusal is None and (size > HEAD_LIMIT or len(self._headers) > HEADERS_LIMIT):
            self._refusal = HeadTooLarge(f"the head is larger than 64 KiB or has more than {HEADERS_LIMIT} headers")

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._moved = True
        if self._arriving is not None:
            self._arriving.feed(body)

    def on_message_complete(self) -> None:
        """A request has arrived."""
        self._moved = True
        request, self._arriving = self._arriving, None
        self._in_head = True
        if request is not None:
            request.end()
            self._whole = request

    def _refuse(self, error: ModelServeError) -> None:
        """Read nothing more. What was well formed is answered first; what was not gets *error* if it is its turn."""
        self._deaf = True
        request, self._arriving = self._arriving, None
        if request is not None and request in self._queue:
            self._queue.remove(request)
        elif request is not None and request is self.current:
            request.spoil(error)
            return
        elif request is not None and request.finished:
            self._close(unread=True)
            return
        if self.current is None and not self._queue and not self._closing:
            body = json.dumps(error.body("")).encode()
            phrase = "Bad Request" if error.status == 400 else "Refused"
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            self.send(f"HTTP/1.1 {error.status} {phrase}\r\nconnection: close\r\n".encode() + self.date)
            self.send(join(headers) + b"\r\n" + body)
            self._close(unread=True)

    # ------------------------------------------------------------------------------------------------ order
    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            # Not while the caller leaves answers unread: they would fill the memory.
            while self.current is None and self._queue and not self._closing and self._can_write is None:
                request = self.current = self._queue.popleft()
                self._hall.app.begin(request)
        finally:
            self._advancing = False

    def last(self, request: Request) -> bool:
        """Whether nothing can be answered after *request*: what follows could not be read."""
        return (self._deaf or self._leaving) and not self._queue

    def finish(self, request: Request, close: bool) -> None:
        """The answer is complete: go on with the next request, or hang up."""
        if request is not self.current:
            return
        self.current = None
        self.since = self._hall.now
        if close or self.last(request):
            self._close(unread=self._deaf or self._begun or not request.complete)
        elif self._queue:
            self._advance()
            self.flow()
        elif not self._reading:
            self.flow()

    # ------------------------------------------------------------------------------------------------ flow
    def flow(self) -> None:
        """Read on, unless requests or bytes of a body wait."""
        wanted = not self._queue and (self._arriving is None or self._arriving.buffered <= _AHEAD)
        if wanted is self._reading or self._transport is None or self._closing:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    @property
    def date(self) -> bytes:
        """The Date header line."""
        return self._hall.date

    def send(self, data: bytes) -> None:
        """Send a piece of the answer."""
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the caller reads slowly."""
        if self._can_write is not None:
            await asyncio.shield(self._can_write)

    def pause_writing(self) -> None:
        """The caller reads more slowly than we write."""
        if self._can_write is None:
            self._can_write = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The caller caught up, or is gone."""
        waiter, self._can_write = self._can_write, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._queue and self.current is None:
            self._advance()
            self.flow()

    # ------------------------------------------------------------------------------------------------ end
    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self, unread: bool) -> None:
        """End the connection: at once, or, while the caller still sends, after a second in which it can read why.

        A plain close with unread input resets the connection, and the answer is lost.
        """
        transport, self._closing, self._deaf = self._transport, True, True
        if transport is None or transport.is_closing():
            return
        if not unread:
            transport.close()
            return
        try:
            transport.pause_reading()
            transport.write_eof()
        except (OSError, RuntimeError):
            transport.abort()
            return
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def sweep(self, now: float) -> None:
        """Cut a caller that takes too long over a head, a body that nobody wants, or its answers, or between two."""
        if self.current is not None or self._closing:
            return
        slow = (self._begun or self._arriving is not None) and not self._queue
        if now - self.since > (HEAD_SECONDS if slow else IDLE_SECONDS):
            self.abort()

    def leave(self) -> None:
        """The gateway ends: hang up when idle, else after the answer to what is being answered, or still arrives."""
        self._leaving = True
        self._deaf = self._deaf or self.current is None or self._arriving is not self.current
        self._queue.clear()
        if self.current is None:
            self._close(unread=False)
