"""The load generator tells right answers from wrong ones, and knows which answer belongs to which request."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.generator import Task, connect, run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[Callable[[bytes], list[bytes]]], str]]:
    """Starts a server on a unix socket; its function turns the body of a request into the packets of an answer."""
    listeners: list[socket.socket] = []

    def talk(wire: socket.socket, answer: Callable[[bytes], list[bytes]]) -> None:
        with wire, suppress(ConnectionResetError, BrokenPipeError):
            while data := wire.recv(1 << 16):
                for packet in answer(data.partition(b"\r\n\r\n")[2]):
                    wire.sendall(packet)

    def accept(listener: socket.socket, answer: Callable[[bytes], list[bytes]]) -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(wire, answer), daemon=True).start()

    def start(answer: Callable[[bytes], list[bytes]]) -> str:
        listener = socket.socket(socket.AF_UNIX)
        path = str(tmp_path / f"{len(listeners)}.sock")
        listener.bind(path)
        listener.listen()
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, answer), daemon=True).start()
        return path

    yield start
    for each in listeners:
        each.close()


def plain(body: bytes, status: str = "200 OK") -> list[bytes]:
    return [f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body]


def task(address: str, count: int = 3, clients: int = 4, seconds: float = 0.1) -> Task:
    bodies = [f"row {index}" for index in range(count)]
    head = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n"
    return Task(address, [head + body for body in bodies], [body.upper() for body in bodies], clients, seconds)


def test_right_answers_count(server: Callable[..., str]) -> None:
    found = run(task(server(lambda body: plain(body.upper()))))
    assert found.requests >= 4
    assert found.failures == 0
    assert 0 < found.p50 <= found.p99
    assert found.seconds >= 0.1


def test_an_answer_may_come_in_pieces_or_in_chunks(server: Callable[..., str]) -> None:
    def slowly(body: bytes) -> list[bytes]:
        return [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n\r\nRO", body[2:].upper()]

    def chunked(body: bytes) -> list[bytes]:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return [head + b"2\r\nRO\r\n", b"3\r\n" + body[2:].upper() + b"\r\n0\r\n\r\n"]

    for answer in (slowly, chunked):
        found = run(task(server(answer)))
        assert found.requests >= 4
        assert found.failures == 0, found.first_failure


def test_the_answer_of_another_request_is_a_failure(server: Callable[..., str]) -> None:
    found = run(task(server(lambda body: plain(b"ROW 0"))))
    assert 0 < found.failures < found.requests
    assert "ROW 0" in found.first_failure


def test_an_error_with_the_right_body_is_a_failure(server: Callable[..., str]) -> None:
    found = run(task(server(lambda body: plain(body.upper(), "503 Service Unavailable"))))
    assert found.failures == found.requests


def test_a_connection_that_ends_is_a_failure_and_the_client_comes_back(server: Callable[..., str]) -> None:
    seen: list[bytes] = []

    def once_half(body: bytes) -> list[bytes]:
        seen.append(body)
        if len(seen) == 1:
            raise ConnectionResetError
        return plain(body.upper())

    found = run(task(server(once_half), clients=2))
    assert found.failures == 1
    assert found.requests > 2
    assert "closed" in found.first_failure


def test_nothing_that_answers_is_an_error(tmp_path: Path, server: Callable[..., str]) -> None:
    with pytest.raises(OSError, match=r"No such file"):
        run(task(str(tmp_path / "nobody.sock")))


def test_it_stays_on_this_machine() -> None:
    with pytest.raises(AssertionError, match="loopback"):
        connect("192.0.2.1:80")
