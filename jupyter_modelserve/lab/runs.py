"""Tells on Jupyter's event stream how runs of notebooks stand, as ``jupyter modelserve run`` reports them.

Told is what happened and where to look: state, failed cell, paths. Results and parameters stay in the instance.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.errors import ModelServeError

RUN_SCHEMA_ID: Final = "urn:jupyter-modelserve:notebook-run:v1"
RUN_SCHEMA: Final = Path(__file__).with_name("event_schemas") / "notebook_run.yaml"


class RunTeller:
    """Follows the number of the newest change in the instance's status; the first one seen only counts as known.

    Args:
        ask: runs that changed behind a number, the newest first, as plain JSON.
        emit: called with one event for each of them, the oldest first.
    """

    def __init__(
        self, ask: Callable[[int], Awaitable[list[dict[str, Any]]]], emit: Callable[[dict[str, Any]], object]
    ) -> None:
        self._ask = ask
        self._emit = emit
        self._seen: int | None = None

    async def follow(self, status: Mapping[str, Any]) -> None:
        """Tell what changed since the status before this one."""
        instance = status["instance"]
        if not instance:
            return
        number = int(instance.get("notebook_runs") or 0)
        seen, self._seen = self._seen, number
        if seen is None or number <= seen:
            return
        try:
            runs = await self._ask(seen)
        except ModelServeError:
            self._seen = seen
            return
        for each in reversed(runs):
            self._emit(event(each))


def event(run: Mapping[str, Any]) -> dict[str, Any]:
    """One run as the schema has it."""
    failed = run["failed"] or {}
    cell = str(failed.get("cell") or failed.get("number") or "")
    told = {name: str(run[name]) for name in ("notebook", "output", "state")}
    return {"run": str(run["id"]), **told, "cell": cell, "error": str(failed.get("error") or "")}
