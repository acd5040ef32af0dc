"""What the tests over raw sockets share: the usual request, a worker that mirrors, and what the gateway counts."""

from __future__ import annotations

import asyncio

from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import TOKEN, Got, Raw, answer, request

BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()
START = b"POST /model/iris/1/invocations HTTP/1.1\r\nHost: localhost\r\n" + BEARER
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


async def mirror(got: Got) -> bytes:
    return answer(got.body)


async def healthy(client: Raw) -> bool:
    """Whether the connection still carries a request."""
    await client.send(request("GET", "/health"))
    return (await client.read("GET")).status == 200


async def in_flight(ask: Ask, count: int) -> None:
    """Wait until the gateway counts that many requests, besides the one that asks."""
    async with asyncio.timeout(10):
        while (
            f"modelserve_requests_in_flight {count + 1}\n" not in (await ask(request("GET", "/metrics"))).body.decode()
        ):
            await asyncio.sleep(0.02)
