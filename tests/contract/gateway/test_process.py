"""The gateway as a process: one of it, quick and small, restarts from disk, ends when told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

from jupyter_modelserve.types import RouteTable
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, TOKEN, Got, House, Raw, answer, post, read_body, read_head, request


async def private(house: House, data: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_unix_connection(str(house.paths.gateway_socket))
    writer.write(data)
    head = await read_head(reader)
    assert head is not None
    body = await read_body(head[1], reader)
    writer.close()
    await writer.wait_closed()
    return int(head[0].split(" ")[1]), body


async def kill(house: House) -> None:
    assert house.process is not None
    house.process.kill()
    await house.process.wait()


async def test_the_private_socket_proves_who_we_are(house: House, ask: Ask) -> None:
    status, body = await private(house, b"GET /internal/health HTTP/1.1\r\nHost: x\r\n\r\n")
    found = json.loads(body)
    assert status == 200
    assert found["nonce"] == "nonce-of-this-test"
    assert house.process is not None
    assert (found["daemon"], found["instance_id"], found["pid"]) == ("gateway", "test-instance", house.process.pid)
    assert (found["state"], found["started_at"] // 10**12) == ("running", 1)
    assert stat.S_IMODE(house.paths.gateway_socket.stat().st_mode) == 0o600
    assert (await ask(request("GET", "/internal/health"))).status == 404  # never on the public port
    assert (await private(house, post(SCORE)))[0] == 404  # and no scoring on the private one


async def test_two_gateways_race_and_one_stays(house: House, ask: Ask) -> None:
    others = [await house.spawn() for _ in range(4)]
    assert [await asyncio.wait_for(each.wait(), 20) for each in others] == [0, 0, 0, 0]
    assert house.process is not None
    assert house.paths.lock("gateway").read_text().strip() == str(house.process.pid)
    assert (await ask(post(SCORE))).status == 200


async def test_a_taken_port_ends_it_with_one_clear_line(empty: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", empty.port))
        taken.listen()
        process = await empty.spawn()
        assert await asyncio.wait_for(process.wait(), 20) == 1
    lines = empty.log().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"port {empty.port} on 127.0.0.1 is taken by another program; ")
    assert lines[0].endswith("jupyter modelserve up --port N")


async def test_one_that_was_spawned_just_before_down_ends_at_once(empty: House) -> None:
    empty.paths.stopping_file.touch()
    process = await empty.spawn()
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert not empty.paths.gateway_socket.exists()


async def test_without_an_instance_it_says_what_to_do(empty: House) -> None:
    empty.paths.instance_file.unlink()
    process = await empty.spawn()
    assert await asyncio.wait_for(process.wait(), 20) == 1
    assert "jupyter modelserve up" in empty.log()


async def test_after_a_kill_it_serves_from_disk_with_the_controller_away(house: House, ask: Ask) -> None:
    await kill(house)
    await house.controller.stop()
    assert stat.S_IMODE(house.paths.routes_file.stat().st_mode) == 0o600
    assert TOKEN not in house.paths.routes_file.read_text()
    await house.start()
    assert (await ask(post(SCORE))).status == 200
    health = (await ask(request("GET", "/health"))).json()
    assert (health["routes"], health["controller"]) == (1, "starting")
    await house.controller.start()  # it comes back, counting anew from 1: its word counts
    await house.controller.publish(RouteTable(1))
    await house.controller.acknowledged(1)
    async with asyncio.timeout(5):
        while (await ask(post(SCORE))).status != 404:
            await asyncio.sleep(0.05)


async def test_spoiled_routes_on_disk_are_left_aside(house: House, ask: Ask) -> None:
    await kill(house)
    house.paths.routes_file.write_text('{"instance_id": "other", "routes": {"number": 9}}')
    await house.start()
    assert (await ask(post(SCORE))).status == 200  # from the controller, held until it answered
    assert "not usable" in house.log()


async def test_scoring_is_held_until_the_first_routes_come(empty: House) -> None:
    await empty.controller.start()
    await empty.worker()
    await empty.start()
    client = await Raw.open(empty.port)
    await client.send(post(SCORE))
    early = asyncio.create_task(client.read())
    await asyncio.sleep(0.3)
    assert not early.done()
    await empty.publish(1, empty.target("w1"))
    assert (await early).status == 200
    await client.close()


async def test_stop_lets_requests_in_flight_end(house: House, ask: Ask) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(got: Got) -> bytes:
        entered.set()
        await release.wait()
        return answer(b'"late"')

    house.workers["w1"].handler = slow
    waiting = asyncio.create_task(ask(post(SCORE)))
    await entered.wait()
    assert (await private(house, post("/internal/stop")))[0] == 202
    async with asyncio.timeout(5):
        while True:
            try:
                (await Raw.open(house.port)).reset()
            except ConnectionRefusedError:
                break
            await asyncio.sleep(0.02)
    release.set()
    assert (await waiting).body == b'"late"'
    assert house.process is not None
    assert await asyncio.wait_for(house.process.wait(), 10) == 0
    assert not house.paths.gateway_socket.exists()


async def test_a_request_that_never_ends_delays_the_stop_by_five_seconds_only(house: House, ask: Ask) -> None:
    entered = asyncio.Event()

    async def stuck(got: Got) -> bytes:
        entered.set()
        await asyncio.Event().wait()
        return b""

    house.workers["w1"].handler = stuck
    client = await Raw.open(house.port)
    await client.send(post(SCORE))
    await entered.wait()
    assert house.process is not None
    began = time.monotonic()
    house.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(house.process.wait(), 12) == 0
    assert 4 < time.monotonic() - began < 8
    await client.close()


async def test_the_access_log_holds_no_secret_no_query_and_no_body(house: House, ask: Ask) -> None:
    await ask(post(SCORE + "?password=hunter2", b'{"card": "4711"}'))
    await ask(post("/model/iris/9/invocations", token="ms_guessed"))
    path = house.paths.logs / "gateway-access.log"
    async with asyncio.timeout(5):
        while not path.exists() or len(path.read_text().splitlines()) < 2:
            await asyncio.sleep(0.05)
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["path"], first["status"], first["token"], first["version"]) == (SCORE, 200, "ms_test_", "1")
    assert (second["status"], second["token"]) == (401, "")
    everything = path.read_text() + house.log()
    for secret in (TOKEN, "ms_guessed", "hunter2", "4711", "nonce-of-this-test", "k" * 32):
        assert secret not in everything
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_it_runs_without_uvloop_just_as_fast_to_the_first_byte(house: House, tmp_path: Path) -> None:
    """Without TCP_NODELAY (see ``main.bind``) each answer on asyncio's own loop would wait 40 ms."""
    await kill(house)
    (tmp_path / "uvloop.py").write_text("raise ImportError")
    os.environ["PYTHONPATH"], before = f"{tmp_path}:{Path.cwd()}", os.environ.get("PYTHONPATH")
    try:
        await house.start()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    client = await Raw.open(house.port)
    times = []
    for _ in range(50):
        began = time.perf_counter()
        await client.send(post(SCORE))
        assert (await client.read()).status == 200
        times.append(time.perf_counter() - began)
    await client.close()
    assert sorted(times)[25] < 0.02


def test_import_is_quick_small_and_brings_nothing_heavy() -> None:
    code = """
import sys, time
began = time.process_time()
import jupyter_modelserve.gateway.main
from jupyter_modelserve.types import Snapshot, RouteTable, from_json
from_json(Snapshot, {"instance_id": "x", "routes": {"number": 1}})
try:
    import uvloop
except ImportError:
    pass
resident = next(each for each in open("/proc/self/status") if each.startswith("VmRSS"))
print(time.process_time() - began, int(resident.split()[1]) / 1024)
print(*sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    seconds, mebibytes = map(float, out[0].split())
    heavy = {
        "docker",
        "sqlalchemy",
        "mlflow",
        "pandas",
        "numpy",
        "fastapi",
        "starlette",
        "httpx",
        "tornado",
        "requests",
        "uvicorn",
    }
    assert not heavy & set(out[1].split())
    assert seconds < 1.5  # of processor time; 0.2 s on a quiet machine with byte code at hand
    assert mebibytes < 80  # about 38


async def test_the_running_process_stays_small(house: House) -> None:
    """About 42 MiB, also with hundreds of connections and thousands of requests behind it."""
    clients = [await Raw.open(house.port) for _ in range(300)]
    for _ in range(5):
        for client in clients:
            await client.send(post(SCORE, b"1" * 20_000))
            assert (await client.read()).status in {200, 429}
    assert house.process is not None
    status = Path(f"/proc/{house.process.pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) / 1024 < 80
    for client in clients:
        await client.close()
