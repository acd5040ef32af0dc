"""The load generator tells the truth: it does not wait for stalls, and it counts everything that fails."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.load import Load, Shot
from tests.support.slo import Slo, longest_gap, percentile, report

OK = b"HTTP/1.1 200 OK\r\nx-modelserve-version: 1\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}"


@contextmanager
def answering(answer: Callable[[int], bytes | None]) -> Iterator[str]:
    """A server that gives its n-th request ``answer(n)``; ``None`` hangs up."""
    count, lock = [0], threading.Lock()

    def follow(client: socket.socket) -> None:
        with client:
            while data := client.recv(65536):
                assert data.startswith(b"POST /score HTTP/1.1\r\n")
                with lock:
                    number = count[0]
                    count[0] += 1
                found = answer(number)
                if found is None:
                    return
                client.sendall(found)

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=follow, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def load(url: str, rate: float = 200, most: int = 100) -> Load:
    return Load(url, "token", "/score", "{}", rate=rate, most=most)


def test_the_rate_is_kept_and_connections_are_used_again() -> None:
    with answering(lambda _: OK) as url, load(url, rate=400) as running:
        running.wait_for(100)
        assert running.now() >= 99 / 400
    assert [shot.intended for shot in sorted(running.shots, key=lambda s: s.intended)] == [n / 400 for n in range(100)]
    Slo(least=100, versions=frozenset("1")).check(running.shots)


def test_a_stall_delays_nobody_but_is_counted_from_the_intended_start() -> None:
    release = threading.Event()

    def answer(number: int) -> bytes:
        if number == 0:
            release.wait(10)
        return OK

    with answering(answer) as url, load(url, rate=200, most=50) as running:
        running.wait_for(49)
        time.sleep(0.2)
        release.set()
        running.wait_for(50)
    slowest = max(running.shots, key=lambda shot: shot.latency)
    assert slowest.intended == 0
    assert slowest.latency >= 0.2


def test_what_is_refused_or_lost_is_counted() -> None:
    with answering(lambda number: {3: BUSY, 7: None}.get(number, OK)) as url, load(url, most=40) as running:
        running.wait_for(40)
    assert sorted(shot.status for shot in running.shots if shot.status != 200) == [0, 503]
    with pytest.raises(AssertionError, match="2 failed, 0 may"):
        Slo().check(running.shots)
    Slo(failed=2, only=frozenset({0, 503})).check(running.shots)
    with pytest.raises(AssertionError, match=r"statuses \[0\]"):
        Slo(failed=2, only=frozenset({503})).check(running.shots)


def test_nobody_listening_is_a_failure_and_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with load(f"http://127.0.0.1:{port}", most=5) as running:
        running.wait_for(5)
    assert {shot.status for shot in running.shots} == {0}


def test_it_stays_on_this_machine() -> None:
    with pytest.raises(AssertionError, match="stays on this machine"):
        load("http://192.0.2.1:80").__enter__()


def shots(*statuses: int, retry_after: bool = True) -> list[Shot]:
    return [Shot(n, n + 0.5, status, "1", retry_after) for n, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("slo", "found", "said"),
    [
        (Slo(least=3), shots(200), "1 requests, at least 3"),
        (Slo(versions=frozenset("2")), shots(200), r"answered by \['1'\]"),
        (Slo(failed=1), shots(200, 503, retry_after=False), "without Retry-After"),
        (Slo(failed=9, gap=2), shots(200, 503, 503, 503, 200), "4.00 s without an answer"),
    ],
)
def test_what_an_slo_demands(slo: Slo, found: list[Shot], said: str) -> None:
    with pytest.raises(AssertionError, match=said) as raised:
        slo.check(found)
    assert report(found) in str(raised.value)


def test_figures() -> None:
    assert longest_gap([]) == 0
    assert longest_gap(shots(503, 200, 200)) == 1.5
    found = [Shot(0, seconds, 200) for seconds in (0.1, 0.2, 0.3, 9.0)]
    assert percentile(found, 0.5) == pytest.approx(0.3)
    assert percentile(found, 0.99) == pytest.approx(9)
    assert percentile([], 0.5) == 0
    many = shots(*([500] * 9))
    assert "and 4 more, the last at 8.00 s" in report(many)
