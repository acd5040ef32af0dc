"""HTTP over private addresses. They have no TLS, and httpx would read the machine's certificates for each transport:
30 ms on the event loop.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import httpx

_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def over_unix(path: Path | str) -> httpx.AsyncHTTPTransport:
    """Speaks to the unix socket *path*."""
    return httpx.AsyncHTTPTransport(uds=str(path), verify=_NO_TLS)


def over_tcp() -> httpx.AsyncHTTPTransport:
    """Speaks to an address of this machine."""
    return httpx.AsyncHTTPTransport(verify=_NO_TLS)
