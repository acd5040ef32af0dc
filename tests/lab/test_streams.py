"""An event stream of any length is cut by nobody on its way: gateway and Jupyter, with every time-out a fiftieth.

So fifteen seconds stand for twelve and a half minutes, longer than every time-out there is. The last test shows that
the small time-outs were in force.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from jupyter_modelserve.controller.api import endpoints
from jupyter_modelserve.lab import upstream
from tests.contract.gateway.fakes import TOKEN as INSTANCE_TOKEN
from tests.contract.gateway.fakes import Got, House, build
from tests.lab.gateway_time_outs import time_outs
from tests.lab.server import ROOT, JupyterServer, jupyter_server

FASTER = 50
LENGTH = 15.0
GATEWAY = f"""
import sys
from jupyter_modelserve.gateway import main
from tests.lab.gateway_time_outs import time_outs
for module, name in time_outs():
    setattr(module, name, getattr(module, name) / {FASTER})
sys.argv[0] = "gateway"
main.main()
"""
JUPYTER = f"""
from jupyter_modelserve.lab import upstream
upstream.SILENCE_SECONDS /= {FASTER}
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_signs_of_life_come_several_times_within_every_time_out() -> None:
    patience = [getattr(module, name) for module, name in time_outs()]
    assert len(patience) >= 3
    # Proxies in front of a hub are set to a minute by default.
    assert min(*patience, upstream.SILENCE_SECONDS, 60.0) >= endpoints.PING * 4
    assert max(*patience, upstream.SILENCE_SECONDS) < LENGTH * FASTER


class HurriedHouse(House):
    """A gateway whose time-outs are a fiftieth."""

    async def spawn(self) -> asyncio.subprocess.Process:
        with (self.paths.logs / "gateway.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-c", GATEWAY, "--home", str(self.paths.home), stderr=log, cwd=ROOT
            )


class Stream:
    """The controller's side of an event stream: a sign of life in a fiftieth of the real time, until told to stop."""

    def __init__(self) -> None:
        self.silent = asyncio.Event()
        self.last = asyncio.Event()

    async def answer(self, got: Got) -> None:
        got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        while not self.last.is_set():
            got.writer.write(b": ping\n\n")
            await got.writer.drain()
            if self.silent.is_set():
                await asyncio.sleep(60)
            await asyncio.sleep(endpoints.PING / FASTER)
        got.writer.write(b'event: status\ndata: {"n": 2}\n\n')


@pytest.fixture
async def stream() -> Stream:
    return Stream()


@pytest.fixture
async def jupyter(stream: Stream) -> AsyncIterator[JupyterServer]:
    made = build()
    house = HurriedHouse(made.paths, made.port, made.controller, locks=made.locks)
    house.controller.api = stream.answer
    try:
        await house.controller.start()
        await house.start()
        await house.publish(1)
        with jupyter_server({"MODELSERVE_URL": house.url, "MODELSERVE_TOKEN": INSTANCE_TOKEN}, JUPYTER) as found:
            yield found
    finally:
        await house.end()


async def follow(jupyter: JupyterServer, stream: Stream, ending: float) -> tuple[float, bool]:
    """Read a stream whose last event is asked for after *ending* seconds: how long it lasted, whether that came."""
    headers = {"authorization": jupyter.client().headers["authorization"], "accept": "text/event-stream"}
    asyncio.get_running_loop().call_later(ending, stream.last.set)
    began, seen = time.monotonic(), ""
    async with httpx.AsyncClient(base_url=jupyter.ours, headers=headers, timeout=60, trust_env=False) as client:
        try:
            async with client.stream("GET", "api/v1/endpoints/iris/events") as answer:
                assert answer.status_code == 200
                async for piece in answer.aiter_text():
                    seen += piece
        except httpx.HTTPError:
            pass
    return time.monotonic() - began, '"n": 2' in seen


async def test_a_stream_outlives_every_time_out_on_its_way(jupyter: JupyterServer, stream: Stream) -> None:
    seconds, complete = await follow(jupyter, stream, LENGTH)
    assert complete, f"cut after {seconds:.1f} s, which stand for {seconds * FASTER / 60:.0f} minutes"
    assert seconds >= LENGTH


async def test_without_signs_of_life_it_is_cut(jupyter: JupyterServer, stream: Stream) -> None:
    stream.silent.set()
    seconds, complete = await follow(jupyter, stream, 30)
    assert not complete
    assert seconds < 30
