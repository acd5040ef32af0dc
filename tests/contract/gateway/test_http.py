"""What parses HTTP, over raw sockets: framing, order, limits, and everything that smuggles.

Hang-ups and kept connections are in test_http_connections, sizes, 100-continue and queues in test_limits, streams in
test_proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, Got, House, Raw, answer, post, request
from tests.contract.gateway.raw import BEARER, CHUNKED, START, healthy, mirror


# ---------------------------------------------------------------------------------------------------- framing
@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"3;name=value\r\nabc\r\n0;last\r\n\r\n", b"abc"),
        (b'3;quoted="a b"\r\nabc\r\n0\r\n\r\n', b"abc"),
        (b"003\r\nabc\r\n000\r\n\r\n", b"abc"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\nX-Modelserve-Key: 7\r\n\r\n", b"abc"),
        (b"0\r\n\r\n", b""),
    ],
)
async def test_chunked_bodies_arrive_whole_whatever_the_pieces(house: House, raw: bytes, body: bytes) -> None:
    """Once in one piece and once byte by byte; the connection stays usable and a trailer changes nothing."""
    house.workers["w1"].handler = mirror
    client = await Raw.open(house.port)
    await client.send(CHUNKED + raw)
    assert (await client.read()).body == body
    for byte in CHUNKED + raw:
        await client.send(bytes([byte]))
    assert (await client.read()).body == body
    assert await healthy(client)
    assert {each.headers["content-length"] for each in house.workers["w1"].got} == {str(len(body))}
    assert not any("x-trailer" in each.headers for each in house.workers["w1"].got)
    await client.close()


@pytest.mark.parametrize(
    "raw",
    [
        START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        START + b"Content-Length: 3, 3\r\n\r\nabc",
        START + b"Content-Length: -3\r\n\r\nabc",
        START + b"Content-Length: 0x3\r\n\r\nabc",
        START + b"Content-Length: 3 \x0b\r\n\r\nabc",
        START + b"Content-Length: 18446744073709551619\r\n\r\nabc",
        START + b"Content-Length:\r\n\r\nabc",
        START + b"Content-Length : 3\r\n\r\nabc",
        START + b" Content-Length: 3\r\n\r\nabc",
        START + b"X: a\r\n folded\r\nContent-Length: 3\r\n\r\nabc",
        START + b"X: a\r\n\tfolded\r\nContent-Length: 3\r\n\r\nabc",
        START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding\x00: chunked\r\n\r\n0\r\n\r\n",
        START + b"Bad Name: 1\r\nContent-Length: 0\r\n\r\n",
        START + b": no name\r\nContent-Length: 0\r\n\r\n",
        START + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
        START + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
        START + b"X: a\nContent-Length: 0\r\n\r\n",
        START.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
        CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc0\r\n\r\n",
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"\r\n3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 7\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        START.replace(b"HTTP/1.1", b"HTTP/2.0") + b"Content-Length: 0\r\n\r\n",
        START.replace(b"HTTP/1.1", b"HTTP/0.9") + b"Content-Length: 0\r\n\r\n",
        START.replace(b" HTTP/1.1", b"") + b"Content-Length: 0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)  # fmt: skip
async def test_smuggling_attempts_end_the_connection_and_reach_nobody(house: House, raw: bytes) -> None:
    """Behind each a second request is hidden, which must never be answered."""
    client = await Raw.open(house.port)
    await client.send(raw + post(SCORE, b"[666]"))
    got = await client.read()
    assert (got.status, got.json()["error_code"]) == (400, "BAD_REQUEST")
    assert got.headers["connection"] == "close"
    assert await client.ended()
    assert house.workers["w1"].got == []
    await client.close()


async def test_nonsense_in_a_body_that_is_already_on_its_way_is_answered_with_400(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(CHUNKED + b"3\r\nabc\r\n")
    await asyncio.sleep(0.05)  # the request has begun
    await client.send(b"zz\r\n" + post(SCORE, b"[666]"))
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (400, "close")
    assert await client.ended()
    assert house.workers["w1"].got == []
    await client.close()


@pytest.mark.parametrize("piece", [b"1;" + b"x" * 200_000, b"0\r\nX: " + b"y" * 200_000, b"0" * 200_000])
async def test_what_is_no_data_of_a_chunked_body_is_bounded_too(house: House, piece: bytes) -> None:
    client = await Raw.open(house.port)
    with contextlib.suppress(ConnectionError):
        await client.send(CHUNKED)
        await client.send(piece)
    assert (await client.read()).status in {400, 431}
    await client.close()


# ---------------------------------------------------------------------------------------------------- order
async def test_pipelined_requests_of_every_kind_are_answered_in_order(house: House) -> None:
    async def slowly(got: Got) -> bytes:
        await asyncio.sleep(0.05 if got.body == b"[0]" else 0)
        return answer(got.body)

    house.workers["w1"].handler = slowly
    client = await Raw.open(house.port)
    await client.send(
        post(SCORE, b"[0]") + request("GET", "/health") + CHUNKED + b"3\r\n[1]\r\n0\r\n\r\n" + post("/nothing", b"x")
        + request("HEAD", "/health") + post(SCORE, b"[2]")
    )  # fmt: skip
    assert (await client.read()).body == b"[0]"
    assert (await client.read()).json()["status"] == "ok"
    assert (await client.read()).body == b"[1]"
    assert (await client.read()).status == 404
    assert (await client.read("HEAD")).status == 200
    assert (await client.read()).body == b"[2]"
    assert await healthy(client)
    await client.close()


async def test_a_flood_of_pipelined_requests_is_held_back_and_answered(house: House) -> None:
    house.workers["w1"].handler = mirror
    client = await Raw.open(house.port)
    count = 3000
    sender = asyncio.create_task(client.send(b"".join(post(SCORE, b"[%d]" % each) for each in range(count))))
    assert [(await client.read()).body for _ in range(count)] == [b"[%d]" % each for each in range(count)]
    await sender
    await client.close()


async def test_what_follows_connection_close_is_not_answered(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(post(SCORE, b"[1]", Connection="close") + post(SCORE, b"[2]"))
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (200, "close")
    assert await client.ended()
    assert [each.body for each in house.workers["w1"].got] == [b"[1]"]
    await client.close()


async def test_a_small_unread_body_is_skipped_and_the_connection_kept(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(post("/nothing", b"x" * 1000)[:-500])
    assert (await client.read()).status == 404
    await client.send(b"x" * 500)
    assert await healthy(client)
    await client.close()


# ---------------------------------------------------------------------------------------------------- versions, methods
async def test_http_1_0_is_answered_and_ended(house: House) -> None:
    for extra in (b"", b"Connection: keep-alive\r\n"):
        client = await Raw.open(house.port)
        await client.send(START.replace(b"1.1", b"1.0") + extra + b"Content-Length: 2\r\n\r\n{}")
        got = await client.read()
        assert (got.status, got.headers["connection"], got.json()) == (200, "close", {"predictions": [1]})
        assert "transfer-encoding" not in got.headers
        assert await client.ended()
        await client.close()


async def test_a_stream_to_http_1_0_ends_with_the_connection_and_has_no_chunks(house: House) -> None:
    async def events(got: Got) -> bytes:
        return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"

    house.controller.api = events
    client = await Raw.open(house.port)
    await client.send(b"GET /api/modelserve/v1/x HTTP/1.0\r\nHost: localhost\r\n" + BEARER + b"\r\n")
    head, _, body = (await asyncio.wait_for(client.reader.read(), 10)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body == b"one\ntwo\n"
    await client.close()


async def test_head_has_the_head_of_get_and_no_body(house: House) -> None:
    client = await Raw.open(house.port)
    for path in ("/health", "/metrics", "/nothing"):
        await client.send(request("HEAD", path))
        got = await client.read("HEAD")
        assert int(got.headers["content-length"]) > 0
    assert await healthy(client)  # not one byte too many came
    await client.close()


async def test_options_tells_nothing_to_other_sites(ask: Ask) -> None:
    got = await ask(request("OPTIONS", SCORE, Origin="http://evil.example", Access_Control_Request_Method="POST"))
    assert got.status == 403
    assert not any(name.startswith("access-control") for name in got.headers)
    assert (await ask(request("OPTIONS", "*"))).status == 400


async def test_web_sockets_are_not_offered(house: House) -> None:
    client = await Raw.open(house.port)
    offer: dict[str, Any] = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "x",
    }
    await client.send(request("GET", "/health", **offer) + b"\x81\x05hello")
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (200, "close")  # answered as plain HTTP, and that is all
    assert "upgrade" not in got.headers
    assert await client.ended()
    await client.close()


# ---------------------------------------------------------------------------------------------------- addresses
@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/health", "localhost", 200),
        ("http://LOCALHOST/health?x=1", "localhost", 200),
        ("http://evil.example/health", "localhost", 400),
        ("http://localhost/health", "evil.example", 403),
        ("http://user@localhost/health", "localhost", 400),
        ("https://localhost/health", "localhost", 400),
        ("//evil.example/health", "localhost", 400),
        ("/health#fragment", "localhost", 400),
        ("/health?x=#fragment", "localhost", 400),
        ("*", "localhost", 400),
    ],
)
async def test_full_addresses_must_name_the_same_host(ask: Ask, target: str, host: str, status: int) -> None:
    assert (await ask(request("GET", target, host=host))).status == status


@pytest.mark.parametrize("path", ["/health%00", "/hea%0dlth", "/%2e%2e/health", "/health%2f", "/%c0%ae/health"])
async def test_tricks_with_percent_signs_are_refused(ask: Ask, path: str) -> None:
    assert (await ask(request("GET", path))).status == 400


@pytest.mark.parametrize("path", [b"/he\x00alth", b"/health\xff", b"/he\x7falth", b"/he\talth"])
async def test_bytes_that_no_address_may_hold_are_refused(house: House, path: bytes) -> None:
    client = await Raw.open(house.port)
    await client.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await client.read()).status == 400
    await client.close()


async def test_percent_encoded_letters_are_the_same_address(ask: Ask) -> None:
    assert (await ask(request("GET", "/%68ealth"))).status == 200
    assert (await ask(post("/model/%69ris/1/invocations"))).status == 200


# ---------------------------------------------------------------------------------------------------- limits
async def test_too_many_headers_are_431(house: House) -> None:
    client = await Raw.open(house.port)
    await client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 300 + b"\r\n" + post(SCORE))
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (431, "close")
    assert await client.ended()
    assert house.workers["w1"].got == []
    await client.close()


async def test_a_head_below_the_limit_passes_in_one_piece_and_in_many(house: House) -> None:
    data = request("GET", "/health", X_Big="a" * 60_000)
    client = await Raw.open(house.port)
    await client.send(data)
    assert (await client.read("GET")).status == 200
    for start in range(0, len(data), 5000):
        await client.send(data[start : start + 5000])
        await asyncio.sleep(0.002)
    assert (await client.read("GET")).status == 200
    await client.send(request("GET", "/health", X_Big="a" * 66_000))  # 1 KB too many, and still in one read
    assert (await client.read("GET")).status == 431
    await client.close()


@pytest.mark.slow
async def test_slow_callers_are_cut_and_patient_ones_are_not(house: House) -> None:
    """A head byte by byte, a head that stops after a first request, and a body that nobody waits for any more."""
    kept, head, body = [await Raw.open(house.port) for _ in range(3)]
    for client in (kept, head):
        assert await healthy(client)
    await body.send(post("/nothing", b"x" * 1000)[:-500])
    assert (await body.read()).status == 404
    ends = [asyncio.create_task(each.ended()) for each in (head, body)]
    began = asyncio.get_running_loop().time()
    for byte in b"GET /health HTTP/1.1":
        if not any(each.done() for each in ends):
            await head.send(bytes([byte]))
        await asyncio.wait(ends, timeout=0.7)
    assert all(await asyncio.gather(*ends))
    assert 8 < asyncio.get_running_loop().time() - began < 16
    assert await healthy(kept)
    for client in (kept, head, body):
        await client.close()
