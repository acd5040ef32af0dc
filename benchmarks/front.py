"""What the gateway's hop costs: ``python -m benchmarks.front`` (issue: at most 0.1 ms at p50, 30 µs of processor time).

A constant-answer worker on a unix socket is asked directly and through the real gateway process with a token, in turns
inside one run, so that only ratios and differences of the same run are compared. Processor time is the gateway's own
(user + system, from the kernel), which other load on the machine disturbs least. Needs nothing but the package.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import (
    Instance,
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

TOKEN = "ms_benchmark_of_the_front"
ANSWER = b'{"predictions": [0]}'
ROW = json.dumps({"dataframe_split": {"columns": list("abcd"), "data": [[5.1, 3.5, 1.4, 0.2]]}}).encode()
CLIENTS = (1, 16, 64)


@dataclass(frozen=True)
class Window:
    """One measurement. ``cpu_us`` is the gateway's processor time for a request, 0 where it was not in the way."""

    way: str
    clients: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failures: int


# ------------------------------------------------------------------------------------------------------ worker
class Constant(asyncio.Protocol):
    """Answers every request with the same bytes: the floor of what a worker may cost."""

    _reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(ANSWER),
        ANSWER,
    )

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            mark = self._buffer.index(b"content-length: ") + 16
            whole = end + 4 + int(self._buffer[mark : self._buffer.index(b"\r\n", mark)])
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._transport.write(self._reply)


async def serve(path: str) -> None:
    """Run the constant worker until it is killed."""
    server = await asyncio.get_running_loop().create_unix_server(Constant, path)
    await server.serve_forever()


# ------------------------------------------------------------------------------------------------------ clients
class Client(asyncio.Protocol):
    """Sends the same request again as soon as the answer is there."""

    def __init__(self, message: bytes, until: float) -> None:
        self._message, self._until = message, until
        self.times: list[float] = []
        self.failures = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport, self._buffer = transport, b""
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(ANSWER):
            if len(self._buffer) > 2000 or b'\r\n\r\n{"error' in self._buffer:
                self.failures, self._buffer = self.failures + 1, b""
                self._next()
            return
        self.failures += not self._buffer.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        self.times.append(now - self._began)
        if now < self._until:
            self._send()
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.failures += 1
            self.done.set_result(None)


async def load(address: str | int, message: bytes, clients: int, seconds: float) -> tuple[list[float], int, float]:
    """Latencies in seconds, failures and the time it took."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    each: list[Client] = []

    def make() -> Client:
        each.append(Client(message, began + seconds))
        return each[-1]

    for _ in range(clients):
        if isinstance(address, str):
            await loop.create_unix_connection(make, address)
        else:
            await loop.create_connection(make, "127.0.0.1", address)
    await asyncio.gather(*(one.done for one in each))
    took = time.perf_counter() - began
    return [t for one in each for t in one.times], sum(one.failures for one in each), took


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------------ house
@contextmanager
def house() -> Iterator[tuple[Paths, int, int]]:
    """A home with routes on disk, the constant worker and the gateway: paths, port, the gateway's pid."""
    with tempfile.TemporaryDirectory(prefix="msf-") as scratch:
        paths = Paths(Path(scratch) / "h")
        paths.create()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        paths.instance_file.write_text(json.dumps(to_json(Instance("bench", port, "nonce"))))
        worker = paths.replica_sockets / "w.sock"
        target = RouteTarget("w", "m", "1", f"unix:{worker}", "k" * 32, 64, 64, 120.0)
        models = {"m": RouteModel({"1": RouteVersion(VersionState.READY, ("w",))})}
        grants = {hashlib.sha256(TOKEN.encode()).hexdigest(): TokenGrant("bench", "bench", (Scope.ALL,))}
        snapshot = Snapshot("bench", RouteTable(1, {"w": target}, models), grants)
        paths.routes_file.write_text(json.dumps(to_json(snapshot)))
        with paths.lock("controller").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the gateway shall not start a controller
            commands = (
                ["benchmarks.front", "--serve", str(worker)],
                ["jupyter_modelserve.gateway", "--home", str(paths.home)],
            )
            processes = [
                subprocess.Popen([sys.executable, "-m", *each], stderr=subprocess.DEVNULL) for each in commands
            ]
            try:
                _wait(worker, port)
                yield paths, port, processes[1].pid
            finally:
                for process in processes:
                    process.terminate()
                    process.wait(10)


def _wait(worker: Path, port: int) -> None:
    for _ in range(500):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            if worker.exists():
                return
        time.sleep(0.02)
    raise TimeoutError("the gateway did not start")


def messages(port: int) -> dict[str, bytes]:
    """The same request for the worker's own socket and for the gateway."""
    tail = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ROW), ROW)
    key = b"x-modelserve-key: " + b"k" * 32
    return {
        "direct": b"POST /invocations HTTP/1.1\r\nhost: worker\r\n%b\r\n%b" % (key, tail),
        "gateway": b"POST /model/m/1/invocations HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %b\r\n"
        b"user-agent: bench\r\naccept: */*\r\n%b" % (port, TOKEN.encode(), tail),
    }


def measure(seconds: float, rounds: int) -> list[Window]:
    """Direct and through the gateway in turns, for each number of clients."""
    import uvloop

    windows: list[Window] = []
    with house() as (paths, port, pid), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ways: dict[str, str | int] = {"direct": str(paths.replica_sockets / "w.sock"), "gateway": port}
        data = messages(port)
        for number in range(-1, rounds):
            for clients in CLIENTS:
                for way, address in ways.items():
                    before = cpu_seconds(pid)
                    span = 0.3 if number < 0 else seconds
                    times, failures, took = runner.run(load(address, data[way], clients, span))
                    spent = cpu_seconds(pid) - before
                    if number < 0:
                        continue  # warm-up
                    times.sort()
                    cpu = spent / len(times) * 1e6 if way == "gateway" else 0.0
                    p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
                    windows.append(Window(way, clients, len(times) / took, p50, p99, cpu, failures))
    return windows


def report(windows: list[Window]) -> str:
    """A Markdown table of medians over the rounds; the spread of the processor time in brackets."""
    lines = [
        "| clients | direct req/s | gateway req/s | ratio | direct p50 ms | added p50 ms | gateway µs CPU (min–max) |",
        "|---|---|---|---|---|---|---|",
    ]
    for clients in CLIENTS:
        found = {way: [w for w in windows if (w.way, w.clients) == (way, clients)] for way in ("direct", "gateway")}
        rate = {way: statistics.median(w.requests_per_second for w in each) for way, each in found.items()}
        p50 = {way: statistics.median(w.p50_ms for w in each) for way, each in found.items()}
        cpus = [w.cpu_us for w in found["gateway"]]
        lines.append(
            f"| {clients} | {rate['direct']:.0f} | {rate['gateway']:.0f} | {rate['gateway'] / rate['direct']:.2f} "
            f"| {p50['direct']:.3f} | {p50['gateway'] - p50['direct']:+.3f} "
            f"| {statistics.median(cpus):.1f} ({min(cpus):.1f}–{max(cpus):.1f}) |"
        )
    failures = sum(w.failures for w in windows)
    return "\n".join([*lines, f"\nfailures: {failures}"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every window there")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options.serve))
        return
    windows = measure(options.seconds, options.rounds)
    print(report(windows))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in windows], indent=1))


if __name__ == "__main__":
    main()
