"""The fast paths in real workers: many clients at once, what one of them breaks, and what the version says about it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow.types import DataType

from tests.contract.replica.conftest import KEY, Answer, Replica, _UnixConnection, call, until
from tests.unit.replica.models import IRIS, columns

CLIENTS = 64
D = columns(("d", DataType.double, True))
DECLARED: dict[str, Any] = {"metadata": {"modelserve.row_independent": True}}


def ask_many(path: Path, bodies: list[list[bytes]]) -> list[list[tuple[int, Any]]]:
    """One client per list, each on a connection of its own, all at once; statuses and answers in order."""
    gate = threading.Barrier(len(bodies))

    def client(mine: list[bytes]) -> list[tuple[int, Any]]:
        connection = _UnixConnection(str(path), 60)
        headers = {"x-modelserve-key": KEY, "content-type": "application/json"}
        found = []
        gate.wait(30)
        for body in mine:
            connection.request("POST", "/invocations", body, headers)
            response = connection.getresponse()
            found.append((response.status, json.loads(response.read())))
        connection.close()
        return found

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(client, bodies))


def values(count: int) -> list[list[bytes]]:
    """For each client its own numbers, one or two rows per request."""
    return [
        [json.dumps({"inputs": {"d": [client + number / 8] * (1 + number % 2)}}).encode() for number in range(count)]
        for client in range(CLIENTS)
    ]


def mean(data: Any, params: Any) -> Any:
    return data["d"] - data["d"].mean()


def rank(data: Any, params: Any) -> Any:
    return data["d"].rank() + data["d"] * 0


@pytest.mark.parametrize("function", [mean, rank])
@pytest.mark.parametrize("declared", [False, True], ids=["silent", "declared"])
def test_a_model_that_looks_at_other_rows_answers_under_load_as_alone(
    replica: Replica, save_model: Callable[..., Path], function: Callable[..., Any], declared: bool
) -> None:
    replica.put("w1", save_model(function, D, **(DECLARED if declared else {})))
    status = replica.wait("w1")
    assert (status["state"], status["batches"], status["path"]["kind"]) == ("READY", False, "pyfunc")
    bodies = values(2)
    alone = {body: replica.score("w1", body).json for body in {each for mine in bodies for each in mine}}
    answers = ask_many(replica.sockets / "w1.sock", bodies)
    for mine, found in zip(bodies, answers, strict=True):
        assert found == [(200, alone[body]) for body in mine]


@pytest.mark.parametrize("options", [{}, {"direct": False}, {"direct": False, "batching": False}], ids=str)
def test_an_estimator_answers_under_load_as_alone(replica: Replica, iris_model: Path, options: dict[str, Any]) -> None:
    replica.put("w1", iris_model, **options)
    status = replica.wait("w1")
    assert status["path"]["kind"] == ("pyfunc" if options else "direct")
    assert status["batches"] is ("batching" not in options)
    bodies = [
        [
            json.dumps(
                {"dataframe_split": {"columns": IRIS, "data": [[client / 9, 3.5, number + 0.5, value]]}}
            ).encode()
            for number in range(6)
            for value in (0.2, 2.5, "x" if client % 7 == 0 else 1.0, None if client % 5 == 0 else 1.5)
        ]
        for client in range(CLIENTS)
    ]
    replica.put("plain", iris_model, direct=False, batching=False)
    replica.wait("plain")
    answers = ask_many(replica.sockets / "w1.sock", bodies)
    oracle = ask_many(replica.sockets / "plain.sock", bodies)
    assert answers == oracle
    assert {status for found in answers for status, _ in found} == {200, 400}


def test_requests_that_wait_are_predicted_together_unless_they_must_be_alone(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def count(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        while data["d"].iloc[0] == 99 and not Path(gate).exists():
            time.sleep(0.01)
        return [len(data)] * len(data)

    replica.put("w1", save_model(count, D), batching=True)
    replica.wait("w1")
    found: dict[str, Any] = {}

    def send(name: str, value: float, **headers: str) -> None:
        found[name] = replica.score("w1", {"inputs": {"d": [value]}}, **headers).json["predictions"]

    callers = [threading.Thread(target=send, args=("first", 99))]
    callers[0].start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the first is being predicted")
    callers.extend(threading.Thread(target=send, args=(name, 1)) for name in "abc")
    callers.append(threading.Thread(target=send, args=("alone", 1), kwargs={"x_modelserve_alone": "1"}))
    for caller in callers[1:]:
        caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 5, "the others wait")
    gate.touch()
    for caller in callers:
        caller.join(20)
    assert found["first"] == [1]
    assert found["alone"] == [1]
    # The request that has to be alone may have come between them, so they are one batch or two.
    assert max(found[name][0] for name in "abc") >= 2


def test_a_batch_that_hangs_ends_in_half_the_time(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    """So that the gateway can ask each of its requests again, alone, while their callers still wait."""
    gate = tmp_path / "gate"

    def hold(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        while data["d"].iloc[0] and not Path(gate).exists():
            time.sleep(0.01)
        time.sleep(60 if len(data) > 1 else 0)
        return data["d"]

    replica.put("w1", save_model(hold, D), batching=True, timeout=4.0, kill_grace=60.0)
    replica.wait("w1")
    lost: list[str] = []

    def send() -> None:
        try:
            replica.score("w1", {"inputs": {"d": [1]}})
        except OSError:
            lost.append("lost")

    callers = [threading.Thread(target=send) for _ in range(4)]
    callers[0].start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the first is being predicted")
    for caller in callers[1:]:
        caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 4, "the others wait")
    begin = time.monotonic()
    gate.touch()
    for caller in callers:
        caller.join(30)
    assert lost == ["lost"] * 3
    assert time.monotonic() - begin < 30
    until(lambda: replica.worker("w1")["restarts"] == 1, "the restart is counted")
    assert "a batch of 3 requests ran longer than 2 seconds" in replica.log("w1")


def test_a_row_that_raises_spoils_only_its_own_request(replica: Replica, save_model: Callable[..., Path]) -> None:
    def picky(data: Any, params: Any) -> Any:
        if (data["d"] == 13).any():
            raise ValueError("unlucky")
        return data["d"] * 2

    replica.put("w1", save_model(picky, D), batching=True)
    replica.wait("w1")
    bodies = [
        [json.dumps({"inputs": {"d": [number]}}).encode() for number in (client % 16, 1)] for client in range(CLIENTS)
    ]
    for client, found in enumerate(ask_many(replica.sockets / "w1.sock", bodies)):
        number = client % 16
        if number == 13:
            assert found[0][0] == 400
            assert "ValueError" in found[0][1]["message"]
        else:
            assert found[0] == (200, {"predictions": [number * 2.0]})
        assert found[1] == (200, {"predictions": [2.0]})


def test_ping_answers_while_a_fast_version_predicts_slowly(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"

    def wait(data: Any, params: Any) -> Any:
        import time
        from pathlib import Path

        while data["d"].iloc[0] and not Path(gate).exists():
            time.sleep(0.01)
        return data["d"]

    replica.put("w1", save_model(wait, D), batching=True)
    replica.wait("w1")
    answers: list[Answer] = []
    caller = threading.Thread(target=lambda: answers.append(replica.score("w1", {"inputs": {"d": [1]}})))
    caller.start()
    until(lambda: replica.worker("w1")["in_flight"] == 1, "the request is in work")
    assert call(replica.sockets / "w1.sock", "GET", "/ping").json == {"ready": True, "in_flight": 1}
    gate.touch()
    caller.join(10)
    assert answers[0].json == {"predictions": [1.0]}
