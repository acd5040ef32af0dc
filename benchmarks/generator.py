"""The load: a closed loop over keep-alive connections on loopback or a unix socket, every answer checked.

It shares the machine with the server, so it must be cheap: one epoll loop on plain sockets with nothing in it that is
not needed, about 10 microseconds of CPU per request, and it says what it used. Each connection has one request under
way and knows which one, so that a mixed-up answer is noticed. Standard library only; it runs as a process of its own:
a :class:`Task` as JSON on standard input, one JSON line on standard output.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass

_PATIENCE = 60.0
_ROOM = 1 << 18


@dataclass(frozen=True)
class Task:
    """What to send. ``answers[i]`` is the body that request ``i`` must get back.

    ``address`` is ``host:port`` or the path of a unix socket; ``requests`` are complete, heads included.
    """

    address: str
    requests: list[str]
    answers: list[str]
    clients: int
    seconds: float


@dataclass(frozen=True)
class Load:
    """What came of it. Times are milliseconds; ``cpu`` is what the generator itself used, seconds."""

    requests: int
    failures: int
    seconds: float
    p50: float
    p99: float
    cpu: float
    first_failure: str = ""


def connect(address: str) -> socket.socket:
    """A connection to ``host:port`` on loopback or to a unix socket."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        assert host in {"127.0.0.1", "localhost"}, "loopback only"
        found = socket.create_connection((host, int(port)), _PATIENCE)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        found = socket.socket(socket.AF_UNIX)
        found.settimeout(_PATIENCE)
        try:
            found.connect(address)
        except OSError:
            found.close()
            raise
    return found


class _Wire:
    """A connection with the request that is under way on it."""

    __slots__ = ("data", "index", "sent", "socket")

    def __init__(self, address: str) -> None:
        self.socket = connect(address)
        self.index = 0
        self.sent = 0.0
        self.data = b""


class Loop:
    """One run of a task."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._messages = [each.encode() for each in task.requests]
        self._wanted = [each.encode() for each in task.answers]
        self._poller = select.epoll()
        self._wires: dict[int, _Wire] = {}
        self._next = 0
        self._times: list[float] = []
        self._failures, self._first = 0, ""

    def run(self) -> Load:
        """Keep every connection busy for the task's time, then wait for the last answers.

        Raises:
            OSError: the server cannot be reached, or does not answer for a minute.
        """
        try:
            wires = [self._open() for _ in range(self._task.clients)]
            cpu, begun = time.process_time(), time.perf_counter()
            for wire in wires:
                self._send(wire, time.perf_counter())
            self._answers(begun + self._task.seconds)
            took, cpu = time.perf_counter() - begun, time.process_time() - cpu
        finally:
            self._poller.close()
            for wire in self._wires.values():
                wire.socket.close()
        times, count = sorted(self._times), len(self._times)
        if not count:
            raise ConnectionError(f"no request was answered; {self._first}")
        p50, p99 = times[count // 2] * 1e3, times[int(count * 0.99)] * 1e3
        return Load(count, self._failures, took, p50, p99, cpu, self._first)

    def _answers(self, end: float) -> None:
        while self._wires:
            ready = self._poller.poll(_PATIENCE)
            if not ready:
                raise TimeoutError(f"no answer for {_PATIENCE:g} s")
            for number, _ in ready:
                wire = self._wires[number]
                received = wire.socket.recv(_ROOM)
                if not received:
                    wire = self._again(number, wire)
                elif not self._answered(wire, received):
                    continue
                now = time.perf_counter()
                if now < end:
                    self._send(wire, now)
                else:
                    self._close(wire)

    def _answered(self, wire: _Wire, received: bytes) -> bool:
        data = wire.data + received if wire.data else received
        cut = data.find(b"\r\n\r\n") + 4
        wanted = self._wanted[wire.index]
        # Nearly always a whole and right answer, so that is what is looked at first.
        if cut == 3 or data[cut:] != wanted or not data.startswith(b"HTTP/1.1 200"):
            body = _body(data)
            if body is None:
                wire.data = data
                return False
            if body != wanted or not data.startswith(b"HTTP/1.1 200"):
                self._fail(data[:400].decode("latin-1"))
        wire.data = b""
        self._times.append(time.perf_counter() - wire.sent)
        return True

    def _send(self, wire: _Wire, now: float) -> None:
        wire.index, wire.sent = self._next, now
        self._next = self._next + 1 if self._next + 1 < len(self._messages) else 0
        wire.socket.sendall(self._messages[wire.index])

    def _open(self) -> _Wire:
        wire = _Wire(self._task.address)
        self._wires[wire.socket.fileno()] = wire
        self._poller.register(wire.socket, select.EPOLLIN)
        return wire

    def _close(self, wire: _Wire) -> None:
        del self._wires[wire.socket.fileno()]
        self._poller.unregister(wire.socket)
        wire.socket.close()

    def _again(self, number: int, wire: _Wire) -> _Wire:
        """The server hung up: a failure, and the client comes back."""
        self._fail(f"the server closed connection {number} before its answer was complete")
        self._close(wire)
        return self._open()

    def _fail(self, words: str) -> None:
        self._failures += 1
        self._first = self._first or words


def run(task: Task) -> Load:
    """See :meth:`Loop.run`."""
    return Loop(task).run()


def _body(data: bytes) -> bytes | None:
    """The body of a complete answer, ``None`` while there is more to come."""
    head, gap, body = data.partition(b"\r\n\r\n")
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        return _joined(body) if body.endswith(b"0\r\n\r\n") else None
    _, found, rest = lowered.partition(b"content-length:")
    if not gap or (found and len(body) < int(rest.split(b"\r\n", 1)[0])):
        return None
    return body


def _joined(chunks: bytes) -> bytes:
    found = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size, 16)
        found, chunks = found + rest[:length], rest[length + 2 :] if length else b""
    return found


def main() -> None:
    """Read a task, run it, print what came of it."""
    print(json.dumps(asdict(run(Task(**json.load(sys.stdin))))))


if __name__ == "__main__":
    main()
