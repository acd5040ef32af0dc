"""Answers that go on for long end with the token that asked for them, and nothing else ends."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import TOKEN, TOKENS, Got, House, Raw, answer, grant, post, read_body, request

OTHER = "ms_other_0123456789abcdef"
EVENTS = "/api/modelserve/v1/endpoints/iris/events"


async def _streaming(house: House) -> dict[str, asyncio.Event]:
    """The controller answers each request with a stream that says one thing and then nothing. Request id → hung up."""
    gone: dict[str, asyncio.Event] = {}

    async def talk(got: Got) -> bytes | None:
        ended = gone.setdefault(got.headers["x-request-id"], asyncio.Event())
        got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nfirst\n\n")
        await got.writer.drain()
        await got.reader.read(1)
        ended.set()
        return None

    house.controller.api = talk
    return gone


async def _open(house: House, token: str, number: str) -> Raw:
    client = await Raw.open(house.port)
    await client.send(request("GET", EVENTS, token=token, X_Request_Id=number))
    await client.reader.readuntil(b"first")
    return client


async def _over(client: Raw) -> None:
    """Wait until the answer ends."""
    with contextlib.suppress(ConnectionError):
        while await client.reader.read(1000):
            pass
    await client.close()


@pytest.mark.req("REQ-019")
async def test_a_revoked_token_ends_its_stream_and_no_other(house: House) -> None:
    gone = await _streaming(house)
    tokens = {**TOKENS, **grant(OTHER, id="other")}
    await house.publish(2, house.target("w1"), tokens=tokens)
    mine, other = await _open(house, TOKEN, "mine"), await _open(house, OTHER, "other")
    await house.publish(3, house.target("w1"), tokens=tokens)  # a change of something else ends nothing
    assert not gone["mine"].is_set()
    await house.publish(4, house.target("w1"), tokens=dict(grant(OTHER, id="other")))
    async with asyncio.timeout(5):
        await gone["mine"].wait()
        await _over(mine)
    assert not gone["other"].is_set()
    await other.close()


async def test_a_token_that_expires_ends_its_stream(house: House) -> None:
    gone = await _streaming(house)
    expires = int(time.time() * 1000) + 3_000
    await house.publish(2, house.target("w1"), tokens=dict(grant(OTHER, id="other", expires_at=expires)))
    client = await _open(house, OTHER, "short")
    async with asyncio.timeout(10):
        await gone["short"].wait()
        await _over(client)
    assert time.time() * 1000 >= expires


async def test_an_upload_ends_with_its_token(house: House) -> None:
    arrived, lost = asyncio.Event(), asyncio.Event()
    fake = house.controller

    async def swallow(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
        if "x-modelserve-principal" in headers:
            await reader.readexactly(10)
            arrived.set()
            try:
                await reader.readexactly(10)
            except asyncio.IncompleteReadError:
                lost.set()
                raise
        return await read_body(headers, reader)

    fake.read_body = swallow  # type: ignore[method-assign]
    client = await Raw.open(house.port)
    head = request("PUT", "/api/2.0/fs/files/Models/a/b/c/1/MLmodel", content_length="1000000")
    await client.send(head + b"0123456789")
    async with asyncio.timeout(10):
        await arrived.wait()
        await house.publish(2, house.target("w1"), tokens=dict(grant(OTHER, id="other")))
        await lost.wait()
        await _over(client)


async def test_who_revokes_the_token_that_they_use_is_answered(house: House, ask: Ask) -> None:
    async def revoke(_: Got) -> bytes:
        # As the controller does: the gateway knows before the answer is there.
        await house.publish(2, house.target("w1"), tokens=dict(grant(OTHER, id="other")))
        return answer(b'{"done": true}')

    house.controller.api = revoke
    assert (await ask(post("/api/2.0/token/delete", b'{"token_id": "x"}'))).json() == {"done": True}
    assert (await ask(post("/api/2.0/token/delete", b"{}"))).status == 401
