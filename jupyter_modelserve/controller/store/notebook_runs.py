"""Runs of notebooks as ``jupyter modelserve run`` reports them, with a number that grows with every change."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from jupyter_modelserve.controller.store.tables import notebook_runs as rows
from jupyter_modelserve.errors import NotFound, PermissionDenied
from jupyter_modelserve.traced import NotebookRun, NotebookRunState

KEPT: Final = 1000
"""Runs that are kept, the newest; their place in the lineage of a version stays."""


def newest(connection: Connection) -> int:
    """Number of the last change, 0 when there is none."""
    return int(connection.execute(select(func.max(rows.c.number))).scalar_one() or 0)


def put(connection: Connection, run: NotebookRun) -> NotebookRun:
    """Write a run as it is now.

    Raises:
        PermissionDenied: somebody else reported a run of that id.
    """
    known = connection.execute(select(rows.c.principal).where(rows.c.id == run.id)).scalar_one_or_none()
    if known is not None and known != run.principal:
        raise PermissionDenied(f"run {run.id} was reported by somebody else")
    number = newest(connection) + 1
    values: dict[str, Any] = {
        "number": number,
        "notebook": run.notebook,
        "output": run.output,
        "state": run.state.value,
        "parameters": json.dumps(run.parameters, ensure_ascii=False),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "failed": json.dumps(run.failed, ensure_ascii=False) if run.failed else "",
        "records": json.dumps(run.records, ensure_ascii=False),
    }
    statement = insert(rows).values(id=run.id, principal=run.principal, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    connection.execute(delete(rows).where(rows.c.number <= number - KEPT))
    return get(connection, run.id)


def get(connection: Connection, identity: str) -> NotebookRun:
    """One run. Raises NotFound."""
    row = connection.execute(select(rows).where(rows.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound(f"no run {identity!r} is known", details={"run": identity})
    return _run(row)


def listing(connection: Connection, after: int = 0, limit: int = 50) -> tuple[NotebookRun, ...]:
    """Runs that changed behind number *after*, the newest change first."""
    query = select(rows).where(rows.c.number > after).order_by(rows.c.number.desc()).limit(limit)
    return tuple(_run(row) for row in connection.execute(query))


def _run(row: Any) -> NotebookRun:
    values = {**row._mapping, "state": NotebookRunState(row.state)}
    for name in ("parameters", "records"):
        values[name] = json.loads(values[name])
    return NotebookRun(**{**values, "failed": json.loads(row.failed) if row.failed else None})
