"""Everything that is not scoring: forwarded to controller and MLflow, streamed, held while they wake."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from jupyter_modelserve import tickets
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import (
    TOKEN,
    Fake,
    Got,
    House,
    Raw,
    answer,
    echo,
    grant,
    post,
    read_chunks,
    request,
)

MIB = 1024 * 1024
API = "/api/modelserve/v1/echo"
UPLOAD = "/api/2.0/mlflow-artifacts/artifacts/big.bin"


class Artifacts(Fake):
    """Swallows uploads and sends downloads without ever holding them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.received = 0

    async def read_body(self, headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            async for piece in read_chunks(reader):
                self.received += len(piece)
        left = int(headers.get("content-length", "0"))
        while left:
            piece = await reader.read(min(left, MIB))
            left -= len(piece)
            self.received += len(piece)
        return b""

    async def respond(self, got: Got) -> bytes:
        if got.method != "GET":
            return answer(b"{}")
        size = int(got.headers["x-size"])
        got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            got.writer.write(b"d" * MIB)
            await got.writer.drain()
        return b""


@pytest.fixture
async def artifacts(house: House) -> Artifacts:
    fake = Artifacts(house.paths.mlflow_socket)
    await fake.start()
    house.workers["mlflow"] = fake
    return fake


async def test_identity_is_ours_and_hop_headers_stay(house: House, ask: Ask) -> None:
    forged = {
        "X_Modelserve_Principal": "root", "X_Modelserve_Scopes": "all", "X_Modelserve_Foo": "1", "Cookie": "s=1",
        "Connection": "X-Drop, keep-alive", "X_Drop": "1", "X_Keep": "1", "X_Request_Id": "r-1",
        "X_Forwarded_For": "1.2.3.4",
    }  # fmt: skip
    got = await ask(post(API + "?a=1&b=%2F", b"{}", **forged))
    seen = got.json()
    assert (seen["method"], seen["target"], seen["size"]) == ("POST", API + "?a=1&b=%2F", 2)
    assert seen["headers"] == {
        "host": f"127.0.0.1:{house.port}", "connection": "close", "x-keep": "1", "x-request-id": "r-1",
        "x-modelserve-principal": "ana", "x-modelserve-scopes": "all", "content-length": "2",
        "x-modelserve-token": TOKEN[:8],
    }  # fmt: skip
    assert got.headers["x-request-id"] == "r-1"


async def test_a_principal_cannot_break_out_of_its_header(house: House, ask: Ask) -> None:
    await house.publish(2, house.target("w1"), tokens=grant("ms_odd", principal="jürgen\r\nx-evil: 1"))
    seen = (await ask(request("GET", API, token="ms_odd"))).json()["headers"]
    assert seen["x-modelserve-principal"] == "j%C3%BCrgen%0D%0Ax-evil: 1"
    assert "x-evil" not in seen


async def test_answers_pass_without_cors_and_cookies(house: House, ask: Ask) -> None:
    async def api(got: Got) -> bytes:
        return answer(b"x", 418, set_cookie="a=b", access_control_allow_origin="*", x_ours="1")

    house.controller.api = api
    got = await ask(request("GET", API))
    assert (got.status, got.body, got.headers["x-ours"]) == (418, b"x", "1")
    assert not {"set-cookie", "access-control-allow-origin"} & set(got.headers)


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "PATCH", "PUT", "GET"])
async def test_every_method_passes(house: House, ask: Ask, method: str) -> None:
    got = await ask(request(method, API))
    assert got.status == 200
    assert house.controller.got[-1].method == method


async def test_each_address_has_its_owner(house: House, ask: Ask, artifacts: Artifacts) -> None:
    artifacts.respond = echo  # type: ignore[method-assign]
    for path in ("/api/2.0/mlflow/runs/search", "/ajax-api/3.0/mlflow/traces", "/version", UPLOAD):
        assert (await ask(request("GET", path))).json()["target"] == path
    assert not any("mlflow" in each.target for each in house.controller.got)


async def test_server_sent_events_pass_one_by_one_and_end_with_the_caller(house: House) -> None:
    more, gone = asyncio.Event(), asyncio.Event()

    async def events(got: Got) -> None:
        got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        got.writer.write(b"9\r\ndata: 1\n\n\r\n")
        await more.wait()
        got.writer.write(b"9\r\ndata: 2\n\n\r\n")
        await got.reader.read()  # until the gateway hangs up
        gone.set()

    house.controller.api = events
    client = await Raw.open(house.port)
    await client.send(request("GET", API, Accept="text/event-stream"))
    assert b"data: 1" in await asyncio.wait_for(client.reader.readuntil(b"data: 1\n\n\r\n"), 5)
    more.set()
    await asyncio.wait_for(client.reader.readuntil(b"data: 2\n\n\r\n"), 5)
    client.reset()
    await asyncio.wait_for(gone.wait(), 1.0)


def memory(house: House) -> int:
    """Resident bytes of the gateway."""
    assert house.process is not None
    lines = Path(f"/proc/{house.process.pid}/status").read_text().splitlines()
    return int(next(each for each in lines if each.startswith("VmRSS")).split()[1]) * 1024


async def peak(house: House, task: asyncio.Task[None]) -> int:
    highest = 0
    while not task.done():
        highest = max(highest, memory(house))
        await asyncio.sleep(0.01)
    await task
    return highest


@pytest.mark.parametrize("chunked", [False, True])
async def test_300_mb_go_up_with_flat_memory(house: House, ask: Ask, artifacts: Artifacts, chunked: bool) -> None:
    await ask(post(UPLOAD, b"warm"))
    before, artifacts.received = memory(house), 0

    async def upload() -> None:
        client = await Raw.open(house.port)
        length = request("PUT", UPLOAD, Content_Length=str(300 * MIB))
        await client.send(request("PUT", UPLOAD, Transfer_Encoding="chunked") if chunked else length)
        for _ in range(300):
            await client.send(b"100000\r\n" + b"u" * MIB + b"\r\n" if chunked else b"u" * MIB)
        if chunked:
            await client.send(b"0\r\n\r\n")
        assert (await client.read()).status == 200
        await client.close()

    assert await peak(house, asyncio.create_task(upload())) - before < 40 * MIB
    assert artifacts.received == 300 * MIB


async def test_300_mb_come_down_with_flat_memory_to_a_slow_reader(house: House, ask: Ask, artifacts: Artifacts) -> None:
    await ask(post(UPLOAD, b"warm"))
    before, received = memory(house), 0

    async def download() -> None:
        nonlocal received
        client = await Raw.open(house.port)
        await client.send(request("GET", UPLOAD, X_Size=str(300 * MIB)))
        await client.reader.readuntil(b"\r\n\r\n")
        while received < 300 * MIB:
            received += len(await client.reader.read(MIB))
            if received < 10 * MIB:
                await asyncio.sleep(0.02)
        await client.close()

    assert await peak(house, asyncio.create_task(download())) - before < 40 * MIB
    assert received == 300 * MIB


async def test_an_early_answer_to_an_upload_reaches_the_caller(house: House) -> None:
    class Refusing(Fake):
        async def read_body(self, headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
            return b""

        async def respond(self, got: Got) -> bytes:
            got.writer.write(answer(b'{"error_code": "FULL"}', 507))
            await answered.wait()
            return b""

    answered = asyncio.Event()
    fake = Refusing(house.paths.mlflow_socket)
    await fake.start()
    house.workers["mlflow"] = fake
    client = await Raw.open(house.port)
    await client.send(request("PUT", UPLOAD, Content_Length=str(300 * MIB)) + b"u" * MIB)
    got = await client.read()
    assert (got.status, got.headers["connection"]) == (507, "close")
    answered.set()
    await client.close()


async def test_a_request_is_held_while_mlflow_wakes_and_its_body_stays_with_the_caller(house: House) -> None:
    client = await Raw.open(house.port)
    head, _, body = post(UPLOAD, b"12345", Expect="100-continue").partition(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    early = asyncio.create_task(client.read())
    await asyncio.sleep(0.5)
    assert not early.done()  # not even "100 Continue"
    fake = Fake(house.paths.mlflow_socket)
    await fake.start()
    house.workers["mlflow"] = fake
    assert (await early).status == 100
    await client.send(body)
    assert (await client.read()).status == 200
    await client.close()
    assert fake.got[0].body == b"12345"


@pytest.mark.parametrize("house", [{"hold": 0.3}], indirect=True)
async def test_after_the_hold_time_the_answer_is_503(ask: Ask) -> None:
    got = await ask(request("GET", "/version"))
    assert (got.status, got.json()["error_code"], got.headers["retry-after"]) == (503, "TEMPORARILY_UNAVAILABLE", "5")
    assert "MLflow server" in got.json()["message"]


async def test_a_controller_that_dies_before_its_answer_is_502_and_nothing_is_repeated(house: House, ask: Ask) -> None:
    seen = []

    async def die(got: Got) -> None:
        seen.append(got)

    house.controller.api = die
    assert (await ask(post(API))).status == 502
    assert len(seen) == 1


async def test_token_use_is_reported_at_the_end_at_the_latest(house: House, ask: Ask) -> None:
    await ask(request("GET", API))
    assert house.process is not None
    house.process.terminate()
    assert await asyncio.wait_for(house.process.wait(), 10) == 0
    assert list(house.controller.used) == ["ms_test_"]
    assert house.controller.used["ms_test_"] > 1_600_000_000_000


FILE = "/api/2.0/fs/files/WorkspaceModels/churn%20model/1/MLmodel"


def _ticket(path: str = FILE.replace("%20", " "), token: str = TOKEN[:8], seconds: float = 60) -> str:
    ends = int((time.time() + seconds) * 1000)
    return tickets.make("nonce-of-this-test", tickets.Ticket(token, path, ends))


async def test_a_ticket_opens_one_address_with_the_rights_of_its_token(house: House, ask: Ask) -> None:
    got = (await ask(request("GET", FILE, token=_ticket()))).json()
    assert (got["headers"]["x-modelserve-principal"], got["headers"]["x-modelserve-token"]) == ("ana", TOKEN[:8])
    seen = len(house.controller.got)
    for refused in (
        request("GET", FILE + "x", token=_ticket()),
        request("GET", "/api/modelserve/v1/status", token=_ticket()),
        request("PUT", FILE, b"x", token=_ticket()),
        post("/model/iris/1/invocations", token=_ticket()),
        request("GET", FILE, token=_ticket(token="revoked")),
        request("GET", FILE, token=_ticket(token="ms_old_0")),
        request("GET", FILE, token=_ticket(seconds=-1)),
        request("GET", FILE, token=_ticket() + "x"),
    ):
        answered = await ask(refused)
        assert (answered.status, answered.json()["error_code"]) == (401, "UNAUTHENTICATED"), refused
    assert not [each for each in house.controller.got[seen:] if each.target.startswith("/api/")]
