"""A house with a running gateway, a fake controller and one fake worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from tests.contract.gateway.fakes import Answer, House, Raw, build


@pytest.fixture
async def empty() -> AsyncIterator[House]:
    """A home without a running gateway."""
    house = build()
    yield house
    await house.end()


@pytest.fixture
async def house(empty: House, request: pytest.FixtureRequest) -> House:
    """A running gateway with table 1: version 1 of iris on worker w1. ``parametrize(..., indirect)`` gives settings."""
    empty.configure(**getattr(request, "param", {}))
    await empty.controller.start()
    await empty.worker()
    await empty.start()
    await empty.publish(1, empty.target("w1"))
    return empty


Ask = Callable[[bytes], Coroutine[Any, Any, Answer]]


@pytest.fixture
def ask(house: House) -> Ask:
    """Send raw bytes on a connection of their own and read one answer."""

    async def send(data: bytes) -> Answer:
        client = await Raw.open(house.port)
        try:
            await client.send(data)
            return await client.read(data.split(b" ", 1)[0].decode())
        finally:
            await client.close()

    return send
