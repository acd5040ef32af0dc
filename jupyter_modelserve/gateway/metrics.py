"""Counters of the gateway in Prometheus' text format.

Our own few lines instead of a client library: two dictionary look-ups a request, and nothing to import. Labels come
from the route table, never from the caller, so their number is bounded by what is served.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from jupyter_modelserve.gateway.balance import Worker
from jupyter_modelserve.gateway.request import Request

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_NAMES: Final = ("owner", "endpoint", "model", "version")
_SERIES: Final = 5000
_OTHER: Final = ("other", "", "", "")

_Key = tuple[str, str, str, str]


class _Histogram:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class Metrics:
    """Requests by owner, endpoint, model, version and status, with their latency in seconds."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._requests: dict[tuple[_Key, int], int] = {}
        self._seconds: dict[_Key, _Histogram] = {}
        self.in_flight = 0

    def observe(self, request: Request, seconds: float) -> None:
        """Count one finished request."""
        key = (request.owner, request.endpoint, request.model, request.version)
        histogram = self._seconds.get(key)
        if histogram is None:
            if len(self._seconds) >= _SERIES:
                key = _OTHER
            histogram = self._seconds.setdefault(key, _Histogram())
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.total += seconds
        counted = (key, request.status)
        self._requests[counted] = self._requests.get(counted, 0) + 1

    def render(
        self,
        workers: Iterable[Worker],
        gauges: Mapping[str, tuple[str, float]],
        shown: Callable[[str], bool] = lambda _: True,
        counters: Mapping[str, tuple[str, float]] = MappingProxyType({}),
    ) -> bytes:
        """Everything as text. *gauges* and *counters* map a name to its help and value; of models that are not *shown*
        nothing is told.
        """
        lines: list[str] = []
        lines += _family("modelserve_requests_total", "counter", "Finished requests.")
        for (key, status), count in sorted(self._requests.items()):
            if _visible(key, shown):
                lines.append(f'modelserve_requests_total{{{_labels(_NAMES, key)},status="{status}"}} {count}')
        lines += _family("modelserve_request_seconds", "histogram", "Time from head to last byte.")
        for key, histogram in sorted(self._seconds.items()):
            if _visible(key, shown):
                lines += _histogram(key, histogram)
        lines += _workers([each for each in workers if shown(each.target.model)])
        fixed = {
            "modelserve_requests_in_flight": ("Requests being answered.", float(self.in_flight)),
            "modelserve_start_time_seconds": ("When the gateway started, since 1970.", self._started_at),
        }
        for name, (doc, value) in {**fixed, **gauges}.items():
            lines += [*_family(name, "gauge", doc), f"{name} {value:.15g}"]
        for name, (doc, value) in counters.items():
            lines += [*_family(name, "counter", doc), f"{name} {value:.15g}"]
        return ("\n".join(lines) + "\n").encode()


def _visible(key: _Key, shown: Callable[[str], bool]) -> bool:
    """Whether a series may be shown: it names nothing, or a model that may be."""
    _, endpoint, model, _ = key
    return not (endpoint or model) or shown(model)


def _family(name: str, kind: str, doc: str) -> list[str]:
    return [f"# HELP {name} {doc}", f"# TYPE {name} {kind}"]


def _histogram(key: _Key, histogram: _Histogram) -> Iterator[str]:
    labels = _labels(_NAMES, key)
    count = 0
    for bound, each in zip((*BUCKETS, "+Inf"), histogram.counts, strict=True):
        count += each
        yield f'modelserve_request_seconds_bucket{{{labels},le="{bound}"}} {count}'
    yield f"modelserve_request_seconds_sum{{{labels}}} {histogram.total:.9g}"
    yield f"modelserve_request_seconds_count{{{labels}}} {count}"


def _workers(workers: list[Worker]) -> Iterator[str]:
    names = ("model", "version", "target")
    for name, doc in (("in_flight", "Requests a worker works on."), ("waiting", "Requests waiting for a worker.")):
        yield from _family(f"modelserve_worker_{name}", "gauge", doc)
        for worker in workers:
            labels = _labels(names, (worker.target.model, worker.target.version, worker.target.id))
            yield f"modelserve_worker_{name}{{{labels}}} {getattr(worker, name)}"


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))


def escape(value: str) -> str:
    """*value* as Prometheus wants it between quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
