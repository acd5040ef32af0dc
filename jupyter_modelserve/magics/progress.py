"""Shows how ``%serve`` gets on: one line that changes where somebody looks on, plain lines where nobody does.

Under papermill, nbclient and Voila, and in a terminal, each change of state is one printed line, so that a log stays
readable.
"""

from __future__ import annotations

import time
from typing import Any, cast

from jupyter_modelserve.client.cards import attended
from jupyter_modelserve.client.display import escape, html_table
from jupyter_modelserve.client.progress import summary
from jupyter_modelserve.client.results import VERSION_HEAD, version_row
from jupyter_modelserve.types import Endpoint


class Progress:
    """Give its :meth:`show` as ``on_status``; :meth:`close` ends the display."""

    def __init__(self, shell: Any) -> None:
        self._started = time.monotonic()
        self._last = ""
        self._handle: Any = None
        if attended(shell):
            from IPython.display import DisplayHandle

            self._handle = cast(Any, DisplayHandle)()
            self._handle.display({"text/plain": "asking …", "text/html": "<i>asking …</i>"}, raw=True)

    def show(self, endpoint: Endpoint) -> None:
        """Show the newest status."""
        line = summary(endpoint)
        elapsed = time.monotonic() - self._started
        if self._handle is not None:
            self._handle.update({"text/plain": line, "text/html": _html(endpoint, elapsed)}, raw=True)
        elif line != self._last:
            print(f"[{elapsed:5.1f} s] {line}", flush=True)  # noqa: T201 - the cell's output is where this belongs
        self._last = line

    def close(self) -> None:
        """Clear the changing line: the result follows it."""
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)


def _html(endpoint: Endpoint, elapsed: float) -> str:
    rows = [version_row(each) for each in endpoint.status.versions]
    phases = [
        f"{'✓' if phase.done else '…'} {phase.name} {phase.seconds:.1f} s {phase.detail}".strip()
        for each in endpoint.status.versions
        for phase in each.phases
    ]
    head = f"<b>{escape(endpoint.spec.name)}</b> {escape(endpoint.status.service.value)} · {elapsed:.0f} s"
    return f"<div>{head}{html_table(VERSION_HEAD, rows) if rows else ''}<div>{escape(' · '.join(phases))}</div></div>"
