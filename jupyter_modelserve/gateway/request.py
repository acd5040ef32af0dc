"""One request as the gateway's parts see it, over the raw ASGI callables.

No web framework stands here because it would cost more than the whole hop (facts: 0.3 ms and more). The class holds
what the log and the metrics need and knows whether an answer has begun, so that an error is answered at most once.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol
from urllib.parse import quote

from jupyter_modelserve.errors import BadRequest, MethodNotAllowed, ModelServeError

Headers = list[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = (b"content-type", b"application/json")
_CLOSE: Final = (b"connection", b"close")
_SANE_ID: Final = re.compile(rb"^[\x21-\x7e]{1,128}$")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DRAINED: Final = 64 * 1024
"""An unread body up to this size is read and dropped so that the connection can be kept; above it we hang up."""
_ONCE: Final = (b"host", b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"origin")

_process_id = os.urandom(6).hex()
_serial = itertools.count(1)


class ClientGone(Exception):
    """The caller hung up; nobody is left to answer."""


class Link(Protocol):
    """The caller's connection, below ASGI (see ``front``)."""

    private: bool

    def watch(self, on_lost: Callable[[], object] | None) -> None:
        """Call *on_lost* when the caller hangs up during this request."""

    def resume(self) -> None:
        """Read on, so that a hang-up is noticed."""

    def hold_head(self) -> None:
        """Send the next head together with the body that follows at once."""

    def abort(self) -> None:
        """Cut the connection: an answer that cannot be completed must not look complete."""


class Request:
    """One HTTP request and the state of its answer."""

    __slots__ = (
        "_send",
        "alive",
        "body_done",
        "content_length",
        "endpoint",
        "expects",
        "fields",
        "grant_id",
        "has_body",
        "headers",
        "id",
        "link",
        "method",
        "model",
        "owner",
        "path",
        "query",
        "raw_path",
        "receive",
        "sent",
        "started",
        "status",
        "version",
    )  # fmt: skip

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.headers: Headers = scope["headers"]
        self.fields: dict[bytes, bytes] = dict(self.headers)
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.path: str = ""
        self.link: Link = scope["state"]["link"]
        self.receive = receive
        self._send = send
        self.id = _identify(self.fields.get(b"x-request-id"))
        length = self.fields.get(b"content-length")
        self.content_length: int | None = int(length) if length is not None and length.isdigit() else None
        self.has_body = bool(self.content_length) or b"transfer-encoding" in self.fields
        self.expects = b"expect" in self.fields
        self.body_done = not self.has_body
        self.started = False
        self.status = 0
        self.sent = 0
        self.alive = True
        self.owner = self.endpoint = self.model = self.version = self.grant_id = ""

    def check(self) -> None:
        """Refuse what two servers could read in two ways (request smuggling).

        Raises:
            MethodNotAllowed: a method that HTTP APIs do not use (CONNECT, TRACE, …).
            BadRequest: a header that may stand once stands twice, or a transfer coding other than ``chunked``.
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

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the answer; the request id is added."""
        headers.append((b"x-request-id", self.id.encode()))
        if self._must_close():
            headers.append(_CLOSE)
        self.started = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _must_close(self) -> bool:
        if b"upgrade" in self.fields:
            return True  # the parser reads nothing behind a request that asks for another protocol
        return not self.body_done and (self.expects or self.content_length is None or self.content_length > _DRAINED)

    async def write(self, data: bytes, more: bool = False) -> None:
        """Send a piece of the answer's body; waits while the caller reads slowly."""
        self.sent += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer."""
        headers.append((b"content-length", b"%d" % len(body)))
        if len(body) <= _DRAINED and self.method != "HEAD":
            self.link.hold_head()
        await self.start(status, headers)
        await self.write(body)

    async def reply_json(self, value: Any, status: int = 200) -> None:
        """Send *value* as JSON."""
        await self.reply(status, [JSON], json.dumps(value).encode())

    async def reply_error(self, error: ModelServeError) -> None:
        """Send the one error shape with the headers that belong to it."""
        headers: Headers = [JSON]
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after_s))
        if error.status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="jupyter-modelserve"'))
        if error.status == 405:
            headers.append((b"allow", ", ".join(error.details.get("allow", ())).encode()))
        await self.reply(error.status, headers, json.dumps(error.body(self.id)).encode())


def _identify(given: bytes | None) -> str:
    if given is not None and _SANE_ID.match(given):
        return given.decode("ascii")
    return f"{_process_id}{next(_serial):08x}"


def header_value(text: str) -> bytes:
    """*text* as a header value: percent-encoded where it is not printable ASCII (model and user names)."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode("ascii")
