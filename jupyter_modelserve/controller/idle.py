"""Ends an instance that nobody uses, so that a shared hub keeps no orphans (architecture §1).

Nothing served and nobody asking for half an hour (a setting): both daemons end, as ``down`` would end them. The next
client starts them again, on the same port.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import httpx

from jupyter_modelserve.controller.sockets import over_unix
from jupyter_modelserve.settings import Paths

PERIOD = 10.0
log = logging.getLogger(__name__)


async def until_idle(
    limit: float, endpoints: Callable[[], Awaitable[int]], idle: Callable[[], Awaitable[float]], period: float = PERIOD
) -> None:
    """Return when nothing has been served and nobody has asked for *limit* seconds; never when *limit* is 0.

    Args:
        limit: seconds.
        endpoints: how many endpoints there are.
        idle: seconds since the gateway was last asked for anything; it may raise httpx.HTTPError when it is away.
        period: seconds between looks.
    """
    while True:
        await asyncio.sleep(min(period, limit) if limit else period)
        if not limit or await endpoints():
            continue
        try:
            seconds = await idle()
        except (httpx.HTTPError, ValueError, KeyError):
            continue
        if seconds >= limit:
            log.info("nothing served and nobody asking for %.0f s: ending", seconds)
            return


class GatewayAddress:
    """The gateway's private socket, as the controller uses it."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def _client(self) -> httpx.AsyncClient:
        transport = over_unix(self._paths.gateway_socket)
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=2, trust_env=False)

    async def health(self) -> dict[str, object]:
        """What ``GET /internal/health`` answers.

        Raises:
            httpx.HTTPError: it does not answer.
        """
        async with self._client() as client:
            found: dict[str, object] = (await client.get("/internal/health")).json()
            return found

    async def idle(self) -> float:
        """Seconds since somebody last asked it for something other than its health."""
        return float(str((await self.health())["idle"]))

    async def stop(self) -> None:
        """Ask it to end."""
        try:
            async with self._client() as client:
                await client.post("/internal/stop")
        except httpx.HTTPError as error:
            log.info("the gateway does not answer: %s", error)
