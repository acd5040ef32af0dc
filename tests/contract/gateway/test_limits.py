"""Limits at the public door: sizes, times, queues, callers that leave and callers that lie."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import httpx
import pytest
import requests

from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import BEARER, SCORE, TOKEN, Answer, Got, House, Raw, answer, post, request

MIB = 1024 * 1024


def _by_httpx(url: str, data: bytes, **more: Any) -> httpx.Response:
    return httpx.post(url, content=data, **more)


SMALL = {"body_limit": 100_000}


@pytest.mark.req("REQ-014")
async def test_16_mib_pass_and_one_byte_more_is_413(house: House, ask: Ask) -> None:
    got = await ask(post(SCORE, b"1" * (16 * MIB)))
    assert got.status == 200
    assert len(house.workers["w1"].got[-1].body) == 16 * MIB
    client = await Raw.open(house.port)
    await client.send(post(SCORE, b"", Content_Length=str(16 * MIB + 1)).replace(b"Content-Length: 0\r\n", b""))
    got = await client.read()  # answered by the announced length: not one byte of the body was sent
    assert (got.status, got.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert got.json()["details"] == {"limit": 16 * MIB}
    assert got.headers["connection"] == "close"
    assert await client.ended()
    await client.close()
    assert len(house.workers["w1"].got) == 1


@pytest.mark.req("REQ-014")
@pytest.mark.parametrize("library", [_by_httpx, requests.post])
async def test_a_python_client_reads_the_413_although_it_sends_17_mib(house: House, library: Any) -> None:
    """The connection is half-closed for a second: an immediate close would reset it and lose the answer."""
    for _ in range(3):
        got = await asyncio.to_thread(library, house.url + SCORE, data=b"1" * (17 * MIB), headers=BEARER, timeout=20)
        assert got.status_code == 413
        assert got.json()["error_code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.req("REQ-014")
@pytest.mark.parametrize("house", [SMALL], indirect=True)
async def test_an_endless_chunked_body_is_cut_at_the_limit(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(request("PUT", SCORE, Transfer_Encoding="chunked").replace(b"PUT", b"POST"))
    sent = 0

    async def flood() -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            while True:
                await client.send(b"2000\r\n" + b"1" * 0x2000 + b"\r\n")
                sent += 0x2000

    task = asyncio.create_task(flood())
    got = await client.read()
    assert got.status == 413
    assert await client.ended()
    await asyncio.wait_for(task, 10)  # the sender is cut off
    assert sent < 32 * MIB  # what fits into the buffers of two sockets, not an endless stream
    await client.close()
    assert house.workers["w1"].got == []


async def test_a_chunked_body_arrives_with_a_length(house: House) -> None:
    async def pieces() -> object:
        for _ in range(10):
            yield b"12345"

    async with httpx.AsyncClient(headers=BEARER) as client:
        got = await client.post(house.url + SCORE, content=pieces())  # type: ignore[arg-type]
    assert got.status_code == 200
    seen = house.workers["w1"].got[-1]
    assert seen.body == b"12345" * 10
    assert seen.headers["content-length"] == "50"
    assert "transfer-encoding" not in seen.headers


async def test_100_continue_is_sent_for_a_body_that_is_wanted_only(house: House) -> None:
    client = await Raw.open(house.port)
    wanted = post(SCORE, b"[1]", Expect="100-continue")
    head, _, body = wanted.partition(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    assert (await client.read()).status == 100
    await client.send(body)
    assert (await client.read()).status == 200
    await client.send(
        post("/model/iris/9/invocations", b"[1]", Expect="100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    )
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (404, "close")  # the body may come or not: nothing can follow
    assert await client.ended()
    await client.close()


async def test_pipelined_and_kept_connections_answer_in_order(house: House) -> None:
    async def mirror(got: Got) -> bytes:
        return answer(got.body)

    house.workers["w1"].handler = mirror
    client = await Raw.open(house.port)
    await client.send(b"".join(post(SCORE, b"[%d]" % number) for number in range(20)))
    assert [(await client.read()).body for _ in range(20)] == [b"[%d]" % number for number in range(20)]
    await client.send(post(SCORE, b"[99]"))
    assert (await client.read()).body == b"[99]"
    await client.close()
    assert house.workers["w1"].connections <= 2  # one of them used by the gateway for all


@pytest.mark.parametrize(
    "raw",
    [
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n",
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"POST %b HTTP/9.9\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00%b",
        b"GET /model/ iris/%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_what_two_servers_could_read_differently_is_refused(house: House, raw: bytes) -> None:
    client = await Raw.open(house.port)
    data = raw.replace(b"%b", SCORE.encode()).replace(
        b"\r\nHost: localhost", b"\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode(), 1
    )
    await client.send(data)
    got = await client.read()
    assert got.status in {400, 403}
    assert got.json()["error_code"] in {"BAD_REQUEST", "PERMISSION_DENIED"}
    await client.close()
    assert house.workers["w1"].got == []


async def test_nonsense_behind_a_good_request_does_not_spoil_its_answer(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(post(SCORE, b"[1]") + b"\x00\x01 nonsense\r\n\r\n")
    assert (await client.read()).status == 200
    assert await client.ended()
    await client.close()


async def test_a_second_request_hidden_in_a_body_stays_a_body(house: House, ask: Ask) -> None:
    hidden = post("/model/iris/1/invocations", b"[666]")
    assert (await ask(post(SCORE, hidden))).status == 200
    assert [each.body for each in house.workers["w1"].got] == [hidden]


@pytest.mark.parametrize("body", [b"[1]", b"1" * 200_000])
async def test_an_offer_of_http_2_with_a_body_is_refused_because_the_body_would_be_lost(
    house: House, body: bytes
) -> None:
    """Java's HttpClient sends such an offer with its first request."""
    client = await Raw.open(house.port)
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAEAAEAAAAIAAAAAAAMAAAAA"}
    await client.send(post(SCORE, body, **offer))
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (400, "close")
    assert "HTTP_1_1" in got.json()["message"]
    assert house.workers["w1"].got == []
    await client.close()


async def test_an_offer_of_http_2_without_a_body_is_answered_in_http_1(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(request("GET", "/health", Connection="Upgrade", Upgrade="h2c"))
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (200, "close")
    assert await client.ended()
    await client.close()


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND"])
async def test_unusual_methods_are_refused(ask: Ask, method: str) -> None:
    assert (await ask(request(method, "/api/modelserve/v1/status", Content_Length="3"))).status in {400, 405}


async def test_spoiled_requests_are_never_a_fault_of_ours(house: House, ask: Ask) -> None:
    """Bytes of valid requests are changed, removed and added at random (fixed seed)."""
    rng = random.Random(20261121)
    valid = [
        post(SCORE, b'{"x": 1}', Expect="100-continue"),
        request("PUT", SCORE, Transfer_Encoding="chunked").replace(b"PUT", b"POST") + b"3\r\n[1]\r\n0\r\n\r\n",
        request("GET", "/api/modelserve/v1/x?a=%20b", Cookie="a=b"),
        request("HEAD", "/health", Connection="close"),
    ]
    statuses = set()
    for _ in range(400):
        data = bytearray(rng.choice(valid) + rng.choice([b"", rng.choice(valid)]))
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        client = await Raw.open(house.port)
        with contextlib.suppress(ConnectionError):
            await client.send(bytes(data))
            client.writer.write_eof()
            first = await asyncio.wait_for(client.reader.readline(), 10)
            statuses.add(first.split(b" ")[1] if first else b"closed")
        await client.close()
    assert b"200" in statuses
    assert b"400" in statuses
    assert b"500" not in statuses
    assert "Traceback" not in house.log(), house.log()
    assert (await ask(post(SCORE))).status == 200


async def test_an_oversized_head_is_431(house: House) -> None:
    for piece in (b"X-Big: " + b"a" * 300_000 + b"\r\n", b"X-Big: a\r\n" * 40_000):
        client = await Raw.open(house.port)
        with contextlib.suppress(ConnectionError):
            await client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            await client.send(piece)
        got = await client.read()
        assert (got.status, got.json()["error_code"]) == (431, "BAD_REQUEST")
        assert await client.ended()
        await client.close()


@pytest.mark.slow
async def test_heads_that_never_end_are_cut_after_ten_seconds_and_disturb_nobody(house: House, ask: Ask) -> None:
    slow = [await Raw.open(house.port) for _ in range(200)]
    for each in slow:
        await each.send(b"POST /model/iris/1/invocations HTTP/1.1\r\nHost: local")
    began = asyncio.get_running_loop().time()
    assert (await ask(post(SCORE))).status == 200
    assert asyncio.get_running_loop().time() - began < 2
    assert all(await asyncio.gather(*(each.ended() for each in slow)))
    assert 8 < asyncio.get_running_loop().time() - began < 14
    for each in slow:
        await each.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1"}, 200),
        ({"host": "localhost:1234"}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"host": "models.example"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "127.0.0.1@evil.example"}, 403),
        ({"host": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "https://models.example"}, 200),
    ],
)
@pytest.mark.parametrize("house", [{"allowed_hosts": "models.example"}], indirect=True)
async def test_foreign_hosts_and_origins_are_refused(ask: Ask, headers: dict[str, Any], status: int) -> None:
    got = await ask(post(SCORE, **headers))
    assert got.status == status
    assert not any(name.startswith("access-control") for name in got.headers)


@pytest.mark.parametrize(
    "path",
    [
        "/model/../health", "/model/iris/1/../1/invocations", "/model//iris/1/invocations",
        "/model/iris%2f1/1/invocations", "/model/" + "a" * 9000 + "/1/invocations",
        "/model/iris%5c/1/invocations", "/model/iris%00/1/invocations", "/model/%2e%2e/1/invocations",
        "/model/%252fetc/1/invocations", "/model/%ff/1/invocations", "/model/iris\\x/1/invocations",
        "/model/a%0ab/1/invocations", "/api/2.0/mlflow-artifacts/%2e%2e/%2e%2e/x", "/./health",
    ],
)  # fmt: skip
async def test_tricky_paths_are_400(house: House, ask: Ask, path: str) -> None:
    got = await ask(post(path))
    assert (got.status, got.json()["error_code"]) == (400, "BAD_REQUEST")
    assert house.workers["w1"].got == []


class Gate:
    """A handler that answers when it is told to."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.entered = asyncio.Semaphore(0)

    async def __call__(self, got: Got) -> bytes:
        self.entered.release()
        await self.open.wait()
        return answer()


async def until_waiting(ask: Ask, line: str) -> None:
    async with asyncio.timeout(10):
        while line not in (await ask(request("GET", "/metrics"))).body.decode():
            await asyncio.sleep(0.02)


async def test_the_queue_is_bounded_and_keeps_its_order(house: House, ask: Ask) -> None:
    gate = Gate()
    house.workers["w1"].handler = gate
    await house.publish(2, house.target("w1", concurrency=1, queue=2))
    first = asyncio.create_task(ask(post(SCORE, b"[0]")))
    await gate.entered.acquire()
    waiting: list[asyncio.Task[Answer]] = []
    for number in (1, 2):
        waiting.append(asyncio.create_task(ask(post(SCORE, b"[%d]" % number))))
        await until_waiting(ask, f'modelserve_worker_waiting{{model="iris",version="1",target="w1"}} {number}')
    got = await ask(post(SCORE, b"[3]"))
    assert (got.status, got.json()["error_code"], got.headers["retry-after"]) == (429, "RESOURCE_EXHAUSTED", "1")
    gate.open.set()
    assert [each.status for each in await asyncio.gather(first, *waiting)] == [200, 200, 200]
    assert [each.body for each in house.workers["w1"].got] == [b"[0]", b"[1]", b"[2]"]


@pytest.mark.req("REQ-130")
async def test_the_deadline_covers_waiting_and_computing(house: House, ask: Ask) -> None:
    gate = Gate()
    house.workers["w1"].handler = gate
    await house.publish(2, house.target("w1", concurrency=1, queue=2, timeout=0.5))
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(ask(post(SCORE)), ask(post(SCORE)))
    assert [each.status for each in answers] == [504, 504]
    assert answers[0].json()["error_code"] == "DEADLINE_EXCEEDED"
    assert 0.5 <= loop.time() - began < 2.5
    await until_waiting(ask, 'modelserve_worker_in_flight{model="iris",version="1",target="w1"} 0')
    gate.open.set()
    assert (await ask(post(SCORE))).status == 200


@pytest.mark.parametrize("house", [{"request_timeout": 0.5}], indirect=True)
async def test_a_body_that_trickles_is_ended_by_the_deadline(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(post(SCORE, b"[1]" * 1000)[:-2000])
    got = await client.read()
    assert got.status == 504
    assert "body did not arrive" in got.json()["message"]
    await client.close()


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_a_caller_that_leaves_frees_its_slot_at_once(house: House, ask: Ask, size: int) -> None:
    gate = Gate()
    house.workers["w1"].handler = gate
    await house.publish(2, house.target("w1", concurrency=1, queue=1))
    client = await Raw.open(house.port)
    await client.send(post(SCORE, b"1" * size))
    await gate.entered.acquire()
    house.workers["w1"].lost.clear()
    gate.open.set()
    house.workers["w1"].handler = None
    second = asyncio.create_task(ask(post(SCORE)))
    client.reset()
    assert (await asyncio.wait_for(second, 1.0)).status == 200


async def test_callers_that_leave_while_they_wait_are_never_sent(house: House, ask: Ask) -> None:
    gate = Gate()
    house.workers["w1"].handler = gate
    await house.publish(2, house.target("w1", concurrency=1, queue=1))
    first = asyncio.create_task(ask(post(SCORE, b"[1]")))
    await gate.entered.acquire()
    gone = await Raw.open(house.port)
    await gone.send(post(SCORE, b"[2]"))
    await until_waiting(ask, 'modelserve_worker_waiting{model="iris",version="1",target="w1"} 1')
    gone.reset()
    await until_waiting(ask, 'modelserve_worker_waiting{model="iris",version="1",target="w1"} 0')
    gate.open.set()
    assert (await first).status == 200
    assert (await ask(post(SCORE, b"[3]"))).status == 200
    assert [each.body for each in house.workers["w1"].got] == [b"[1]", b"[3]"]
