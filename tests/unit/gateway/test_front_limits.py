"""The private socket has room of its own: `status` and `down` work when callers fill the gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyter_modelserve.gateway.caller import PRIVATE_LIMIT
from jupyter_modelserve.gateway.front import Front
from jupyter_modelserve.gateway.main import bind
from jupyter_modelserve.gateway.request import Request

HELLO = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


class Echo:
    """Answers everything at once."""

    def begin(self, request: Request) -> None:
        self.task = asyncio.get_running_loop().create_task(request.reply_json({"private": request.link.private}))


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(HELLO)
    try:
        async with asyncio.timeout(10):
            return (await reader.read(12)).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


async def test_callers_that_fill_the_gateway_leave_the_private_socket_alone(tmp_path: Path) -> None:
    listener, private, stop = bind(0), tmp_path / "g.sock", asyncio.Event()
    port = listener.getsockname()[1]
    front = Front(Echo(), max_connections=3)
    await front.listen(listener, private)
    running = asyncio.create_task(front.run(stop, 0.1))
    held: list[asyncio.StreamWriter] = []

    async def public() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        held.append(writer)
        return await _answered(reader, writer)

    async def own() -> bool:
        reader, writer = await asyncio.open_unix_connection(str(private))
        held.append(writer)
        return await _answered(reader, writer)

    try:
        assert [await public() for _ in range(4)] == [True, True, True, False]
        assert [await own() for _ in range(PRIVATE_LIMIT + 1)] == [*[True] * PRIVATE_LIMIT, False]
        # What was refused took no place, and what ends gives its place back.
        held[0].close()
        await held[0].wait_closed()
        async with asyncio.timeout(10):
            while not await public():
                await asyncio.sleep(0.01)
        assert not await public()
    finally:
        for each in held:
            each.close()
        stop.set()
        await running
        listener.close()
