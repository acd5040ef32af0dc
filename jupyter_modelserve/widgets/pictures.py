"""The parts of the serving monitor as HTML: tiles, charts, table. Everything that a user has named is escaped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from jupyter_modelserve.client.display import escape
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.types import Endpoint, ServiceState, VersionState, VersionStatus
from jupyter_modelserve.widgets import pages
from jupyter_modelserve.widgets.chart import Line, chart
from jupyter_modelserve.widgets.counters import Count, Reading, total
from jupyter_modelserve.widgets.history import History
from jupyter_modelserve.widgets.style import BAD, LINE, WARN

TARGET: Final = 0.995
"""The availability aimed at (REQ-013), shown and not guaranteed."""

_HEAD = (
    "endpoint",
    "model",
    "version",
    "state",
    "labels",
    "requests",
    "last minute",
    "p50",
    "p99",
    "refused",
    "failed",
)


def head(url: str, endpoints: Sequence[Endpoint], history: History) -> str:
    """Title and tiles."""
    seconds, recent = history.recent()
    now, ever = total(recent.values()), total(history.everything.values())
    ready = sum(each.status.service is ServiceState.READY for each in endpoints)
    rate = now.requests / seconds if seconds else 0.0
    tiles = [
        _tile("endpoints ready", f"{ready} of {len(endpoints)}", "ok" if ready == len(endpoints) else "warn"),
        _tile("requests per second", f"{rate:.1f}"),
        _tile("p50 · p99", f"{_time(now.quantile(0.5))} · {_time(now.quantile(0.99))}"),
        _tile("failed, last minute", f"{now.failed:.0f}", "bad" if now.failed else "ok"),
        _tile(f"availability, target {TARGET:.1%}", *_availability(ever)),
    ]
    note = f"{escape(url)} · {time.strftime('%H:%M:%S')} · last minute, availability since the gateway started"
    return f'<h2>Model serving</h2><div class="ms-note">{note}</div><div class="ms-tiles">{"".join(tiles)}</div>'


def problem(error: ModelServeError) -> str:
    """Title and what is wrong, instead of the tiles."""
    note = f"{escape(error.message)} · what is below is from before {time.strftime('%H:%M:%S')}"
    return f'<h2>Model serving</h2><div class="ms-bad" role="alert">{note}</div>'


def charts(history: History) -> str:
    """Requests, latency and failures of the last minutes."""
    points = list(history.points)
    times = [each.at for each in points]
    drawn = [
        chart("Requests", "per second", times, [Line("requests", LINE, [each.rate for each in points])]),
        chart(
            "Latency",
            "milliseconds",
            times,
            [
                Line("p50", LINE, [_milliseconds(each.p50) for each in points]),
                Line("p99", WARN, [_milliseconds(each.p99) for each in points]),
            ],
        ),
        chart("Failures", "per second", times, [Line("failed (5xx)", BAD, [each.failed for each in points])]),
    ]
    return f'<div class="ms-charts">{"".join(drawn)}</div>'


def table(endpoints: Sequence[Endpoint], history: History) -> str:
    """One row per version that an endpoint serves or prepares."""
    if not endpoints:
        return '<div class="ms-note">Nothing is served yet; begin with <code>%serve</code>.</div>'
    _, recent = history.recent()
    rows = [
        _row(endpoint, version, _of(version, history.everything), _of(version, recent))
        for endpoint in endpoints
        for version in endpoint.status.versions
    ]
    top = "".join(f"<th>{each}</th>" for each in _HEAD)
    return f'<div class="ms-scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _of(version: VersionStatus, reading: Reading) -> Count:
    return total(each for key, each in reading.items() if (key.model, key.version) == (version.model, version.version))


def _row(endpoint: Endpoint, version: VersionStatus, ever: Count, recent: Count) -> str:
    state = version.state.value + (f": {version.failure.cause}" if version.failure else "")
    mark = {VersionState.READY: "ok", VersionState.FAILED: "bad"}.get(version.state, "warn")
    name, model = endpoint.spec.name, version.model
    shown = [
        pages.link(pages.FORM, name, endpoint=name),
        pages.link(pages.REGISTRY, model, model=model, version=version.version),
        escape(version.version),
    ]
    figures = [
        f"{ever.requests:.0f}",
        f"{recent.requests:.0f}",
        _time(recent.quantile(0.5)),
        _time(recent.quantile(0.99)),
        f"{ever.refused:.0f}",
        f"{ever.failed:.0f}",
    ]
    return (
        f"<tr>{''.join(f'<td>{each}</td>' for each in shown)}"
        f'<td class="ms-{mark}">{escape(state)}</td>'
        f"{_cells([', '.join(version.labels)])}{_cells(figures)}</tr>"
    )


def _cells(values: Iterable[str]) -> str:
    return "".join(f"<td>{escape(each)}</td>" for each in values)


def _tile(name: str, value: str, mark: str = "") -> str:
    return f'<div class="ms-tile"><b class="ms-{mark}">{escape(value)}</b>{escape(name)}</div>'


def _availability(count: Count) -> tuple[str, str]:
    found = count.availability
    # Cut, not rounded: 99.99 % is not 100 %.
    shown = "–" if found is None else f"{int(found * 10000) / 100:g} %"
    return shown, "" if found is None else "ok" if found >= TARGET else "bad"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
