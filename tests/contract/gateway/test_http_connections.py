"""Connections over raw sockets: who hangs up, who reads slowly, and what a kept connection may remember."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from jupyter_modelserve.governed import Access
from jupyter_modelserve.types import RouteModel, RouteVersion, VersionState
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, Answer, Fake, Got, House, Raw, answer, post, request
from tests.contract.gateway.raw import CHUNKED, START, in_flight, mirror


# ---------------------------------------------------------------------------------------------------- hang-ups
class Slow(Fake):
    """Answers nothing."""

    async def respond(self, got: Got) -> bytes | None:
        await asyncio.Event().wait()
        return None


@pytest.mark.parametrize("how", ["reset", "close", "half"])
@pytest.mark.parametrize("kept", [False, True])
async def test_a_caller_that_leaves_while_it_waits_frees_everything(
    house: House, ask: Ask, how: str, kept: bool
) -> None:
    """Closing half counts as leaving: the two cannot be told apart (as in nginx and Go)."""
    client = await Raw.open(house.port)
    if kept:  # a second request on a connection takes the short way inside
        await client.send(post(SCORE))
        assert (await client.read()).status == 200
    worker = house.workers["w1"]
    worker.lost.clear()

    async def never(got: Got) -> bytes:
        entered.set()
        await got.reader.read()  # until the gateway hangs up
        return b""

    entered = asyncio.Event()
    worker.handler = never
    await client.send(post(SCORE))
    await asyncio.wait_for(entered.wait(), 10)
    if how == "reset":
        client.reset()
    elif how == "close":
        await client.close()
    else:
        client.writer.write_eof()
    await asyncio.wait_for(worker.lost.wait(), 5)
    await in_flight(ask, 0)
    text = (await ask(request("GET", "/metrics"))).body.decode()
    assert 'modelserve_worker_in_flight{model="iris",version="1",target="w1"} 0' in text
    assert "modelserve_body_bytes_held 0\n" in text
    assert 'version="1",status="499"} 1' in text
    if how != "close":
        await client.close()


@pytest.mark.parametrize("sent", [b"POST /mod", START, START + b"Content-Length: 5\r\n\r\nab", CHUNKED + b"3\r\nab"])
async def test_callers_that_leave_in_head_or_body_leave_nothing_behind(house: House, ask: Ask, sent: bytes) -> None:
    for _ in range(20):
        client = await Raw.open(house.port)
        await client.send(sent)
        await asyncio.sleep(0.002)
        client.reset()
        await client.close()
    await in_flight(ask, 0)
    assert "modelserve_body_bytes_held 0\n" in (await ask(request("GET", "/metrics"))).body.decode()
    assert house.workers["w1"].got == []
    assert "Traceback" not in house.log()


@pytest.mark.parametrize("kept", [False, True])
async def test_a_caller_that_leaves_during_a_large_answer_frees_its_slot(house: House, ask: Ask, kept: bool) -> None:
    async def much(got: Got) -> bytes:
        return answer(b"7" * 30_000_000)

    client = await Raw.open(house.port)
    if kept:
        await client.send(post(SCORE))
        assert (await client.read()).status == 200
    house.workers["w1"].handler = much
    await client.send(post(SCORE))
    await client.reader.readexactly(1000)
    client.reset()
    await in_flight(ask, 0)
    house.workers["w1"].handler = None
    assert (await ask(post(SCORE))).status == 200
    await client.close()


async def test_a_slow_reader_of_a_large_answer_holds_up_the_worker_and_not_the_memory(house: House, ask: Ask) -> None:
    written = 0

    async def much(got: Got) -> bytes:
        nonlocal written
        got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
        for _ in range(500):
            got.writer.write(b"7" * 100_000)
            await got.writer.drain()
            written += 100_000
        return b""

    house.workers["w1"].handler = much
    client = await Raw.open(house.port)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(post(SCORE))
    async with asyncio.timeout(20):
        last = -1
        while written != last or not written:  # until nothing moves any more
            last = written
            await asyncio.sleep(0.3)
    assert written < 30_000_000
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    got = await client.read()
    assert len(got.body) == 50_000_000
    await client.close()


# ---------------------------------------------------------------------------------------------------- the short way
async def test_what_changes_between_two_requests_of_a_connection_counts(house: House) -> None:
    """The second request is checked against what the first one was allowed: every difference must be seen."""
    client = await Raw.open(house.port)
    changes: list[tuple[bytes, int]] = [
        (post(SCORE), 200),
        (post(SCORE, token="ms_guessed"), 401),
        (post(SCORE), 200),
        (post(SCORE, token=None), 401),
        (post(SCORE, host="evil.example"), 403),
        (post(SCORE, Origin="http://evil.example"), 403),
        (post("/model/iris/9/invocations"), 404),
        (post(SCORE, Content_Encoding="gzip"), 415),
        (post(SCORE), 200),
        (request("GET", SCORE), 405),
        (post(SCORE, b"1", Authorization="Bearer other"), 400),
        (post(SCORE + "?a=%20"), 200),
    ]
    for data, status in changes:
        await client.send(data)
        got = await client.read(data.split(b" ", 1)[0].decode())
        assert got.status == status, data
        if got.headers.get("connection") == "close":
            await client.close()
            client = await Raw.open(house.port)
    await client.close()


async def test_repeated_heads_are_read_as_the_first_time_whatever_comes_between(house: House) -> None:
    """Heads are remembered by connection; whole, in pieces, one behind the other and spoiled, they mean the same."""
    house.workers["w1"].handler = mirror
    rng = random.Random(7)
    client = await Raw.open(house.port)
    for _ in range(300):
        bodies = [
            bytes(rng.choices(b"0123456789\r\n", k=rng.randint(1, 12))) for _ in range(rng.choice([1, 1, 1, 2, 3]))
        ]
        data = b"".join(post(SCORE, each, Content_Type="text/csv") for each in bodies)
        if rng.random() < 0.1:
            data, bodies = CHUNKED + b"2\r\nab\r\n0\r\n\r\n" + data, [b"ab", *bodies]
        cut = rng.choice([len(data), len(data), rng.randint(1, len(data))])
        await client.send(data[:cut])
        if cut < len(data):
            await asyncio.sleep(0.002)
            await client.send(data[cut:])
        assert [(await client.read()).body for _ in bodies] == bodies
    await client.send(post(SCORE, b"12", Content_Type="text/csv"))
    assert (await client.read()).body == b"12"
    await client.send(post(SCORE, b"12", Content_Type="text/csv") + b"nonsense\r\n\r\n")
    assert (await client.read()).body == b"12"
    assert await client.ended()
    await client.close()


async def test_ids_are_kept_or_made_anew_for_repeated_heads(house: House) -> None:
    client = await Raw.open(house.port)

    async def ids(**headers: Any) -> list[str]:
        found = []
        for _ in range(4):
            await client.send(post(SCORE, **headers))
            found.append((await client.read()).headers["x-request-id"])
        return found

    assert set(await ids(X_Request_Id="mine")) == {"mine"}
    assert len(set(await ids())) == 4
    assert len(set(await ids(X_Request_Id="not sane"))) == 4
    assert [each.headers["x-request-id"] for each in house.workers["w1"].got[:4]] == ["mine"] * 4
    await client.close()


async def test_a_revoked_token_and_a_moved_version_are_noticed_on_a_kept_connection(house: House) -> None:
    client = await Raw.open(house.port)

    async def score() -> Answer:
        await client.send(post(SCORE))
        return await client.read()

    assert [(await score()).status for _ in range(3)] == [200, 200, 200]
    await house.worker("w2", mirror)
    await house.publish(2, house.target("w2"))
    assert (await score()).body == b"{}"
    await house.publish(3, house.target("w2"), tokens={})
    assert (await score()).status == 401
    await client.close()


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_lost_request_of_a_kept_connection_follows_the_table_that_came_meanwhile(
    house: House, allowed: bool
) -> None:
    """At once, to the version that answers now, and only if its caller still may."""
    champion = post("/model/iris/Champion/invocations")
    client = await Raw.open(house.port)
    await client.send(champion)
    assert (await client.read()).status == 200
    entered = asyncio.Event()

    async def never(got: Got) -> bytes:
        entered.set()
        await asyncio.Event().wait()
        return b""

    old, new = house.workers["w1"], await house.worker("w2")
    old.handler = never
    await client.send(champion)
    await asyncio.wait_for(entered.wait(), 10)
    models = {"iris": RouteModel({"2": RouteVersion(VersionState.READY, ("w2",))}, {"Champion": "2"})}
    ana = frozenset({"ana"})
    access = Access(models={"iris": ana} if allowed else {}, viewers={"iris": ana})
    await house.publish(2, house.target("w2", "2"), models=models, access=access)
    await old.stop()
    got = await asyncio.wait_for(client.read(), 10)  # waiting for the old one to return would take 30 s
    if allowed:
        assert (got.status, got.headers["x-modelserve-version"]) == (200, "2")
    else:
        assert (got.status, got.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert len(new.got) == allowed
    await client.close()


@pytest.mark.parametrize("timeout", [0.5])
async def test_the_deadline_holds_on_a_kept_connection(house: House, timeout: float) -> None:
    await house.publish(2, house.target("w1", timeout=timeout))
    client = await Raw.open(house.port)
    await client.send(post(SCORE))
    assert (await client.read()).status == 200

    async def never(got: Got) -> bytes:
        await asyncio.Event().wait()
        return b""

    house.workers["w1"].handler = never
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.send(post(SCORE))
    got = await client.read()
    assert (got.status, got.json()["error_code"]) == (504, "DEADLINE_EXCEEDED")
    assert 0.5 <= loop.time() - began < 3
    house.workers["w1"].handler = None
    await client.send(post(SCORE))
    assert (await client.read()).status == 200
    await client.close()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (None, 502),
        (b"SSH-2.0\r\n\r\n", 502),
        (answer(b"{}", 421), 503),
        (answer(b"{}", 503, x_modelserve_not_started="1"), 503),
        (answer(b"{}", 503), 503),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[1]", 200),
    ],
)
async def test_accidents_behind_a_kept_connection_end_as_on_a_new_one(
    house: House, ask: Ask, reply: Any, status: int
) -> None:
    client = await Raw.open(house.port)
    await client.send(post(SCORE))
    assert (await client.read()).status == 200

    async def accident(got: Got) -> bytes | None:
        if reply is not None and reply.endswith(b"[1]"):
            got.writer.write(reply)
            await got.writer.drain()
            return None
        return reply  # type: ignore[no-any-return]

    house.workers["w1"].handler = accident
    await client.send(post(SCORE))
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.split(b" ")[1] == str(status).encode()
    await in_flight(ask, 0)
    await client.close()
