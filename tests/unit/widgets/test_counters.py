"""From the gateway's own text to requests, latencies and availability."""

from __future__ import annotations

import pytest

from jupyter_modelserve.gateway.metrics import Metrics
from jupyter_modelserve.gateway.request import Request
from jupyter_modelserve.widgets import counters
from jupyter_modelserve.widgets.counters import Count, Key
from jupyter_modelserve.widgets.history import History


class Gateway:
    """The gateway's real counters, fed by hand."""

    def __init__(self, started: float = 100.0) -> None:
        self._metrics = Metrics(started)

    def answered(
        self, status: int, seconds: float, number: int = 1, *, version: str = "1", model: str = "iris"
    ) -> None:
        request = Request.__new__(Request)
        request.owner, request.endpoint, request.model = "gateway", "flowers", model
        request.version, request.status = version, status
        for _ in range(number):
            self._metrics.observe(request, seconds)

    def read(self) -> tuple[float, counters.Reading]:
        return counters.read(self._metrics.render([], {}).decode())


IRIS = Key("flowers", "iris", "1")


def test_the_gateways_text_is_read() -> None:
    gateway = Gateway()
    gateway.answered(200, 0.004, 97)
    gateway.answered(422, 0.001, 2)
    gateway.answered(503, 0.2)
    gateway.answered(200, 0.01, 5, version="2")
    gateway.answered(200, 0.01, model="")  # what went to no model is none of the endpoints'
    started, found = gateway.read()
    assert started == 100
    assert set(found) == {IRIS, Key("flowers", "iris", "2")}
    count = found[IRIS]
    assert (count.requests, count.refused, count.failed) == (100, 2, 1)
    assert count.availability == pytest.approx(0.99)
    assert count.seconds == pytest.approx(0.59)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 1.0])
def test_a_quantile_lies_in_the_bucket_of_the_true_one(share: float) -> None:
    gateway = Gateway()
    times = sorted([0.0015] * 60 + [0.02] * 30 + [0.3] * 9 + [4.0])
    for each in times:
        gateway.answered(200, each)
    true = times[max(0, round(share * 100) - 1)]
    found = gateway.read()[1][IRIS].quantile(share)
    bounds = [0.0, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
    upper = next(each for each in bounds if each >= true)
    assert found is not None
    assert bounds[bounds.index(upper) - 1] <= found <= upper


def test_nothing_has_no_quantile_and_no_availability() -> None:
    assert (Count().quantile(0.5), Count().availability) == (None, None)


def test_the_history_shows_what_happened_between() -> None:
    gateway, history = Gateway(), History(seconds=60)
    gateway.answered(200, 0.01, 1000)
    history.add(1000.0, *gateway.read())
    assert list(history.points) == []
    gateway.answered(200, 0.01, 20)
    gateway.answered(500, 0.2, 4)
    history.add(1002.0, *gateway.read())
    point = history.points[-1]
    assert (point.at, point.rate, point.failed) == (1002.0, 12.0, 2.0)
    assert point.p50 is not None
    assert point.p50 <= 0.01
    seconds, recent = history.recent()
    assert (seconds, recent[IRIS].requests, history.everything[IRIS].requests) == (2.0, 24, 1024)
    history.add(1100.0, *gateway.read())
    assert [each.at for each in history.points] == [1100.0]


def test_a_restart_of_the_gateway_is_no_negative_rate() -> None:
    gateway, history = Gateway(), History()
    gateway.answered(200, 0.01, 1000)
    history.add(1000.0, *gateway.read())
    again = Gateway(started=1001.0)
    history.add(1002.0, *again.read())
    again.answered(200, 0.01, 2)
    history.add(1004.0, *again.read())
    assert [each.rate for each in history.points] == [1.0]
