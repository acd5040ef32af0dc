"""Which parts of a request reach the gateway and which parts of its answer reach the browser.

A proxy that passes everything on would hand the user's Jupyter cookie to the gateway and let a caller name a principal.
Pure functions, so that every rule is a line in a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote_plus

from jupyter_modelserve.lab.person import HEADER

Pairs = list[tuple[str, str]]

_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "http2-settings",
    }
)  # fmt: skip
_NOT_SENT: Final = _HOP | {
    "authorization", "cookie", "host", "origin", "referer", "expect", "forwarded", "x-real-ip", "x-scheme",
    "x-xsrftoken",
}  # fmt: skip
_NOT_PASSED: Final = _HOP | {"set-cookie", "server", "date", "www-authenticate"}
_OURS: Final = ("x-modelserve-", "x-forwarded-", "sec-")
SAFE: Final = "@+!$&'()*,;:=~ "
_CREDENTIALS: Final = frozenset({"token", "_xsrf", "no_track_activity"})


def outgoing(headers: Iterable[tuple[str, str]], token: str, person: str = "") -> Pairs:
    """The headers for the gateway: what the caller sent, less what is Jupyter's, with the instance's *token*.

    *person* is the name by which Jupyter knows the caller, empty when it knows none.

    Everything ``x-modelserve-*`` goes, because the gateway alone says who calls; so do cookies, whatever belongs to one
    connection only, and what proxies in front of Jupyter added.
    """
    given = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(given)
    found = [
        (name, value)
        for name, value in given
        if name not in _NOT_SENT and name not in named and not name.startswith(_OURS)
    ]
    if not any(name == "accept-encoding" for name, _ in found):
        found.append(("accept-encoding", "identity"))
    if person:
        found.append((HEADER, quote(person, safe=SAFE)))
    return [*found, ("authorization", f"Bearer {token}")]


def incoming(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers for the caller: less what belongs to one connection, cookies, and what CORS says (Jupyter's job)."""
    given = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(given)
    return [
        (name, value)
        for name, value in given
        if name not in _NOT_PASSED and name not in named and not name.startswith("access-control-")
    ]


def query(raw: str) -> str:
    """A raw query string without what Jupyter Server takes from it: a token in an address must not travel on."""
    return "&".join(
        part for part in raw.split("&") if part and unquote_plus(part.partition("=")[0]) not in _CREDENTIALS
    )


def _named_by_connection(headers: Pairs) -> set[str]:
    return {each.strip().lower() for name, value in headers if name == "connection" for each in value.split(",")}
