"""One request as the gateway's parts see it: its head, its body as it arrives, and its answer.

No web framework stands here because it would cost more than the whole hop (facts: 0.3 ms and more). The class holds
what the log and the metrics need and knows whether an answer has begun, so that an error is answered at most once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from jupyter_modelserve.errors import BadRequest, MethodNotAllowed, ModelServeError

if TYPE_CHECKING:
    from jupyter_modelserve.gateway.express import Ticket

Headers = list[tuple[bytes, bytes]]

GONE: Final = 499
"""The status in log and metrics when the caller hung up before it was answered."""
JSON: Final = (b"content-type", b"application/json")
_SANE_ID: Final = re.compile(rb"[\x21-\x7e]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DRAINED: Final = 64 * 1024
"""An unread body up to this size is read and dropped so that the connection can be kept; above it we hang up."""
_ONCE: Final = (b"host", b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"origin")
_SPECIAL: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"connection"})
_BODILESS: Final = frozenset({204, 304})
_STATUS_LINES: Final = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}

_process_id = os.urandom(6).hex().encode()
_serial = itertools.count(1)


class Link(Protocol):
    """The caller's connection (see ``caller``)."""

    private: bool
    ticket: Ticket | None

    @property
    def date(self) -> bytes:
        """The Date header line."""

    def send(self, data: bytes) -> None:
        """Send a piece of the answer."""

    async def drain(self) -> None:
        """Wait while the caller reads slowly."""

    def last(self, request: Request) -> bool:
        """Whether nothing can be answered after *request*."""

    def finish(self, request: Request, close: bool) -> None:
        """The answer is complete: go on with the next request, or hang up."""

    def flow(self) -> None:
        """Read on, or wait, as the bodies demand."""

    def abort(self) -> None:
        """Cut the connection: an answer that cannot be completed must not look complete."""


class Form:
    """A head as it was read once: on the same connection the same bytes mean the same, so they need not be read again.

    ``ticket``: the last ticket that covered a request of this form.
    """

    __slots__ = ("fields", "headers", "length", "method", "modern", "named", "query", "raw_path", "ticket")

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.raw_path = request.raw_path
        self.query = request.query
        self.headers = request.headers
        self.fields = request.fields
        self.modern = request.modern
        self.length = request.content_length or 0
        self.named = request.number if request.fields.get(b"x-request-id") == request.number else None
        self.ticket: Ticket | None = None

    @classmethod
    def of(cls, request: Request) -> Form | None:
        """The form of a request that arrived in one piece and is nothing special."""
        plain = (
            request.keep_alive and request.complete and request.content_length and _SPECIAL.isdisjoint(request.fields)
        )
        return cls(request) if plain and request.raw_path.startswith(b"/") else None

    def again(self, link: Link, body: bytes) -> Request:
        """Another request with this head."""
        request = Request.__new__(Request)
        request.link = link
        request.form = self
        request.method = self.method
        request.raw_path = self.raw_path
        request.query = self.query
        request.headers = self.headers
        request.fields = self.fields
        request.keep_alive = request.has_body = request.complete = True
        request.modern = self.modern
        request.content_length = request.buffered = self.length
        # An id that was not sane was replaced, and so is this one.
        request.number = self.named or b"%b%08x" % (_process_id, next(_serial))
        request.pieces = [body]
        return request


class Request:
    """One HTTP request and the state of its answer.

    ``complete``: the body has arrived; ``body_done``: it has been read from here. ``on_gone`` is called when the caller
    hangs up before the answer is complete.
    """

    # Most of these keep their default, so they live in the class and cost a request nothing.
    path = owner = endpoint = model = version = grant_id = ""
    query = b""
    began = 0.0
    status = sent = buffered = 0
    started = finished = body_done = complete = chunked = False
    form: Form | None = None
    broken: ModelServeError | None = None
    on_gone: Callable[[], object] | None = None
    _left: int | None = None
    _closes = False
    _waiter: asyncio.Future[None] | None = None

    def __init__(self, link: Link, method: str, url: bytes, headers: Headers, keep_alive: bool, modern: bool) -> None:
        self.link = link
        self.method = method
        self.raw_path = url
        if b"?" in url:
            self.raw_path, _, self.query = url.partition(b"?")
        self.headers = headers
        self.fields = fields = dict(headers)
        self.keep_alive = keep_alive
        self.modern = modern
        given = fields.get(b"x-request-id")
        sane = given is not None and _SANE_ID.fullmatch(given)
        self.number = given if given is not None and sane else b"%b%08x" % (_process_id, next(_serial))
        length = fields.get(b"content-length")
        self.content_length = int(length) if length is not None and length.isdigit() else None
        self.has_body = bool(self.content_length) or b"transfer-encoding" in fields
        if not self.has_body:
            self.body_done = True
        self.pieces: list[bytes] = []

    @property
    def id(self) -> str:
        """The request id, the caller's own when it is sane."""
        return self.number.decode("ascii")

    @property
    def expects(self) -> bool:
        """Whether the caller may be waiting for ``100 Continue``."""
        return b"expect" in self.fields

    def check(self) -> None:
        """Refuse what two servers could read in two ways (request smuggling).

        Raises:
            MethodNotAllowed: a method that HTTP APIs do not use (CONNECT, TRACE, …).
            BadRequest: a header that may stand once stands twice, a transfer coding other than ``chunked``, or an
                address in the full form that names another host than the Host header.
        """
        if len(self.fields) != len(self.headers):
            names = [name for name, _ in self.headers]
            for name in _ONCE:
                if names.count(name) > 1:
                    raise BadRequest(f"the header {name.decode()} stands more than once")
        if self.method not in _METHODS:
            raise MethodNotAllowed("this method means nothing here", details={"allow": sorted(_METHODS)})
        if self.has_body and b"upgrade" in self.fields:
            # The parser takes what follows for the other protocol: the body would silently be lost.
            raise BadRequest(
                "only HTTP/1.1 is spoken here, and a request with a body must not offer an Upgrade "
                "(Java: HttpClient.newBuilder().version(HTTP_1_1))"
            )
        coding = self.fields.get(b"transfer-encoding")
        if coding is not None:
            if coding.strip().lower() != b"chunked":
                raise BadRequest("the only transfer-encoding understood here is chunked")
            if b"content-length" in self.fields:
                raise BadRequest("content-length and transfer-encoding exclude each other")
        if not self.raw_path.startswith(b"/"):
            self._shorten()

    def _shorten(self) -> None:
        """Take the full form of an address (``http://host/path``), as proxies send it, when it names the same host."""
        scheme, _, rest = self.raw_path.partition(b"://")
        host, slash, path = rest.partition(b"/")
        if scheme.lower() != b"http" or host.lower() != self.fields.get(b"host", b"").lower():
            raise BadRequest(
                "the address must be a path, or a full address that names the same host as the Host header"
            )
        self.raw_path = slash + path or b"/"

    # ------------------------------------------------------------------------------------------------ body
    def feed(self, data: bytes) -> None:
        """A piece of the body arrived."""
        if not self.finished:
            self.pieces.append(data)
            self.buffered += len(data)
            self._wake()

    def end(self) -> None:
        """The body has arrived."""
        self.complete = True
        self._wake()

    def spoil(self, error: ModelServeError) -> None:
        """The body cannot be read any further."""
        self.broken = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        """The next piece of the body, all that has arrived; ``body_done`` is then set with the last one.

        Raises:
            BadRequest: it is not well formed.
        """
        while not self.pieces and not self.complete:
            if self.broken is not None:
                raise self.broken
            if self.modern and self.fields.get(b"expect", b"").lower() == b"100-continue" and not self.started:
                self.link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.fields[b"expect"] = b""  # it was said
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self.buffered = 0
        self.body_done = self.complete
        if not self.complete:
            self.link.flow()
        return data

    # ------------------------------------------------------------------------------------------------ answer
    def must_close(self) -> bool:
        """Whether the connection ends with this answer."""
        if not self.keep_alive or b"upgrade" in self.fields:
            return True  # the parser reads nothing behind a request that asks for another protocol
        if not self.complete and (self.expects or self.content_length is None or self.content_length > _DRAINED):
            return True
        return self.link.last(self)

    def _head(self, status: int, lines: bytes) -> bytes:
        self._closes = self.must_close()
        self.started = True
        self.status = status
        return b"%b%bx-request-id: %b\r\n%b%b\r\n" % (
            _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status,
            self.link.date,
            self.number,
            lines,
            b"connection: close\r\n" if self._closes else b"",
        )

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Send a whole answer at once; *lines* are header lines, each with its line end."""
        head = self._head(status, b"%bcontent-length: %d\r\n" % (lines, len(body)))
        if self.method == "HEAD":
            body = b""
        self.sent = len(body)
        if len(body) < _DRAINED:
            self.link.send(head + body)
        else:
            self.link.send(head)
            self.link.send(body)
        self._finish()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of an answer whose body follows by :meth:`write`."""
        length = next((value for name, value in headers if name == b"content-length"), None)
        lines = join(headers)
        if self.method == "HEAD" or status in _BODILESS:
            self._left = 0
        elif length is not None:
            self._left = int(length)
        elif self.modern:
            self.chunked = True
            lines += b"transfer-encoding: chunked\r\n"
        else:
            self.keep_alive = False  # HTTP/1.0: the body ends with the connection
        self.link.send(self._head(status, lines))

    async def write(self, data: bytes, more: bool = False) -> None:
        """Send a piece of the answer's body; waits while the caller reads slowly."""
        if self._left is not None:
            if self.method == "HEAD" or self.status in _BODILESS:
                data = b""
            self._left -= len(data)
            if self._left < 0 or (self._left and not more):
                self.link.abort()  # it has not the length that its head announced
                return
        self.sent += len(data)
        if self.chunked:
            data = (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + (b"" if more else b"0\r\n\r\n")
        if data:
            self.link.send(data)
        if not more:
            self._finish()
        await self.link.drain()

    def _finish(self) -> None:
        self.finished = True
        self.pieces.clear()
        self.link.finish(self, self._closes)

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer and wait until the caller has read enough of it."""
        self.answer(status, join(headers), body)
        await self.link.drain()

    async def reply_json(self, value: Any, status: int = 200) -> None:
        """Send *value* as JSON."""
        await self.reply(status, [JSON], json.dumps(value).encode())

    async def reply_error(self, error: ModelServeError) -> None:
        """Send the one error shape with the headers that belong to it."""
        self.refuse(error)
        await self.link.drain()

    def refuse(self, error: ModelServeError) -> None:
        """Send the one error shape with the headers that belong to it."""
        headers: Headers = [JSON]
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after_s))
        if error.status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="jupyter-modelserve"'))
        if error.status == 405:
            headers.append((b"allow", ", ".join(error.details.get("allow", ())).encode()))
        self.answer(error.status, join(headers), json.dumps(error.body(self.id)).encode())


def join(headers: Headers) -> bytes:
    """Headers as lines of a head."""
    return b"".join([b"%b: %b\r\n" % each for each in headers])


def header_value(text: str) -> bytes:
    """*text* as a header value: percent-encoded where it is not printable ASCII (model and user names)."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode("ascii")
