"""Versions that cannot become ready say why, in one named cause; their neighbours go on."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.types import Cause, Failure, from_json
from tests.contract.replica.conftest import KEY, Replica, until
from tests.unit.replica.models import IRIS, ROW, columns

RECORD = dict(zip(IRIS, ROW, strict=True))


def with_loader(directory: Path, source: str) -> Path:
    """Make the model's loading run *source* (a module in its code directory)."""
    (directory / "code").mkdir()
    (directory / "code" / "odd_loader.py").write_text(source)
    text = (directory / "MLmodel").read_text().replace("code: null", "code: code")
    (directory / "MLmodel").write_text(text.replace("loader_module: mlflow.pyfunc.model", "loader_module: odd_loader"))
    return directory


def echo(data: Any, params: Any) -> Any:
    return data


@pytest.mark.req("REQ-050")
@pytest.mark.parametrize(
    ("source", "cause", "message", "hint"),
    [
        ("import xgboost_of_nowhere", Cause.MISSING_MODULE, "xgboost_of_nowhere", "extra_pip_requirements"),
        ("import pyspark", Cause.MISSING_MODULE, "pyspark", 'extra_pip_requirements=["pyspark=='),
        ("from numpy import removed_long_ago", Cause.VERSION_CONFLICT, "versions do not fit", "removed_long_ago"),
        (
            "import pickle\npickle.loads(b'nonsense')",
            Cause.CANNOT_UNPICKLE,
            "cannot be unpickled",
            "log the model again",
        ),
        (
            "import pickle\npickle.loads(b'c__main__\\nGone\\n.')",
            Cause.CANNOT_UNPICKLE,
            "Gone of module __main__",
            "code_paths",
        ),
        ("raise MemoryError", Cause.OUT_OF_MEMORY, "memory did not suffice", "workload size"),
        ("open('/nowhere/weights.bin')", Cause.ARTIFACTS_MISSING, "weights.bin", "log the model again"),
        ("raise RuntimeError('odd weights')", Cause.LOAD_FAILED, "RuntimeError: odd weights", "log"),
        ("import sys\nsys.exit(3)", Cause.LOAD_FAILED, "SystemExit", "log"),
        ("import os\nos._exit(3)", Cause.CRASHED, "exit code 3", "ended the process"),
        ("import os\nos.kill(os.getpid(), 11)", Cause.CRASHED, "signal 11", "native code"),
        ("import os\nos.kill(os.getpid(), 9)", Cause.CRASHED, "signal 9", "memory"),
    ],
)
def test_a_failing_load_has_one_named_cause(
    replica: Replica, save_model: Callable[..., Path], source: str, cause: Cause, message: str, hint: str
) -> None:
    replica.put("w1", with_loader(save_model(echo), "print('line before the end', flush=True)\n" + source))
    status = replica.wait("w1")
    failure = from_json(Failure, status["failure"])
    assert (status["state"], failure.cause) == ("FAILED", cause)
    assert message in failure.message
    assert "\n" not in failure.message
    assert hint in failure.hint
    assert "line before the end" in "\n".join(failure.log_tail)
    assert status["restarts"] == 0


def test_a_failed_version_leaves_its_neighbour_alone(
    replica: Replica, save_model: Callable[..., Path], iris_model: Path
) -> None:
    replica.put("good", iris_model)
    replica.put("bad", with_loader(save_model(echo), "raise RuntimeError"))
    assert replica.wait("good")["state"] == "READY"
    assert replica.wait("bad")["state"] == "FAILED"
    assert replica.score("good", [RECORD]).json == [0]
    assert replica.control("DELETE", "/workers/bad").status == 202
    until(lambda: replica.worker("bad") == {}, "the failed worker is forgotten")


def test_a_missing_model_file_is_named(replica: Replica, tmp_path: Path) -> None:
    replica.put("w1", tmp_path / "nothing")
    failure = replica.wait("w1")["failure"]
    assert failure["cause"] == Cause.ARTIFACTS_MISSING
    assert "MLmodel" in failure["message"]


def test_a_failing_example_blocks_and_a_failing_invented_row_does_not(
    replica: Replica, save_model: Callable[..., Path]
) -> None:
    from mlflow.types import DataType

    def picky(data: Any, params: Any) -> Any:
        if (data["d"] < 1).any():
            raise ValueError("must be positive")
        return data["d"]

    signature = columns(("d", DataType.double, True))
    replica.put("invented", save_model(picky, signature))
    status = replica.wait("invented")
    assert (status["state"], status["verdict"]) == ("READY", "synthetic refused")
    directory = save_model(picky, signature)
    (directory / "serving_input_example.json").write_text('{"dataframe_split": {"columns": ["d"], "data": [[0.5]]}}')
    replica.put("logged", directory)
    status = replica.wait("logged")
    assert (status["state"], status["failure"]["cause"]) == ("FAILED", Cause.PROBE_FAILED)
    assert "ValueError" in status["failure"]["message"]
    assert "must be positive" in "\n".join(status["failure"]["log_tail"])


def test_loading_has_a_budget(replica: Replica, save_model: Callable[..., Path]) -> None:
    directory = with_loader(save_model(echo), "import time\ntime.sleep(60)")
    replica.put("w1", directory, startup_budget=1.0)
    failure = replica.wait("w1")["failure"]
    assert failure["cause"] == Cause.STARTUP_TIMED_OUT
    assert "1 seconds" in failure["message"]


def restarted(replica: Replica, count: int) -> Callable[[], bool]:
    return lambda: bool(replica.worker("bad")["restarts"] == count)


def test_a_crash_while_serving_spares_the_neighbours_and_backs_off(
    replica: Replica, save_model: Callable[..., Path], iris_model: Path
) -> None:
    def crash(data: Any, params: Any) -> Any:
        import os

        os._exit(9)

    replica.put("good", iris_model)
    replica.put("bad", save_model(crash))
    good = replica.wait("good")
    for restarts in (1, 2):
        assert replica.wait("bad")["state"] == "READY"
        with pytest.raises(OSError):
            replica.score("bad", [{"a": 1}])
        until(restarted(replica, restarts), "the restart is counted")
    replica.wait("bad")
    log = replica.log("bad")
    assert "exit code 9; starting again in 0 s" in log
    assert "exit code 9; starting again in 1 s" in log
    assert replica.worker("good")["pid"] == good["pid"]
    assert replica.worker("good")["restarts"] == 0


def test_same_named_modules_of_two_versions_do_not_mix(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    def use(data: Any, params: Any) -> Any:
        from importlib import import_module

        return [import_module("worker").NAME, import_module("parent").NAME]

    for number in ("1", "2"):
        source = tmp_path / number
        source.mkdir()
        # Named like modules of the replica itself on purpose.
        (source / "worker.py").write_text(f"NAME = 'worker {number}'\n")
        (source / "parent.py").write_text(f"NAME = 'parent {number}'\n")
        code_paths = [str(source / "worker.py"), str(source / "parent.py")]
        replica.put(f"w{number}", save_model(use, code_paths=code_paths), version=number)
    for number in ("1", "2"):
        assert replica.wait(f"w{number}")["state"] == "READY"
    for number in ("1", "2"):
        assert replica.score(f"w{number}", [{"a": 1}]).json == [f"worker {number}", f"parent {number}"]


def test_the_log_is_rotated_and_bounded(make_replica: Callable[..., Replica], save_model: Callable[..., Path]) -> None:
    replica = make_replica(log_limit=20_000)

    def chatter(data: Any, params: Any) -> Any:
        for number in range(20):
            print(f"{number:03}" + "x" * 1000)
        return ["ok"]

    replica.put("w1", save_model(chatter))
    replica.wait("w1")
    for _ in range(12):
        assert replica.score("w1", [{"a": 1}]).status == 200
    until(lambda: replica.log("w1", 1).startswith("019x"), "the last line has arrived")
    files = sorted((replica.root / "logs").glob("w1.log*"))
    assert [file.name for file in files] == ["w1.log", "w1.log.1", "w1.log.2", "w1.log.3"]
    assert all(file.stat().st_size <= 90_000 for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    lines = replica.log("w1", 3).splitlines()
    assert [line[:3] for line in lines] == ["017", "018", "019"]


def raw(path: Path, data: bytes) -> bytes:
    """What comes back for bytes as they are, until the other side closes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(data)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


@pytest.mark.req("REQ-014")
def test_garbage_and_large_bodies_are_refused_politely(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model, body_limit=1000)
    pid = replica.wait("w1")["pid"]
    address = replica.sockets / "w1.sock"
    head = b"POST /invocations HTTP/1.1\r\nx-modelserve-key: " + KEY.encode() + b"\r\n"
    for data, status in (
        (b"\0\1\2\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"x" * 70_000, b"431"),
        (head + b"content-length: 1001\r\n\r\n" + b"x" * 1001, b"413"),
        (head + b"content-length: -1\r\n\r\n", b"400"),
        (head + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
        (head + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (head + b"connection: close\r\ncontent-length: 0\r\n\r\n", b"400"),
    ):
        answer = raw(address, data)
        assert answer.startswith(b"HTTP/1.1 " + status), data[:80]
        assert b"connection: close" in answer
        assert b'"error_code"' in answer
    assert replica.score("w1", [RECORD]).status == 200
    assert replica.worker("w1")["pid"] == pid


def test_pipelined_requests_are_answered_in_order(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    replica.wait("w1")
    head = b"x-modelserve-key: " + KEY.encode() + b"\r\n"
    body = b'{"inputs": [[5.1, 3.5, 1.4, 0.2]]}'
    score = b"POST /invocations HTTP/1.1\r\n" + head + b"content-length: %d\r\n\r\n" % len(body) + body
    last = b"GET /ping HTTP/1.1\r\nconnection: close\r\n" + head + b"\r\n"
    answer = raw(replica.sockets / "w1.sock", score + score + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b'{"predictions": [0]}') == 2
    assert answer.rstrip().endswith(b"}")
    assert answer.index(b'"ready"') > answer.rindex(b"predictions")


def test_a_model_exception_stays_in_the_log(replica: Replica, save_model: Callable[..., Path]) -> None:
    def fail(data: Any, params: Any) -> Any:
        raise ValueError("value " + data["s"].iloc[0])

    replica.put("w1", save_model(fail))
    replica.wait("w1")
    answer = replica.score("w1", [{"s": "private-value"}])
    assert answer.status == 400
    assert "ValueError" in answer.json["message"]
    assert b"private-value" not in answer.body
    assert b"Traceback" not in answer.body
    until(lambda: "request r-1 failed" in replica.log("w1"), "the traceback is in the log")
    assert "Traceback" in replica.log("w1")


def test_terminating_the_parent_drains(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    replica.wait("w1")
    os.kill(replica.process.pid, signal.SIGTERM)
    assert replica.process.wait(20) == 0
    assert list(replica.sockets.iterdir()) == []


def test_native_code_that_keeps_the_lock_is_ended_too(replica: Replica, save_model: Callable[..., Path]) -> None:
    def hold(data: Any, params: Any) -> Any:
        import re

        # A pattern that backtracks for hours within one call that never lets go of the interpreter lock.
        re.match("(a+)+$", "a" * 60 + "b")

    replica.put("w1", save_model(hold), timeout=0.2, kill_grace=0.2)
    pid = replica.wait("w1")["pid"]
    with pytest.raises(OSError):
        replica.score("w1", [{"a": 1}], timeout=60)
    until(lambda: replica.worker("w1")["restarts"] == 1, "the restart is counted")
    assert replica.wait("w1")["pid"] != pid
