"""The life of a replica with real processes: start, score, crash, restart, drain, stop."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.replica.conftest import Answer, Replica, call, is_running, until
from tests.unit.replica.models import IRIS, ROW, columns

RECORD = dict(zip(IRIS, ROW, strict=True))


def lose(replica: Replica) -> None:
    """Send a request whose worker will die."""
    with pytest.raises(OSError):
        replica.score("w1", [{"a": 1}])


@pytest.mark.req("REQ-031", "REQ-034")
def test_ready_means_that_it_predicted(replica: Replica, iris_model: Path) -> None:
    assert replica.put("w1", iris_model).status == 202
    status = replica.wait("w1")
    assert (status["state"], status["verdict"], status["failure"]) == ("READY", "passed", None)
    assert [phase["name"] for phase in status["phases"]] == ["start", "load", "probe", "ready"]
    assert all(phase["done"] for phase in status["phases"])
    assert status["loader"] == "mlflow.sklearn"
    assert [column["name"] for column in status["signature"]["inputs"]] == IRIS
    assert status["address"] == f"unix:{replica.sockets}/w1.sock"
    answer = replica.score("w1", [RECORD])
    assert (answer.status, answer.json) == (200, [0])
    assert answer.headers["x-modelserve-format"] == "mlflow-1-records"
    assert (replica.sockets / "w1.sock").stat().st_mode & 0o077 == 0


def test_the_parent_identifies_itself(replica: Replica) -> None:
    status = replica.control("GET", "/status").json
    identity = json.loads((replica.root / "parent.json").read_text())
    start = Path(f"/proc/{replica.process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    assert (status["replica_id"], status["nonce"], status["pid"]) == ("abc", "n-1", replica.process.pid)
    assert identity == {"pid": replica.process.pid, "start_time": start}


def test_wrong_key_is_misdirected(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    replica.wait("w1")
    assert replica.control("GET", "/status", key="other").status == 421
    for key in ("", "other", KEY_LIKE):
        answer = replica.score("w1", [RECORD], key=key)
        assert (answer.status, answer.json["error_code"]) == (421, "MISDIRECTED_REQUEST")


KEY_LIKE = "k" * 31


def test_put_is_idempotent_and_refuses_another_spec(replica: Replica, iris_model: Path) -> None:
    assert [replica.put("w1", iris_model).status for _ in range(2)] == [202, 202]
    pid = replica.wait("w1")["pid"]
    assert replica.put("w1", iris_model).status == 202
    assert replica.worker("w1")["pid"] == pid
    answer = replica.put("w1", iris_model, version="2")
    assert (answer.status, answer.json["error_code"]) == (409, "RESOURCE_CONFLICT")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"model": "m"}, "version"),
        ({"model": 1}, "model"),
        ({"model": "m", "version": "1", "directory": "/x", "timeout": "a"}, "timeout"),
    ],
)
def test_a_bad_spec_names_the_field(replica: Replica, document: dict[str, Any], field: str) -> None:
    answer = replica.control("PUT", "/workers/w1", document)
    assert (answer.status, answer.json["details"]) == (400, {"field": field})


def test_a_killed_worker_is_started_again(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    first = replica.wait("w1")
    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: replica.worker("w1")["restarts"] == 1, "the restart is counted")
    second = replica.wait("w1")
    assert (second["state"], second["restarts"]) == ("READY", 1)
    assert second["pid"] != first["pid"]
    assert replica.score("w1", [RECORD]).status == 200
    assert "signal 9" in replica.log("w1")


def test_a_worker_that_is_killed_on_its_way_back_is_started_again(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    killed = replica.wait("w1")["pid"]
    for restarts in (1, 2):
        os.kill(killed, signal.SIGKILL)
        found = until(lambda restarts=restarts: reloading(replica, restarts), f"life {restarts + 1} begins")  # type: ignore[misc]
        killed = found["pid"]
    assert (found["state"], found["crashes"]) == ("LOADING", 2)
    assert replica.wait("w1")["state"] == "READY"


def reloading(replica: Replica, restarts: int) -> dict[str, Any] | None:
    """The worker's status while its process loads in the life after *restarts* restarts."""
    found = replica.worker("w1")
    return found if found.get("pid") and (found["state"], found["restarts"]) == ("LOADING", restarts) else None


def test_workers_die_with_a_killed_parent(replica: Replica, save_model: Callable[..., Path]) -> None:
    def hold(data: Any, params: Any) -> Any:
        import time

        time.sleep(60)

    replica.put("w1", save_model(hold))
    pid = replica.wait("w1")["pid"]
    caller = threading.Thread(target=lose, args=(replica,), daemon=True)
    caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the request is in work")
    os.kill(replica.process.pid, signal.SIGKILL)
    replica.process.wait()
    until(lambda: not is_running(pid), "the worker is gone", deadline=2.0)


def test_a_second_parent_ends_at_once(replica: Replica) -> None:
    other = Replica(replica.root, replica.sockets)
    first = replica.process
    other.start()
    assert other.process.wait(10) == 0
    assert first.poll() is None


def test_delete_waits_for_the_request_in_flight(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def slow(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        while not Path(data["gate"].iloc[0]).exists():
            time.sleep(0.01)
        return ["done"]

    replica.put("w1", save_model(slow))
    replica.wait("w1")
    answers: list[Answer] = []
    caller = threading.Thread(target=lambda: answers.append(replica.score("w1", [{"gate": str(gate)}])))
    caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the request is in work")
    assert replica.control("DELETE", "/workers/w1?grace=30").status == 202
    assert replica.wait("w1", "UNLOADING")["state"] == "UNLOADING"
    until(lambda: not (replica.sockets / "w1.sock").exists(), "no new connection is taken")
    gate.touch()
    caller.join(10)
    assert (answers[0].status, answers[0].json) == (200, ["done"])
    until(lambda: replica.worker("w1") == {}, "the worker is forgotten")
    assert replica.control("DELETE", "/workers/w1").status == 204


def test_delete_ends_what_outlives_the_grace(replica: Replica, save_model: Callable[..., Path]) -> None:
    def hold(data: Any, params: Any) -> Any:
        import time

        time.sleep(60)

    replica.put("w1", save_model(hold))
    pid = replica.wait("w1")["pid"]
    caller = threading.Thread(target=lose, args=(replica,), daemon=True)
    caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the request is in work")
    replica.control("DELETE", "/workers/w1?grace=0.2")
    until(lambda: replica.worker("w1") == {} and not is_running(pid), "the worker is ended", deadline=10)


def test_stop_ends_everything(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    pid = replica.wait("w1")["pid"]
    assert replica.control("POST", "/stop?grace=5").status == 202
    assert replica.process.wait(20) == 0
    assert not is_running(pid)
    assert list(replica.sockets.iterdir()) == []


@pytest.mark.req("REQ-130")
def test_the_watchdog_restarts_a_worker_that_hangs(replica: Replica, save_model: Callable[..., Path]) -> None:
    def hold(data: Any, params: Any) -> Any:
        import time

        time.sleep(60 if data["seconds"].iloc[0] else 0)
        return ["awake"]

    replica.put("w1", save_model(hold), timeout=0.3, kill_grace=0.2)
    pid = replica.wait("w1")["pid"]
    with pytest.raises(OSError):
        replica.score("w1", [{"seconds": 1}])
    until(lambda: replica.worker("w1")["restarts"] == 1, "the restart is counted")
    assert replica.wait("w1")["pid"] != pid
    assert "longer than" in replica.log("w1")
    assert replica.score("w1", [{"seconds": 0}]).json == ["awake"]


def queued(replica: Replica, count: int) -> Callable[[], bool]:
    return lambda: bool(replica.worker("w1")["in_flight"] == count)


def test_requests_wait_in_order_and_ping_answers_meanwhile(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    seen, gate = tmp_path / "seen", tmp_path / "gate"

    def note(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        with Path(data["seen"].iloc[0]).open("a") as stream:
            stream.write(data["name"].iloc[0])
        while not Path(data["gate"].iloc[0]).exists():
            time.sleep(0.01)
        return ["done"]

    replica.put("w1", save_model(note))
    replica.wait("w1")
    callers = []
    for position, name in enumerate("abc"):
        body = [{"seen": str(seen), "gate": str(gate), "name": name}]
        timeout = 0.5 if name == "b" else 30

        def send(body: Any = body, timeout: float = timeout) -> None:
            try:
                replica.score("w1", body, timeout=timeout)
            except TimeoutError:
                return

        callers.append(threading.Thread(target=send))
        callers[-1].start()
        until(queued(replica, position + 1), "the request is queued")
    assert call(replica.sockets / "w1.sock", "GET", "/ping").json == {"ready": True, "in_flight": 3}
    callers[1].join(10)
    gate.touch()
    for caller in callers:
        caller.join(10)
    # The second caller hung up before its turn, so the model never saw it.
    assert seen.read_text() == "ac"


def test_the_environment_has_no_secrets(make_replica: Callable[..., Replica], save_model: Callable[..., Path]) -> None:
    secrets = {
        "MODELSERVE_HOME": "x",
        "MLFLOW_TRACKING_TOKEN": "x",
        "DATABRICKS_HOST": "x",
        "GITHUB_TOKEN": "x",
        "PYTHONPATH": "/x",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    replica = make_replica(**secrets)

    def environ(data: Any, params: Any) -> Any:
        import os
        import sys

        return {"environ": dict(os.environ), "path": sys.path, "argv": sys.argv}

    replica.put("w1", save_model(environ), environ={"WANTED": "yes"})
    replica.wait("w1")
    found = replica.score("w1", [{"a": 1}]).json
    assert not set(secrets) & set(found["environ"])
    assert found["environ"]["WANTED"] == "yes"
    assert found["environ"]["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "OMP_NUM_THREADS" in found["environ"]
    assert not any(entry.rstrip("/").endswith("replica") for entry in found["path"])
    assert not any("k" * 31 in word for word in found["argv"])


def test_an_unready_worker_says_try_again(replica: Replica, tmp_path: Path, save_model: Callable[..., Path]) -> None:
    gate = tmp_path / "gate"
    helper = tmp_path / "slow_helper.py"
    helper.write_text(f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n")

    def use(data: Any, params: Any) -> Any:
        return ["ok"]

    directory = save_model(use)
    (directory / "code").mkdir()
    helper.rename(directory / "code" / "slow_helper.py")
    text = (directory / "MLmodel").read_text().replace("code: null", "code: code")
    (directory / "MLmodel").write_text(text.replace("loader_module: mlflow.pyfunc.model", "loader_module: slow_helper"))
    replica.put("w1", directory)
    socket = replica.sockets / "w1.sock"
    until(socket.exists, "the worker listens")
    until(lambda: replica.worker("w1")["phases"][0]["done"], "the worker has started")
    answer = replica.score("w1", [{"a": 1}])
    assert (answer.status, answer.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert "retry-after" in answer.headers
    gate.touch()
    assert replica.wait("w1")["failure"]["cause"] == "load failed"


def test_restart_time_stays_small(replica: Replica, save_model: Callable[..., Path]) -> None:
    def double(data: Any, params: Any) -> Any:
        return data["d"] * 2

    from mlflow.types import DataType

    replica.put("w1", save_model(double, columns(("d", DataType.double, True))))
    status = replica.wait("w1")
    # No example, and the row made from the signature was answered: nothing is claimed.
    assert (status["state"], status["verdict"]) == ("READY", "none")
    begin = time.monotonic()
    assert replica.score("w1", {"inputs": {"d": [1, 2]}}).json == {"predictions": [2.0, 4.0]}
    assert time.monotonic() - begin < 5
