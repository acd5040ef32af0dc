"""HTTP/1.1 on a unix socket with the standard library only: parsing a head and writing an answer.

Both the parent's control address and the worker's scoring address speak it. The peers are processes of ours that write
plain heads with a content length, so everything else (chunked bodies, folded headers) is refused instead of guessed.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Dict, Mapping, Optional, Tuple
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 64 * 1024
"""Bytes that request line and headers may have together."""

REASONS = {
    200: "OK", 202: "Accepted", 204: "No Content", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    409: "Conflict", 413: "Payload Too Large", 415: "Unsupported Media Type", 421: "Misdirected Request",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
_LONG_LINE = 256
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.([01])")
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BadHead(Exception):
    """The bytes are no request that we serve; ``status`` says why and the connection is closed."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Request:
    """One request. ``headers`` has lower-case names; ``gone`` becomes true when the caller has hung up."""

    __slots__ = ("body", "gone", "headers", "keep_alive", "length", "method", "path", "query")

    def __init__(self, method: str, target: str, headers: Dict[str, str], length: int, keep_alive: bool) -> None:
        self.method = method
        self.path, query = _split_target(target)
        self.query = dict(query)
        self.headers = headers
        self.length = length
        self.keep_alive = keep_alive
        self.body = b""
        self.gone = False


class Response:
    """Status, body and extra headers (all values already safe for a header)."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = dict(headers or {})


@lru_cache(maxsize=256)
def _read_header(line: bytes) -> Tuple[str, str]:
    """Name and value. A peer of ours sends the same lines again and again, so each is taken apart once."""
    name, colon, value = line.partition(b":")
    if not colon or _HEADER_NAME.fullmatch(name) is None or b"\r" in value or b"\n" in value or b"\0" in value:
        raise BadHead("a header line is malformed")
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


@lru_cache(maxsize=64)
def _split_target(target: str) -> Tuple[str, Tuple[Tuple[str, str], ...]]:
    """Path and query of a request's target."""
    path, _, query = target.partition("?")
    return unquote(path), tuple(parse_qsl(query))


def parse_head(raw: bytes) -> Request:
    """Read request line and headers (without the blank line).

    Raises:
        BadHead: not HTTP/1.x, a malformed or repeated header, a body without a plain content length.
    """
    lines = raw.split(b"\r\n")
    first = _REQUEST_LINE.fullmatch(lines[0])
    if first is None:
        raise BadHead("the request line is not HTTP/1.1")
    headers: Dict[str, str] = {}
    for line in lines[1:]:
        key, value = _read_header(line) if len(line) <= _LONG_LINE else _read_header.__wrapped__(line)
        if key in headers and key in ("content-length", "content-type", "x-modelserve-key", "host"):
            raise BadHead("the header " + key + " is given twice")
        headers[key] = value
    if "transfer-encoding" in headers:
        raise BadHead("send the body with a content-length, not with a transfer-encoding")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) <= 15):
        raise BadHead("content-length is not a number")
    wanted = headers.get("connection", "").lower()
    keep_alive = wanted != "close" if first.group(3) == b"1" else wanted == "keep-alive"
    return Request(first.group(1).decode(), first.group(2).decode(), headers, int(length), keep_alive)


def render(response: Response, keep_alive: bool) -> bytes:
    """The bytes of an answer."""
    lines = ["HTTP/1.1 %d %s" % (response.status, REASONS.get(response.status, "Status"))]
    if response.status != 204:
        lines.append("content-type: " + response.content_type)
        lines.append("content-length: %d" % len(response.body))
    lines.extend(name + ": " + value for name, value in response.headers.items())
    if not keep_alive:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + response.body


def json_response(status: int, document: object, headers: Optional[Mapping[str, str]] = None) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(document).encode("ascii"), headers=headers)


def error_response(
    status: int,
    error_code: str,
    message: str,
    request_id: str = "",
    details: Optional[Mapping[str, object]] = None,
    headers: Optional[Mapping[str, str]] = None,
) -> Response:
    """The one error shape of every process: ``{"error_code", "message", "details", "request_id"}``."""
    document = {"error_code": error_code, "message": message, "details": dict(details or {}), "request_id": request_id}
    return json_response(status, document, headers)
