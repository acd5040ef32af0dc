"""A closed-loop load generator on loopback: asyncio, one connection per client, keep-alive.

It is bounded in time and goes to 127.0.0.1 only. The generator shares the machine with the server, so only ratios
taken in one run mean anything.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Figures:
    """What one window measured. Times are milliseconds."""

    requests_per_second: float
    p50: float
    p99: float
    requests: int
    failures: int


async def measure(url: str, body: bytes, *, clients: int, seconds: float, token: str = "") -> Figures:
    """Send *body* again and again from *clients* connections for *seconds*."""
    parts = urlsplit(url)
    assert parts.hostname in {"127.0.0.1", "localhost"}, "loopback only"
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n" + (f"authorization: Bearer {token}\r\n" if token else "")
    message = head.encode() + b"\r\n" + body
    times: list[float] = []
    failures = 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.perf_counter() < end:
            begun = time.perf_counter()
            writer.write(message)
            ok = await _read(reader)
            times.append((time.perf_counter() - begun) * 1000)
            failures += not ok
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    took = time.perf_counter() - begun
    ordered = sorted(times)
    return Figures(
        len(times) / took, ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], len(times), failures
    )


async def _read(reader: asyncio.StreamReader) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    await reader.readexactly(length)
    return b" 200 " in head.split(b"\r\n", 1)[0]
