"""Further processes of a version: on demand, without a lost connection, and never deciding anything."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.replica.conftest import Replica, is_running, until
from tests.unit.replica.models import IRIS, ROW

RECORD = dict(zip(IRIS, ROW, strict=True))
LANES = {"concurrency": 3, "batching": False}


def who(data: Any, params: Any) -> Any:
    """A model that says which process answers."""
    import os

    return [os.getpid()]


def lanes(replica: Replica) -> dict[Any, int]:
    """Pids of the running processes by lane."""
    return {each["lane"]: each["pid"] for each in replica.worker("w1")["processes"]}


def running(replica: Replica, lane: Any) -> Callable[[], bool]:
    return lambda: lane in lanes(replica)


def test_lanes_are_started_by_their_first_request(replica: Replica, save_model: Callable[..., Path]) -> None:
    replica.put("w1", save_model(who), **LANES)
    status = replica.wait("w1")
    assert (status["lanes"], status["large"], status["batches"]) == (3, True, False)
    for lane in ("1", "2", "large"):
        assert (replica.sockets / f"w1-{lane}.sock").stat().st_mode & 0o077 == 0
    assert list(lanes(replica)) == [0]
    pids = [replica.score(name, [{"a": 1}]).json[0] for name in ("w1", "w1-1", "w1-large", "w1-1")]
    assert pids[0] == status["pid"]
    assert len(set(pids)) == 3
    assert pids[1] == pids[3]
    assert lanes(replica) == {0: pids[0], 1: pids[1], "large": pids[2]}
    assert replica.worker("w1")["restarts"] == 0


def test_a_batching_version_has_one_ordinary_lane(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model, concurrency=4, batching=True)
    status = replica.wait("w1")
    assert (status["batches"], status["lanes"], status["large"]) == (True, 1, True)
    assert not (replica.sockets / "w1-1.sock").exists()
    assert replica.score("w1-large", [RECORD]).json == [0]


def test_lanes_answer_at_the_same_time(replica: Replica, save_model: Callable[..., Path], tmp_path: Path) -> None:
    def meet(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        room = Path(data["room"].iloc[0])
        (room / str(data["me"].iloc[0])).touch()
        while len(list(room.iterdir())) < 3:
            time.sleep(0.01)
        return ["met"]

    room = tmp_path / "room"
    room.mkdir()
    replica.put("w1", save_model(meet), **LANES)
    replica.wait("w1")
    answers: list[Any] = []

    def go(name: str) -> None:
        answers.append(replica.score(name, [{"room": str(room), "me": name}]).json)

    callers = [threading.Thread(target=go, args=(name,)) for name in ("w1", "w1-1", "w1-2")]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert answers == [["met"]] * 3


def test_an_idle_lane_ends_without_a_lost_connection(
    make_replica: Callable[..., Replica], save_model: Callable[..., Path]
) -> None:
    replica = make_replica(lane_idle=0.2)
    replica.put("w1", save_model(who), **LANES)
    replica.wait("w1")
    answered: list[int] = []
    end = time.monotonic() + 60
    # Requests about as far apart as a lane's patience, a little earlier or later each time.
    while len(set(answered)) < 4 and time.monotonic() < end:
        answer = replica.score("w1-1", [{"a": 1}])
        assert answer.status == 200
        answered.append(answer.json[0])
        time.sleep(0.15 + (len(answered) % 9) * 0.02)
    assert len(set(answered)) >= 4
    until(lambda: list(lanes(replica)) == [0], "the lane ends")
    assert not any(is_running(pid) for pid in set(answered))
    assert replica.worker("w1")["large"]


def test_a_lane_that_dies_is_started_by_the_next_request(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    replica.put("w1", save_model(who), **LANES)
    zero = replica.wait("w1")["pid"]
    first = replica.score("w1-1", [{"a": 1}]).json[0]
    os.kill(first, signal.SIGKILL)
    second = replica.score("w1-1", [{"a": 1}]).json[0]
    assert second not in {first, zero}
    status = replica.worker("w1")
    assert (status["state"], status["restarts"], status["pid"], status["crashes"]) == ("READY", 0, zero, 0)


def test_a_lane_that_cannot_load_leaves_lane_0_alone(replica: Replica, save_model: Callable[..., Path]) -> None:
    directory = save_model(who)
    replica.put("w1", directory, **LANES)
    pid = replica.wait("w1")["pid"]
    (directory / "MLmodel").rename(directory / "gone")
    with pytest.raises(OSError):
        replica.score("w1-large", [{"a": 1}])
    until(lambda: not replica.worker("w1")["large"], "the lane is not offered any more")
    with pytest.raises(OSError):
        replica.score("w1-large", [{"a": 1}])
    assert replica.score("w1", [{"a": 1}]).json == [pid]
    assert replica.worker("w1")["state"] == "READY"
    assert "lane large ended" in replica.log("w1")


def test_lanes_survive_lane_0(replica: Replica, save_model: Callable[..., Path]) -> None:
    replica.put("w1", save_model(who), **LANES)
    zero = replica.wait("w1")["pid"]
    one = replica.score("w1-1", [{"a": 1}]).json[0]
    os.kill(zero, signal.SIGKILL)
    until(lambda: replica.worker("w1")["restarts"] == 1, "the restart is counted")
    assert replica.score("w1-1", [{"a": 1}]).json == [one]
    assert replica.wait("w1")["state"] == "READY"
    assert lanes(replica)[1] == one


def test_unloading_ends_every_lane_after_its_request(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def slow(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        while not Path(data["gate"].iloc[0]).exists():
            time.sleep(0.01)
        return ["done"]

    replica.put("w1", save_model(slow), **LANES)
    replica.wait("w1")
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(replica.score("w1-1", [{"gate": str(gate)}]).json))
    caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the request is in work")
    pids = set(lanes(replica).values())
    assert replica.control("DELETE", "/workers/w1?grace=30").status == 202
    until(lambda: not (replica.sockets / "w1-1.sock").exists(), "no new connection is taken")
    gate.touch()
    caller.join(20)
    assert answers == [["done"]]
    until(lambda: replica.worker("w1") == {}, "the version is forgotten")
    assert not any(is_running(pid) for pid in pids)
    assert not list(replica.sockets.glob("w1*"))


def test_lanes_die_with_a_killed_parent(replica: Replica, save_model: Callable[..., Path]) -> None:
    replica.put("w1", save_model(who), **LANES)
    replica.wait("w1")
    pid = replica.score("w1-large", [{"a": 1}]).json[0]
    os.kill(replica.process.pid, signal.SIGKILL)
    replica.process.wait()
    until(lambda: not is_running(pid), "the lane ends", deadline=5)
