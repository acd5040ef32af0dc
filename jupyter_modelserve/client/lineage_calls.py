"""Lineage and runs of notebooks as data (:mod:`.calls`), and as methods of both clients."""

from __future__ import annotations

from typing import Any, TypeVar

from jupyter_modelserve import names
from jupyter_modelserve.addresses import API
from jupyter_modelserve.client.calls import Call, segment
from jupyter_modelserve.codec import from_json, to_json
from jupyter_modelserve.traced import Lineage, NotebookRun

T = TypeVar("T")


def lineage(model: str, version: str, direction: str, history: bool) -> Call[Lineage]:
    """The graph around a version, or around all versions of a model."""
    query: dict[str, str | int] = {"direction": direction, **({"history": "true"} if history else {})}
    return Call("GET", f"{_of(model, version)}/lineage", lambda body: from_json(Lineage, body), query)


def open_lineage(model: str, version: str) -> Call[list[dict[str, Any]]]:
    """The lineage of a version as OpenLineage events."""
    return Call("GET", f"{_of(model, version)}/openlineage", lambda body: list(body["events"]))


def _of(model: str, version: str) -> str:
    path = f"{API}/models/{segment(names.check_model(model))}"
    return f"{path}/versions/{segment(version)}" if version else path


def notebook_runs(after: int, limit: int) -> Call[list[NotebookRun]]:
    """Runs of notebooks, the newest change first."""
    query: dict[str, str | int] = {"after": after, "limit": limit}
    return Call(
        "GET", f"{API}/notebook-runs", lambda body: [from_json(NotebookRun, each) for each in body["runs"]], query
    )


def report_notebook_run(run: NotebookRun) -> Call[NotebookRun]:
    """Say how a run of a notebook stands."""
    path = f"{API}/notebook-runs/{segment(run.id)}"
    return Call("PUT", path, lambda body: from_json(NotebookRun, body), json=to_json(run))


class LineageMethods:
    """Mixed into the blocking client."""

    def send(self, call: Call[T]) -> T:
        """Send *call* and read its answer."""
        raise NotImplementedError

    def lineage(self, model: str, version: str = "", direction: str = "both", *, history: bool = False) -> Lineage:
        """Where a version (or all of a model) came from, and what names, copies and serves it (REQ-083)."""
        return self.send(lineage(model, version, direction, history))

    def open_lineage(self, model: str, version: str) -> list[dict[str, Any]]:
        """The lineage of a version as OpenLineage events, oldest first."""
        return self.send(open_lineage(model, version))

    def notebook_runs(self, after: int = 0, limit: int = 50) -> list[NotebookRun]:
        """Runs of notebooks that changed behind number *after*, the newest change first."""
        return self.send(notebook_runs(after, limit))

    def report_notebook_run(self, run: NotebookRun) -> NotebookRun:
        """Say how a run of a notebook stands; only who reported it first may change it."""
        return self.send(report_notebook_run(run))


class AsyncLineageMethods:
    """Mixed into the async client."""

    async def send(self, call: Call[T]) -> T:
        """Send *call* and read its answer."""
        raise NotImplementedError

    async def lineage(
        self, model: str, version: str = "", direction: str = "both", *, history: bool = False
    ) -> Lineage:
        """Where a version (or all of a model) came from, and what names, copies and serves it (REQ-083)."""
        return await self.send(lineage(model, version, direction, history))

    async def open_lineage(self, model: str, version: str) -> list[dict[str, Any]]:
        """The lineage of a version as OpenLineage events, oldest first."""
        return await self.send(open_lineage(model, version))

    async def notebook_runs(self, after: int = 0, limit: int = 50) -> list[NotebookRun]:
        """Runs of notebooks that changed behind number *after*, the newest change first."""
        return await self.send(notebook_runs(after, limit))

    async def report_notebook_run(self, run: NotebookRun) -> NotebookRun:
        """Say how a run of a notebook stands; only who reported it first may change it."""
        return await self.send(report_notebook_run(run))
