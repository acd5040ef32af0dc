"""Operations on lineage: the graph around a version or a model, its export, and runs of notebooks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Final

from fastapi import Body, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.lineage import foreign, graph, keeper, notebooks, openlineage
from jupyter_modelserve.controller.store import notebook_runs
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.traced import Direction, Lineage, NotebookRun
from jupyter_modelserve.types import from_json, to_json

operations = Operations(API)
LARGEST: Final = 256_000
"""Bytes of what is kept of one run."""
LONGEST: Final = 4096
"""Characters of a path."""
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@operations.operation("GET", "/models/{name}/lineage", Rule.USE)
async def get_model_lineage(
    request: Request, name: str, direction: str = "both", history: bool = False
) -> JSONResponse:
    """Where all versions of a model came from, and what names, copies and serves them (REQ-082, REQ-083)."""
    return JSONResponse(to_json(await _read(request, graph.Asked(name, "", _direction(direction), history))))


@operations.operation("GET", "/models/{name}/versions/{version}/lineage", Rule.USE)
async def get_version_lineage(
    request: Request, name: str, version: str, direction: str = "both", history: bool = False
) -> JSONResponse:
    """The same of one version: data sets, notebook, run, aliases, copies, endpoints (REQ-082, REQ-083)."""
    return JSONResponse(to_json(await _read(request, graph.Asked(name, version, _direction(direction), history))))


@operations.operation("GET", "/models/{name}/versions/{version}/openlineage", Rule.USE)
async def get_open_lineage(request: Request, name: str, version: str) -> JSONResponse:
    """The lineage of a version as OpenLineage events, oldest first: ``{"events": [...]}``."""
    found = await _read(request, graph.Asked(name, version, full=True))
    return JSONResponse({"events": openlineage.events(found, _controller(request).instance.instance_id)})


def _direction(text: str) -> Direction:
    try:
        return Direction(text)
    except ValueError as error:
        raise InvalidParameter(
            f"direction: must be one of {', '.join(Direction)}", details={"field": "direction"}
        ) from error


async def _read(request: Request, asked: graph.Asked) -> Lineage:
    controller, actor = _controller(request), actor_of(request)
    state = await controller.governance.state()
    await keeper.up_to_date(controller.database)
    return await controller.database.run(graph.read, state, actor.principal, asked)


@operations.operation("GET", "/notebook-runs", Rule.USE)
async def list_notebook_runs(request: Request, after: int = 0, limit: int = 50) -> JSONResponse:
    """Runs of notebooks that changed behind number ``after``, the newest change first; long fields are left out."""
    if not 1 <= limit <= notebook_runs.KEPT:
        raise InvalidParameter(f"limit: must be 1 to {notebook_runs.KEPT}", details={"field": "limit"})
    found = await _controller(request).database.run(notebook_runs.listing, after, limit)
    return JSONResponse({"runs": to_json(found)})


@operations.operation("GET", "/notebook-runs/{run}", Rule.USE)
async def get_notebook_run(request: Request, run: str) -> JSONResponse:
    """One run of a notebook: state, failed cell, results."""
    return JSONResponse(to_json(await _controller(request).database.run(notebook_runs.get, run)))


@operations.operation("PUT", "/notebook-runs/{run}", Rule.USE)
async def put_notebook_run(request: Request, run: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Report a run of a notebook, at its start and at its end; only who reported it first may change it.

    A run that only tags of MLflow's runs name is nobody's: an admin alone may report it later.
    """
    if not _ID.fullmatch(run) or body.get("id", run) != run:
        raise InvalidParameter("id: letters, digits, - and _, as in the address", details={"field": "id"})
    _admit_size(body)
    controller, principal = _controller(request), actor_of(request).principal
    found = replace(from_json(NotebookRun, {**body, "id": run}), principal=principal, left_out=())
    for name in ("notebook", "output"):
        if len(getattr(found, name)) > LONGEST:
            raise InvalidParameter(f"{name}: a path of at most {LONGEST} characters", details={"field": name})
    admin = (await controller.governance.state()).is_admin(principal)
    # What tags told of the run before decides whose it is.
    await keeper.up_to_date(controller.database)
    return JSONResponse(to_json(await controller.database.run(_put, found, admin)))


def _admit_size(body: dict[str, Any]) -> None:
    try:
        size = len(json.dumps(body, ensure_ascii=False, allow_nan=False).encode()) if foreign.flat(body) else -1
    except ValueError:
        size = -1
    if size < 0:
        raise InvalidParameter(
            "a run holds whole characters, finite numbers and few levels of lists; record other values as texts",
            details={"field": "records"},
        )
    if size > LARGEST:
        raise InvalidParameter(
            f"a run may take {LARGEST} bytes, this one has {size}; record less", details={"field": "records"}
        )


def _put(connection: Connection, run: NotebookRun, admin: bool) -> NotebookRun:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    notebooks.admit(connection, run, notebook_runs.known(connection, run), admin)
    kept = notebook_runs.put(connection, run)
    notebooks.reported(connection, kept)
    return kept
