"""Runs of notebooks as ``jupyter modelserve run`` reports them, with a number that grows with every change."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, case, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from jupyter_modelserve.controller.store.tables import notebook_runs as rows
from jupyter_modelserve.errors import NotFound, PermissionDenied
from jupyter_modelserve.traced import NotebookRun, NotebookRunState

KEPT: Final = 1000
"""Runs of one principal that are kept, the newest; their place in the lineage of a version stays."""
SHOWN: Final = 4000
"""Characters up to which a listing holds a field of free size."""
_FREE: Final = ("parameters", "failed", "records")


def newest(connection: Connection) -> int:
    """Number of the last change, 0 when there is none."""
    return int(connection.execute(select(func.max(rows.c.number))).scalar_one() or 0)


def known(connection: Connection, run: NotebookRun) -> bool:
    """Whether there is a row of the run.

    Raises:
        PermissionDenied: somebody else reported a run of that id.
    """
    principal = connection.execute(select(rows.c.principal).where(rows.c.id == run.id)).scalar_one_or_none()
    if principal is not None and principal != run.principal:
        raise PermissionDenied(f"run {run.id} was reported by somebody else", details={"run": run.id})
    return principal is not None


def put(connection: Connection, run: NotebookRun) -> NotebookRun:
    """Write a run as it is now.

    Raises:
        PermissionDenied: somebody else reported a run of that id.
    """
    known(connection, run)
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
    mine = rows.c.principal == run.principal
    last = select(rows.c.number).where(mine).order_by(rows.c.number.desc()).limit(1).offset(KEPT)
    connection.execute(delete(rows).where(mine, rows.c.number <= last.scalar_subquery()))
    return get(connection, run.id)


def get(connection: Connection, identity: str) -> NotebookRun:
    """One run. Raises NotFound."""
    row = connection.execute(select(rows).where(rows.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound(f"no run {identity!r} is known", details={"run": identity})
    return _run(row)


def listing(connection: Connection, after: int = 0, limit: int = 50) -> tuple[NotebookRun, ...]:
    """Runs that changed behind number *after*, the newest change first; what is long is left out and named."""
    shown = [_shown(each) if each.name in _FREE else each for each in rows.c]
    query = select(*shown).where(rows.c.number > after).order_by(rows.c.number.desc()).limit(limit)
    return tuple(_run(row) for row in connection.execute(query))


def _shown(column: Column[str]) -> ColumnElement[str | None]:
    return case((func.length(column) <= SHOWN, column)).label(column.name)


def _run(row: Any) -> NotebookRun:
    values = {**row._mapping, "state": NotebookRunState(row.state)}
    left_out = tuple(name for name in _FREE if values[name] is None)
    for name in ("parameters", "records"):
        values[name] = json.loads(values[name] or "{}")
    return NotebookRun(**{**values, "failed": json.loads(row.failed) if row.failed else None, "left_out": left_out})
