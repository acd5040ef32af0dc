"""Small stand-ins for worker, controller and MLflow that tests break on purpose, and a raw client.

The gateway under test is always the real process; only what stands behind it is fake.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_modelserve.governed import Access
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import (
    Instance,
    RouteEntity,
    RouteModel,
    RouteTable,
    RouteTarget,
    RouteVersion,
    Scope,
    Snapshot,
    TokenGrant,
    VersionState,
    to_json,
)

TOKEN = "ms_test_0123456789abcdef"
SCORE_TOKEN = "ms_score_0123456789abcdef"
EXPIRED_TOKEN = "ms_old_0123456789abcdef"
KEY = "k" * 32
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Got:
    """A request that a fake received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Handler = Callable[[Got], Awaitable[bytes | None]]


def answer(body: bytes = b'{"predictions": [1]}', status: int = 200, **headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
    named = {"content_type": "application/json", **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Fake:
    """An HTTP/1.1 server on a unix socket. The handler returns the raw answer; ``None`` hangs up."""

    def __init__(self, path: Path, handler: Handler | None = None) -> None:
        self.path = path
        self.handler = handler
        self.got: list[Got] = []
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.lost = asyncio.Event()
        self._server: asyncio.AbstractServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, str(self.path), limit=2**22)

    async def stop(self) -> None:
        """Stop listening and drop every connection, as a killed process does."""
        if self._server is not None:
            self._server.close()
            for writer in list(self.open):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            self.open.clear()
        self.path.unlink(missing_ok=True)

    async def respond(self, got: Got) -> bytes | None:
        return await self.handler(got) if self.handler is not None else answer()

    async def read_body(self, headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
        return await read_body(headers, reader)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await read_head(reader)
                if head is None:
                    break
                first, headers = head
                method, target, _ = first.split(" ", 2)
                got = Got(method, target, headers, b"", reader, writer)
                got.body = await self.read_body(headers, reader)
                self.got.append(got)
                reply = await self.respond(got)
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
                if headers.get("connection") == "close":
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.lost.set()
            self.open.discard(writer)
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    try:
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, OSError):
        return None
    first, *lines = raw.rstrip("\r\n").split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        size = int((await reader.readline()).strip(), 16)
        data = await reader.readexactly(size)
        await reader.readexactly(2)
        if not size:
            return
        yield data


async def read_body(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        return b"".join([each async for each in read_chunks(reader)])
    return await reader.readexactly(int(headers.get("content-length", "0")))


def grant(token: str, **changes: Any) -> dict[str, TokenGrant]:
    values: dict[str, Any] = {"id": token[:8], "principal": "ana", "scopes": (Scope.ALL,), **changes}
    return {hashlib.sha256(token.encode()).hexdigest(): TokenGrant(**values)}


TOKENS = {
    **grant(TOKEN),
    **grant(SCORE_TOKEN, scopes=(Scope.SCORE,)),
    **grant(EXPIRED_TOKEN, expires_at=1_000),
}


class Controller(Fake):
    """Snapshot long poll, usage reports, and an echo of everything else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.snapshot: Snapshot | None = None
        self.acked = -1
        self.used: dict[str, int] = {}
        self.api: Handler | None = None
        self._changed = asyncio.Condition()

    async def publish(
        self, routes: RouteTable, tokens: dict[str, TokenGrant] | None = None, access: Access | None = None
    ) -> None:
        async with self._changed:
            self.snapshot = Snapshot("test-instance", routes, TOKENS if tokens is None else tokens, access)
            self._changed.notify_all()

    async def acknowledged(self, number: int) -> None:
        """Wait until the gateway serves table *number*."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.acked >= number)

    async def respond(self, got: Got) -> bytes | None:
        path, _, query = got.target.partition("?")
        if path == "/internal/snapshot":
            return await self._poll(int(query.split("after=")[1].split("&")[0]))
        if path == "/internal/used":
            self.used.update(json.loads(got.body)["tokens"])
            return answer(b"{}")
        return await self.api(got) if self.api is not None else await echo(got)

    async def _poll(self, after: int) -> bytes:
        async with self._changed:
            self.acked = after
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self.snapshot is not None and self.snapshot.routes.number > after)
            return answer(json.dumps(to_json(self.snapshot)).encode())


async def echo(got: Got) -> bytes:
    """What arrived, as JSON."""
    value = {"method": got.method, "target": got.target, "headers": got.headers, "size": len(got.body)}
    return answer(json.dumps(value).encode())


@dataclass
class House:
    """An instance's home with fakes, and the gateway process."""

    paths: Paths
    port: int
    controller: Controller
    workers: dict[str, Fake] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    locks: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def target(self, name: str, version: str = "1", **changes: Any) -> RouteTarget:
        address = f"unix:{self.paths.replica_sockets / name}.sock"
        fixed = {"id": name, "model": "iris", "version": version, "address": address, "key": KEY}
        return RouteTarget(**{**fixed, "concurrency": 4, "queue": 4, "timeout": 0.0, **changes})

    async def worker(self, name: str = "w1", handler: Handler | None = None) -> Fake:
        fake = Fake(self.paths.replica_sockets / f"{name}.sock", handler)
        await fake.start()
        self.workers[name] = fake
        return fake

    async def publish(self, number: int, *targets: RouteTarget, **parts: Any) -> None:
        versions: dict[str, RouteVersion] = {}
        for each in targets:
            before = versions.get(each.version, RouteVersion(VersionState.READY)).targets
            versions[each.version] = RouteVersion(VersionState.READY, (*before, each.id))
        models = parts.pop("models", None) or {"iris": RouteModel(versions, {"Champion": "1"}, {"Production": "1"})}
        endpoints = parts.pop("endpoints", None) or {"iris-ep": (RouteEntity("main", "iris", "1", 100),)}
        table = RouteTable(number, {each.id: each for each in targets}, models, endpoints)
        await self.controller.publish(table, **parts)
        await self.controller.acknowledged(number)

    def configure(self, **settings: Any) -> None:
        text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
        (self.paths.home / "settings.toml").write_text(text)

    async def spawn(self) -> asyncio.subprocess.Process:
        with (self.paths.logs / "gateway.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "jupyter_modelserve.gateway", "--home", str(self.paths.home), stderr=log
            )

    async def start(self) -> None:
        self.process = await self.spawn()
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_unix_connection(str(self.paths.gateway_socket))
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        for fake in self.workers.values():
            await fake.stop()
        await self.controller.stop()
        for handle in self.locks:
            os.close(handle)
        shutil.rmtree(self.paths.home)

    def log(self) -> str:
        return (self.paths.logs / "gateway.log").read_text()

    def be_controller(self) -> None:
        """Hold the controller's lock, so that the gateway starts none."""
        handle = os.open(self.paths.lock("controller"), os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self.locks.append(handle)


def build() -> House:
    """A fresh home with a free port."""
    paths = Paths(Path(tempfile.mkdtemp(prefix="ms-gw-")))
    paths.create()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    instance = Instance("test-instance", port, "nonce-of-this-test")
    paths.instance_file.write_text(json.dumps(to_json(instance)))
    house = House(paths, port, Controller(paths.controller_socket))
    house.be_controller()
    return house


@dataclass
class Answer:
    """A raw answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """A client that sends exactly the bytes it is given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Raw:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**22))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, method: str = "POST") -> Answer:
        async with asyncio.timeout(30):
            head = await read_head(self.reader)
            assert head is not None, "the connection was closed without an answer"
            first, headers = head
            status = int(first.split(" ")[1])
            body = b"" if method == "HEAD" or status < 200 else await read_body(headers, self.reader)
            return Answer(status, headers, body)

    async def ended(self) -> bool:
        """Whether the other side closed (waits for it)."""
        async with asyncio.timeout(15):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def reset(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def post(
    path: str, body: bytes = b"{}", *, token: str | None = TOKEN, host: str = "127.0.0.1", **headers: str
) -> bytes:
    """A raw POST."""
    return request("POST", path, body, token=token, host=host, **headers)


def request(
    method: str, path: str, body: bytes = b"", *, token: str | None = TOKEN, host: str = "127.0.0.1", **headers: str
) -> bytes:
    """A raw request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


SCORE = "/model/iris/1/invocations"
