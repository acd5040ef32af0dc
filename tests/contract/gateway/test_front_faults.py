"""What a review of the front found: callers that do not read, that leave in the worst moment, or send during a stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket

import pytest

from jupyter_modelserve.governed import Access
from jupyter_modelserve.types import RouteEntity, RouteModel, RouteTable, RouteVersion, Snapshot, VersionState
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, TOKENS, Got, House, Raw, answer, post, request


async def mirror(got: Got) -> bytes:
    return answer(got.body)


async def small(house: House) -> Raw:
    """A caller whose socket takes little before it is read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", house.port))
    sock.setblocking(False)
    return Raw(*await asyncio.open_connection(sock=sock, limit=2**12))


async def line(ask: Ask, start: str) -> str:
    text = (await ask(request("GET", "/metrics"))).body.decode()
    return next(each for each in text.splitlines() if each.startswith(start))


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t "])
async def test_blanks_behind_a_header_value_are_no_part_of_it(house: House, blank: bytes) -> None:
    """RFC 9110 section 5.5. A length with a blank behind it was no length: the body was silently lost."""
    house.workers["w1"].handler = mirror
    client = await Raw.open(house.port)
    for _ in range(2):
        data = post(SCORE, b"[1]").replace(b"Length: 3", b"Length: 3" + blank)
        await client.send(data.replace(b"127.0.0.1", b"127.0.0.1" + blank))
        got = await client.read()
        assert (got.status, got.body) == (200, b"[1]")
    await client.close()


async def test_a_caller_that_asks_and_asks_but_does_not_read_is_held_back(house: House) -> None:
    """Else its answers fill the memory. It gets all of them, in order, once it reads."""

    async def much(got: Got) -> bytes:
        return answer(got.body * 5_000)

    house.workers["w1"].handler = much
    client = await small(house)
    count = 3000
    sender = asyncio.create_task(client.send(b"".join(post(SCORE, b"%04d" % each) for each in range(count))))
    async with asyncio.timeout(60):
        last = -1
        while len(house.workers["w1"].got) != last or last == 0:  # until nothing moves any more
            last = len(house.workers["w1"].got)
            await asyncio.sleep(0.5)
    assert last < 1000
    for each in range(count):
        assert (await client.read()).body[:4] == b"%04d" % each
    await sender
    await client.close()


@pytest.mark.parametrize("size", [250_000, 262_144, 300_000, 500_000, 900_000])
@pytest.mark.parametrize("leave", [False, True])
async def test_after_an_answer_of_any_size_the_next_one_comes_at_once(house: House, size: int, leave: bool) -> None:
    async def much(got: Got) -> bytes:
        return answer(b"7" * int(got.body))

    house.workers["w1"].handler = much
    await house.publish(2, house.target("w1", timeout=5.0))
    for _ in range(6):
        client = await small(house)
        for _ in range(2):
            await client.send(post(SCORE, b"%d" % size))
            if leave:
                await client.reader.readexactly(100)
                client.reset()
                break
            assert len((await client.read()).body) == size
        await client.close()
        client = await Raw.open(house.port)
        await client.send(post(SCORE, b"9"))
        assert (await client.read()).body == b"7" * 9
        await client.close()


@pytest.mark.parametrize("half", [False, True])
async def test_a_caller_that_leaves_in_the_moment_of_the_answer_leaves_no_slot_behind(
    house: House, ask: Ask, half: bool
) -> None:
    """The gateway sleeps while both happen, so that it hears of both at once: in the order caller, worker."""
    assert house.process is not None
    go: asyncio.Event

    async def late(got: Got) -> bytes | None:
        entered.set()
        await go.wait()
        if half:
            got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n1")
            await got.writer.drain()
            await got.reader.read()
        return None

    for _ in range(6):
        client = await Raw.open(house.port)
        house.workers["w1"].handler = None
        await client.send(post(SCORE))
        assert (await client.read()).status == 200
        entered, go = asyncio.Event(), asyncio.Event()
        house.workers["w1"].handler = late
        await client.send(post(SCORE))
        await asyncio.wait_for(entered.wait(), 10)
        os.kill(house.process.pid, signal.SIGSTOP)
        try:
            client.reset()
            await asyncio.sleep(0.05)
            house.workers["w1"].lost.clear()
            go.set()
            await asyncio.sleep(0.05)
        finally:
            os.kill(house.process.pid, signal.SIGCONT)
        await client.close()
    house.workers["w1"].handler = None
    async with asyncio.timeout(10):
        while not (await line(ask, "modelserve_requests_in_flight ")).endswith(" 1"):
            await asyncio.sleep(0.02)
    assert (await line(ask, "modelserve_worker_in_flight{")).endswith(" 0")
    assert await line(ask, "modelserve_body_bytes_held") == "modelserve_body_bytes_held 0"
    assert (await ask(post(SCORE))).status == 200


async def test_a_body_on_its_way_arrives_although_the_gateway_is_asked_to_stop(house: House) -> None:
    house.workers["w1"].handler = mirror
    assert house.process is not None
    client = await Raw.open(house.port)
    data = post(SCORE, b"123456")
    await client.send(data[:-3])
    await asyncio.sleep(0.1)  # the request has begun
    house.process.terminate()
    await refused(house)
    await client.send(data[-3:] + post(SCORE, b"more"))
    got = await client.read()
    assert (got.status, got.body, got.headers["connection"]) == (200, b"123456", "close")
    assert await client.ended()
    assert await asyncio.wait_for(house.process.wait(), 4) == 0
    assert [each.body for each in house.workers["w1"].got] == [b"123456"]
    await client.close()


async def refused(house: House) -> None:
    """Wait until nobody listens any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", house.port)
            except OSError:
                return
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            await asyncio.sleep(0.02)


async def test_the_right_to_score_is_looked_at_again_when_an_endpoint_changes_hands(house: House) -> None:
    """Ana may score iris and not secret; the endpoint moves to secret while the body of her request is on its way."""
    house.workers["w1"].handler = mirror
    access = Access(frozenset(), {"iris": frozenset({"ana"})})
    await house.worker("w2", mirror)
    ready = RouteVersion(VersionState.READY, ("w2",))
    models = {"iris": RouteModel({"1": RouteVersion(VersionState.READY, ("w1",))}), "secret": RouteModel({"1": ready})}
    targets = {"w1": house.target("w1"), "w2": house.target("w2", model="secret")}

    async def publish(number: int, model: str) -> None:
        table = RouteTable(number, targets, models, {"ep": (RouteEntity("main", model, "1", 100),)})
        async with house.controller._changed:
            house.controller.snapshot = Snapshot("test-instance", table, TOKENS, access)
            house.controller._changed.notify_all()
        await house.controller.acknowledged(number)

    await publish(2, "iris")
    path = "/serving-endpoints/ep/invocations"
    client = await Raw.open(house.port)
    for _ in range(2):
        await client.send(post(path, b"[1]"))
        assert (await client.read()).status == 200
    await client.send(post(path, b"[2]")[:-1])
    await asyncio.sleep(0.1)  # the request has begun
    await publish(3, "secret")
    await client.send(b"]")
    assert (await client.read()).status == 404
    await client.send(post(path, b"[3]"))
    assert (await client.read()).status == 404
    assert house.workers["w2"].got == []
    await client.close()
