"""Where a trace's files lie is not the caller's to choose.

MLflow keeps that place in a tag of the trace, takes a tag from anybody, and reads the files itself: with another place
in it a token would read registered versions of others, or any directory of this user's.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event

from jupyter_modelserve.plugins.mlflow_rules import location_problem

PLACE: Final = "mlflow.artifactLocation"
ARCHIVE: Final = "mlflow.trace.archiveLocation"
"""Written by a job of MLflow's that never runs here."""


def place_problem(trace: str, key: str, value: str) -> str | None:
    """Why a tag may not be written, or ``None``: the place is the trace's own directory below an experiment's."""
    if key == ARCHIVE:
        return f"the tag {key} cannot be set here: traces are not archived"
    if key == PLACE and (not value.endswith(f"/traces/{trace}/artifacts") or location_problem(value)):
        return f"the tag {key} cannot be set: this server decides where the files of a trace are kept"
    return None


def install() -> None:
    """Look at every tag of a trace before it is written, whichever operation writes it; call once."""
    from mlflow.store.tracking.dbmodels.models import SqlTraceTag

    for name in ("before_insert", "before_update"):
        if not event.contains(SqlTraceTag, name, _check):
            event.listen(SqlTraceTag, name, _check)


def _check(_mapper: Any, _connection: Any, row: Any) -> None:
    from mlflow.exceptions import MlflowException

    problem = place_problem(str(row.request_id), str(row.key), str(row.value))
    if problem:
        raise MlflowException.invalid_parameter_value(problem)
