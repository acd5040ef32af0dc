"""The way to the gateway for proxied requests: finds it, sends, and waits while the daemons restart each other.

Each request has a connection of its own (0.1 ms on loopback): a kept one could be closed by the other side in the
moment it is used, and a scoring request or a change must not be sent twice. What was certainly not sent is tried again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jupyter_modelserve import locks
from jupyter_modelserve.client.address import HOW_TO_START, Address, locate
from jupyter_modelserve.errors import BadGateway, DeadlineExceeded, NotRunning, TooManyRequests, Unavailable
from jupyter_modelserve.lab import headers
from jupyter_modelserve.lab.healing import HEAL_SECONDS, PAUSE_SECONDS, is_alive
from jupyter_modelserve.settings import Paths

if TYPE_CHECKING:
    import httpx

CONNECTIONS: Final = 256
"""Requests and event streams at the same time; one more is answered 429."""
SILENCE_SECONDS: Final = 660.0
"""Longer than every time-out of the gateway's own, which answers first unless it is frozen."""
_CONNECT_SECONDS: Final = 5.0
_POOL_SECONDS: Final = 5.0
_UNAUTHENTICATED: Final = 401


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request for the gateway. ``target`` is path and query as the caller encoded them: one guard reads them."""

    method: str
    target: str
    headers: headers.Pairs
    body: Callable[[], AsyncIterator[bytes]] | None = None
    person: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent twice."""
        return self.method in {"GET", "HEAD"} and self.body is None


def find_running() -> Address:
    """The address of the running instance and its token; starts nothing.

    Raises:
        NotRunning: no instance runs.
    """
    return locate(start=False, jupyter=False)


class Upstream:
    """Sends requests to the one gateway of this Jupyter server's user.

    Args:
        find: tells the address; runs in a thread, because it asks two sockets.
        paths: where the local instance lives.
    """

    def __init__(self, find: Callable[[], Address] = find_running, paths: Paths | None = None) -> None:
        self._find = find
        self._paths = paths
        self._address: Address | None = None
        self._http: httpx.AsyncHTTPTransport | None = None
        self._making = asyncio.Lock()

    async def send(self, request: Outgoing) -> httpx.Response:
        """Send *request*; the answer's body has not been read yet, and the caller closes it.

        Raises:
            NotRunning: no instance runs; the message says how to start one.
            Unavailable: it does not come back, or its token changed while a body was on its way.
            BadGateway: the gateway ended before it answered.
            TooManyRequests: too many streams are open.
            DeadlineExceeded: nothing moved for eleven minutes.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + HEAL_SECONDS
        repeats = 1 if request.repeatable else 0
        while True:
            address = await self._locate(give_up_at)
            http = await self._transport(address.url.startswith("https:"))
            try:
                response = await self._attempt(http, address, request)
            except _NotSentError as error:
                self._address = None
                if loop.time() > give_up_at:
                    raise Unavailable(f"nothing answers at {address.url}; see `jupyter modelserve status`") from error
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            except BadGateway:
                self._address = None
                if not repeats:
                    raise
                repeats -= 1
                continue
            if response.status_code != _UNAUTHENTICATED:
                return response
            # Ours was refused, not the caller's: the instance was made anew. The next look reads the new token.
            await response.aclose()
            self._address = None
            if not repeats:
                raise Unavailable("the token of the instance has changed; try again", retry_after_s=1)
            repeats -= 1

    async def close(self) -> None:
        """Cut every connection; a later request makes new ones."""
        http, self._http = self._http, None
        self._address = None
        if http is not None:
            await http.aclose()

    async def _transport(self, secure: bool) -> httpx.AsyncHTTPTransport:
        async with self._making:
            if self._http is None:
                self._http = await asyncio.to_thread(_make_transport, secure)
            return self._http

    async def _locate(self, give_up_at: float) -> Address:
        paths = self._paths or Paths.default()
        known = self._address
        # While the gateway's lock is held, the port is the gateway's: nobody else can be sent the token.
        if known is not None and (not known.local or locks.is_held(paths.lock("gateway"))):
            return known
        while True:
            try:
                self._address = await asyncio.to_thread(self._find)
            except NotRunning as error:
                if not is_alive(paths) or asyncio.get_running_loop().time() > give_up_at:
                    hint = {"hint": f"Press Start in the panel, or {HOW_TO_START}."}
                    raise NotRunning(error.message, details=hint, retry_after_s=5) from error
            else:
                return self._address
            await asyncio.sleep(PAUSE_SECONDS)

    @staticmethod
    async def _attempt(http: httpx.AsyncHTTPTransport, address: Address, request: Outgoing) -> httpx.Response:
        import httpx

        sent = httpx.Request(
            request.method,
            address.url,
            headers=headers.outgoing(request.headers, address.token, request.person),
            content=request.body() if request.body is not None else None,
            # As it is: httpx would resolve "..", and then two programs would read one address in two ways.
            extensions={"target": _prefix(address.url) + request.target.encode("latin-1"), "timeout": _timeouts()},
        )
        try:
            return await http.handle_async_request(sent)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _NotSentError from error
        except httpx.PoolTimeout as error:
            message = f"{CONNECTIONS} requests and event streams are open already; close some"
            raise TooManyRequests(message, retry_after_s=5) from error
        except httpx.TimeoutException as error:
            raise DeadlineExceeded("the gateway did not answer in time; see `jupyter modelserve status`") from error
        except httpx.HTTPError as error:
            raise BadGateway("the gateway ended before it answered; try again", retry_after_s=1) from error


class _NotSentError(Exception):
    """No connection could be made, so nothing was sent."""


def _prefix(url: str) -> bytes:
    """The path of an instance's address: one behind another server may have one."""
    return urlsplit(url).path.rstrip("/").encode("ascii")


def _timeouts() -> dict[str, float]:
    return {
        "connect": _CONNECT_SECONDS,
        "read": SILENCE_SECONDS,
        "write": SILENCE_SECONDS,
        "pool": _POOL_SECONDS,
    }


def _make_transport(secure: bool) -> httpx.AsyncHTTPTransport:
    """The layer below httpx's client, which would keep cookies; in a thread, because the import takes 0.1 s."""
    import httpcore
    import httpx

    from jupyter_modelserve.lab.network import Backend

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if secure:  # slow, and loopback needs none
        context.load_default_certs()
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    # httpx has no argument for the network below it.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=context, max_connections=CONNECTIONS, max_keepalive_connections=0, network_backend=Backend()
    )
    return transport
