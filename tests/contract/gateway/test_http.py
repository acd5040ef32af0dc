"""What parses HTTP, over raw sockets: framing, order, limits, time, hang-ups, and everything that smuggles.

More of it is in test_limits (sizes, 100-continue, queues) and test_proxy (streams).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import pytest

from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, TOKEN, Answer, Fake, Got, House, Raw, answer, post, request

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
