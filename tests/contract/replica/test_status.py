"""Waiting for a change of the status: whoever waits learns of it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.replica.conftest import Replica


@pytest.fixture
def replica(make_replica: Callable[..., Replica]) -> Replica:
    """One of its own: with a warm zygote a worker is LOADING for a moment only."""
    return make_replica()


def watch(replica: Replica, after: int, wait: float) -> dict[str, Any]:
    """The status as soon as it differs from *after*."""
    target = f"/status?after={after}&wait={wait:g}&in_flight=no"
    found: dict[str, Any] = replica.control("GET", target, timeout=wait + 30).json
    return found


def test_every_state_is_heard_of_without_polling(replica: Replica, iris_model: Path) -> None:
    status = watch(replica, 0, 30)
    assert status["workers"] == {}
    seen: list[str] = []
    threading.Thread(target=lambda: replica.put("w1", iris_model)).start()
    end = time.monotonic() + 60
    while "READY" not in seen and time.monotonic() < end:
        before = status["revision"]
        status = watch(replica, before, 60)
        assert status["revision"] != before
        seen += [each["state"] for each in status["workers"].values()]
    assert list(dict.fromkeys(seen)) == ["LOADING", "PROBING", "READY"]
    # The lanes that are offered come with READY or right after it.
    while not status["workers"]["w1"]["large"]:
        status = watch(replica, status["revision"], 60)
    os.kill(status["workers"]["w1"]["pid"], signal.SIGKILL)
    status = watch(replica, status["revision"], 60)
    assert (status["workers"]["w1"]["state"], status["workers"]["w1"]["restarts"]) == ("LOADING", 1)


def test_nothing_new_answers_when_the_time_is_over(replica: Replica) -> None:
    status = replica.control("GET", "/status").json
    begin = time.monotonic()
    again = watch(replica, status["revision"], 0.5)
    assert time.monotonic() - begin >= 0.5
    assert again["revision"] == status["revision"]


def test_a_wait_that_is_no_number_is_refused(replica: Replica) -> None:
    for wait in ("x", "-1", "61"):
        answer = replica.control("GET", f"/status?after=0&wait={wait}")
        assert (answer.status, answer.json["details"]) == (400, {"field": "wait"})


def test_a_waiting_caller_does_not_hold_up_the_end(replica: Replica) -> None:
    revision = replica.control("GET", "/status").json["revision"]
    caller = threading.Thread(target=lambda: _ignore(replica, revision), daemon=True)
    caller.start()
    replica.control("POST", "/stop?grace=1")
    assert replica.process.wait(20) == 0
    caller.join(10)
    assert not caller.is_alive()


def _ignore(replica: Replica, revision: int) -> None:
    try:
        watch(replica, revision, 30)
    except (OSError, ValueError):
        return
