"""An open-loop load generator: requests leave by the clock, whatever happened to those before.

A closed loop waits for the answer before it asks again, so a stall of a second costs it one slow request and hides a
second of outage. Here every request has an intended start, and its latency counts from there. Raw streams on loopback
keep the generator's own cost far below the gateway's. What is demanded of the
answers is an :class:`~tests.support.slo.Slo`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

RATE = 200.0
MOST = 40_000
_IN_FLIGHT = 512


@dataclass(frozen=True, slots=True)
class Shot:
    """One request. Times are seconds since the load began; ``status`` 0 means that no answer came."""

    intended: float
    answered: float
    status: int
    version: str = ""
    retry_after: bool = False
    body: str = ""

    @property
    def latency(self) -> float:
        """Seconds from the intended start to the end of the answer."""
        return self.answered - self.intended


@dataclass(slots=True)
class _Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def usable(self) -> bool:
        return not self.reader.at_eof() and not self.writer.is_closing() and self.reader.exception() is None


@dataclass(slots=True)
class Load:
    """Sends *body* to ``url + path`` at *rate* requests/s from a thread of its own until the block ends.

    Args:
        url: of an instance; loopback only.
        token: its bearer token.
        path: scoring path.
        body: JSON text.
        rate: requests per second.
        most: it ends by itself after so many requests.
        patience: seconds that one answer may take.
    """

    url: str
    token: str = field(repr=False)
    path: str
    body: str
    rate: float = RATE
    most: int = MOST
    patience: float = 60.0
    shots: list[Shot] = field(default_factory=list)
    sent: int = 0
    _idle: list[_Wire] = field(default_factory=list)
    _begun: float = 0.0
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        assert urlsplit(self.url).hostname == "127.0.0.1", "a load test stays on this machine"
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name=f"load {self.path}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        assert self._thread is not None
        self._thread.join(self.patience + 30)
        assert not self._thread.is_alive(), "the load does not end"

    def now(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._begun

    def wait_for(self, count: int, seconds: float = 120.0) -> None:
        """Wait until *count* requests were answered."""
        until = time.monotonic() + seconds
        while len(self.shots) < count:
            assert time.monotonic() < until, f"{len(self.shots)} of {count} requests were answered in {seconds:g} s"
            time.sleep(0.02)

    async def _run(self) -> None:
        gate, tasks = asyncio.Semaphore(_IN_FLIGHT), set[asyncio.Task[None]]()
        while not self._ending.is_set() and self.sent < self.most:
            intended = self.sent / self.rate
            ahead = intended - self.now()
            if ahead > 0:
                # The end must be noticed soon, also at a low rate.
                await asyncio.sleep(min(ahead, 0.1))
                continue
            self.sent += 1
            task = asyncio.create_task(self._shoot(intended, gate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(0)
        if tasks:
            await asyncio.wait(tasks)
        for wire in self._idle:
            wire.writer.close()

    async def _shoot(self, intended: float, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                async with asyncio.timeout(self.patience):
                    status, headers, body = await self._exchange()
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.shots.append(Shot(intended, self.now(), 0, body=type(error).__name__))
                return
        version, retry = headers.get("x-modelserve-version", ""), "retry-after" in headers
        self.shots.append(Shot(intended, self.now(), status, version, retry, body))

    async def _exchange(self) -> tuple[int, dict[str, str], str]:
        wire = await self._connection()
        try:
            wire.writer.write(self._request())
            head = (await wire.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await wire.reader.readexactly(int(headers["content-length"]))
        except BaseException:
            wire.writer.close()
            raise
        if headers.get("connection", "").lower() == "close":
            wire.writer.close()
        else:
            self._idle.append(wire)
        return int(head[0].split()[1]), headers, body.decode("utf-8", "replace")

    async def _connection(self) -> _Wire:
        while self._idle:
            wire = self._idle.pop()
            if wire.usable:
                return wire
            with contextlib.suppress(OSError):
                wire.writer.close()
        parts = urlsplit(self.url)
        return _Wire(*await asyncio.open_connection(parts.hostname, parts.port))

    def _request(self) -> bytes:
        payload = self.body.encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {urlsplit(self.url).netloc}\r\nauthorization: Bearer {self.token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
        )
        return head.encode("ascii") + payload
