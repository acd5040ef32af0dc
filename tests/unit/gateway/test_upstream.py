"""Answers of a worker: read by the parser the first time, remembered by their head, and the same both ways."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest

from jupyter_modelserve.gateway import upstream
from jupyter_modelserve.gateway.upstream import Connection


class Wire:
    """A transport that only notes that it was cut."""

    cut = False

    def writelines(self, pieces: Any) -> None:
        list(pieces)

    def abort(self) -> None:
        self.cut = True

    def is_closing(self) -> bool:
        return self.cut


async def connected() -> Connection:
    connection = Connection()
    connection.connection_made(cast(Any, Wire()))
    return connection


def answer(body: bytes, status: str = "200 OK", length: int | None = None, extra: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\ncontent-length: {length or len(body)}\r\n"
    return head.encode() + extra + b"\r\n" + body


def seen(connection: Connection) -> tuple[Any, ...]:
    return connection.status, connection.headers, connection.complete, connection.reusable, connection.take()


async def test_a_remembered_answer_is_read_as_the_first_one() -> None:
    upstream._heads.clear()
    connection = await connected()
    found = []
    for extra in (b"", b"", b"connection: close\r\n", b"connection: close\r\n"):
        for status in ("200 OK", "503 X"):
            connection = await connected()
            connection.send([b"x"])
            connection.data_received(answer(b"[1, 2]", status, extra=extra))
            found.append(seen(connection))
    assert len(upstream._heads) == 4
    assert found[0:2] == found[2:4]
    assert found[4:6] == found[6:8]
    assert [each[3] for each in found] == [True] * 4 + [False] * 4


async def test_a_known_head_with_another_length_of_body_is_not_believed() -> None:
    upstream._heads.clear()
    connection = await connected()
    for _ in range(2):
        connection.send([b"x"])
        connection.data_received(answer(b"[1]"))
        assert seen(connection)[4] == b"[1]"
    connection.send([b"x"])
    connection.data_received(answer(b"[1", length=3))
    assert not connection.complete
    connection.data_received(b"]")
    assert seen(connection)[4] == b"[1]"


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\n", answer(b"[2]", "500 X"), b"x"])
async def test_more_than_one_answer_ends_the_connection_and_changes_nothing(more: bytes) -> None:
    connection = await connected()
    for _ in range(2):
        connection.send([b"x"])
        connection.data_received(answer(b"[1]"))
        assert connection.reusable
        connection.take()
    connection.send([b"x"])
    connection.data_received(answer(b"[1]") + more)
    assert (connection.status, connection.complete, connection.lost, connection.reusable) == (200, True, True, False)
    assert connection.take() == b"[1]"


async def test_answers_without_a_length_are_never_remembered() -> None:
    upstream._heads.clear()
    for raw in (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n[1]",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"[1]"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ):
        connection = await connected()
        connection.send([b"x"])
        connection.data_received(raw)
    assert upstream._heads == {}
    connection = await connected()
    connection.send([b"x"], head_only=True)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert upstream._heads == {}


@pytest.mark.parametrize("seed", range(5))
async def test_any_mixture_of_whole_and_broken_up_answers_is_read_right(seed: int) -> None:
    rng = random.Random(seed)
    connection = await connected()
    for _ in range(300):
        body = bytes(rng.choices(b"[]0123456789, ", k=rng.randint(0, 40)))
        status = rng.choice(["200 OK", "400 X"])
        data = answer(body, status)
        connection.send([b"x"])
        while data:
            size = rng.choice([len(data), rng.randint(1, len(data))])
            connection.data_received(data[:size])
            data = data[size:]
        assert (connection.status, connection.complete, connection.reusable) == (int(status[:3]), True, True)
        assert connection.take() == body
