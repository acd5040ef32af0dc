"""How long loading and a one-row request take; printed for the record, with bounds that only a defect exceeds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.replica.conftest import KEY, Replica, _UnixConnection
from tests.unit.replica.models import IRIS, ROW


@pytest.fixture
def replica(make_replica: Callable[..., Replica]) -> Replica:
    """One of its own: the time includes its zygote's."""
    return make_replica()


def test_load_and_one_row(replica: Replica, iris_model: Path) -> None:
    begin = time.perf_counter()
    replica.put("w1", iris_model)
    status = replica.wait("w1")
    ready = time.perf_counter() - begin
    body = b'{"dataframe_split": {"columns": ["%s"], "data": [%s]}}' % ('", "'.join(IRIS).encode(), str(ROW).encode())
    headers = {"x-modelserve-key": KEY, "content-type": "application/json"}
    connection = _UnixConnection(str(replica.sockets / "w1.sock"), 30)
    times = []
    for _ in range(300):
        start = time.perf_counter()
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b'{"predictions": [0]}')
        times.append((time.perf_counter() - start) * 1000)
    connection.close()
    p99 = sorted(times)[296]
    phases = {phase["name"]: round(phase["seconds"], 2) for phase in status["phases"]}
    print(f"\nready after {ready:.2f} s {phases}; one row: median {statistics.median(times):.2f} ms, p99 {p99:.2f} ms")
    assert ready < 60
    assert statistics.median(times) < 100
