"""What a request must look like before anything is looked up: its host, its origin and its path.

A browser page of another site can make the browser send requests to a loopback address (DNS rebinding), so only known
hosts and origins pass; and a path that two processes could read in two ways is refused rather than repaired.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from jupyter_modelserve.errors import BadRequest, PermissionDenied
from jupyter_modelserve.gateway.request import Request

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HOST: Final = re.compile(r"^(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?$")
_RAW: Final = re.compile(rb"^/[\x21\x22\x24-\x7e]*$")
_TRICK: Final = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)
_DOUBLE: Final = re.compile(r"%(?:25)*(?:2f|5c|00|2e%(?:25)*2e)", re.IGNORECASE)
_LONGEST: Final = 8192
_REMEMBERED: Final = 256
_QUERY: Final = re.compile(rb"^[\x21\x22\x24-\x7e]*$")


class HostGuard:
    """Host and Origin check against DNS rebinding.

    Args:
        port: the instance's port, which an Origin on loopback must name.
        allowed: host names besides loopback (the setting ``allowed_hosts``).
    """

    def __init__(self, port: int, allowed: str = "") -> None:
        self._port = port
        self._allowed = frozenset(each.strip().lower() for each in allowed.split(",") if each.strip())
        self._known = {f"{name}:{port}".encode() for name in _LOOPBACK}

    def check(self, request: Request) -> None:
        """Refuse a foreign host or origin.

        Raises:
            PermissionDenied: the ``Host`` is missing or unknown, or the ``Origin`` is another site.
        """
        host = request.fields.get(b"host", b"")
        if host not in self._known and not self._is_known(host):
            raise PermissionDenied(
                "the Host header names no address of this instance; use 127.0.0.1 or localhost, "
                "or add the name to the setting allowed_hosts"
            )
        origin = request.fields.get(b"origin")
        if origin is not None and not self._is_own(origin):
            raise PermissionDenied("requests from pages of other sites are refused")

    def _is_known(self, host: bytes) -> bool:
        found = _HOST.match(host.decode("latin-1"))
        return found is not None and found["name"].lower() in _LOOPBACK | self._allowed

    def _is_own(self, origin: bytes) -> bool:
        try:
            parts = urlsplit(origin.decode("ascii"))
            found = _HOST.match(parts.netloc)
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or found is None or parts.path or parts.query:
            return False
        name = found["name"].lower()
        return name in self._allowed or (name in _LOOPBACK and found["port"] == str(self._port))


def decode_path(raw: bytes, query: bytes = b"") -> str:
    """Percent-decode a path once.

    Raises:
        BadRequest: it is not UTF-8, or holds ``..``, ``.``, ``//``, an encoded slash or backslash, or a control
            character.
    """
    if not _QUERY.match(query):
        raise BadRequest("the address holds characters that must be percent-encoded")
    return _decode(raw)


@lru_cache(_REMEMBERED)
def _decode(raw: bytes) -> str:
    if len(raw) > _LONGEST:
        raise BadRequest(f"the path is longer than {_LONGEST} bytes")
    if not _RAW.match(raw):
        raise BadRequest("the address holds characters that must be percent-encoded")
    if b"%" in raw:
        if _TRICK.search(raw):
            raise BadRequest("the path holds an encoded slash, backslash or NUL")
        try:
            path = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadRequest("the path is not UTF-8") from error
        if _DOUBLE.search(path):
            raise BadRequest("the path is percent-encoded twice")
    else:
        path = raw.decode("ascii")
    if not path.replace(" ", "").isprintable() or "\\" in path:
        raise BadRequest("the path holds a control character or a backslash")
    if "//" in path or "/./" in path or "/../" in path or path.endswith(("/.", "/..")):
        raise BadRequest("the path holds an empty part, . or ..")
    return path
