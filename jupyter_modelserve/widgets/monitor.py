"""The serving monitor: what is served, how many ask, how fast they are answered, and what fails; by itself, live."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import ipywidgets

from jupyter_modelserve.client import session
from jupyter_modelserve.client.display import escape
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.types import Endpoint, VersionStatus
from jupyter_modelserve.widgets import pages, pictures
from jupyter_modelserve.widgets.counters import read
from jupyter_modelserve.widgets.history import History
from jupyter_modelserve.widgets.live import LiveView
from jupyter_modelserve.widgets.style import STYLE, view

_LOG_LINES = 40


class ServingMonitor(LiveView):
    """Shows an instance and looks again every *interval* seconds, until :meth:`close` or the end of the kernel.

    Args:
        interval: seconds between two looks; 0 looks only when :meth:`refresh` is called.
        window: seconds that the charts show.
        client: which instance; the kernel's own by default. The viewer has this client's rights.
    """

    def __init__(self, interval: float = 2.0, window: float = 300.0, client: Client | None = None) -> None:
        self._client = client or session.current()
        self._history = History(window)
        self._head, self._charts, self._table, self._log = (ipywidgets.HTML() for _ in range(4))
        self._choice = ipywidgets.Dropdown(description="Log of")
        self._choice.observe(self._show_log, names="value")
        top = ipywidgets.HTML(STYLE + view(pages.navigation(pages.MONITOR)))
        super().__init__([top, self._head, self._charts, self._table, self._choice, self._log], interval)
        self.refresh()
        self._begin()

    async def _again(self) -> None:
        self._show(await asyncio.to_thread(self._look))
        if self._choice.value:
            self._log.value = await asyncio.to_thread(self._read_log, self._choice.value)

    def refresh(self) -> None:
        """Look now."""
        self._show(self._look())

    def _look(self) -> list[Endpoint] | ModelServeError:
        try:
            endpoints = self._client.endpoints()
            started, reading = read(self._client.metrics())
        except ModelServeError as error:
            return error
        self._history.add(time.time(), started, reading)
        return endpoints

    def _show(self, found: list[Endpoint] | ModelServeError) -> None:
        if isinstance(found, ModelServeError):
            # The last figures stay; that they are old is said above them.
            self._head.value = view(pictures.problem(found))
            return
        self._head.value = view(pictures.head(self._client.url, found, self._history))
        self._charts.value = view(pictures.charts(self._history))
        self._table.value = view(pictures.table(found, self._history))
        self._offer(found)

    def _offer(self, endpoints: list[Endpoint]) -> None:
        versions: list[tuple[str, tuple[str, str, str] | None]] = [
            (_label(each, version), _key(each, version)) for each in endpoints for version in each.status.versions
        ]
        options = versions or [("nothing", None)]
        if tuple(self._choice.options) != tuple(options):
            before = self._choice.value
            self._choice.options = options
            if before in [value for _, value in options]:
                self._choice.value = before
        if self._choice.index is None:  # a browser that gets new options forgets what was chosen
            self._choice.index = 0

    def _show_log(self, change: Any) -> None:
        self._log.value = self._read_log(change["new"]) if change["new"] else ""

    def _read_log(self, key: tuple[str, str, str]) -> str:
        try:
            text = self._client.logs(*key, tail=_LOG_LINES)
        except ModelServeError as error:
            text = error.message
        return view(f"<pre>{escape(text.rstrip() or '(the log is empty)')}</pre>")


def _label(endpoint: Endpoint, version: VersionStatus) -> str:
    return f"{endpoint.spec.name}: {version.model}/{version.version}"


def _key(endpoint: Endpoint, version: VersionStatus) -> tuple[str, str, str]:
    return endpoint.spec.name, version.model, version.version
