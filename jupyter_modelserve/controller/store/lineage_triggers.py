"""Triggers on MLflow's tracking tables: which runs lineage must look at, in the transaction that changed them.

They only note the run; what it read and made is worked out by ``controller/lineage``, which empties the notes. So
logging costs one small row, whichever client logs, and nothing is lost while no controller runs.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect, text

_MARK: Final = "INSERT OR IGNORE INTO modelserve_lineage_marks (run) VALUES ({run})"
_WATCHED: Final = (
    (
        "input",
        "INSERT ON inputs",
        "NEW.destination_type = 'RUN' OR NEW.source_type IN ('RUN_INPUT', 'RUN_OUTPUT')",
        "CASE NEW.destination_type WHEN 'RUN' THEN NEW.destination_id ELSE NEW.source_id END",
    ),
    ("logged_model", "INSERT ON logged_models", "NEW.source_run_id IS NOT NULL", "NEW.source_run_id"),
    ("metric", "INSERT ON logged_model_metrics", "NEW.dataset_uuid IS NOT NULL", "NEW.run_id"),
    ("tag", "INSERT ON tags", "substr(NEW.key, 1, 20) = 'modelserve.notebook.'", "NEW.run_uuid"),
    (
        "run",
        "UPDATE OF status, name ON runs",
        "EXISTS (SELECT 1 FROM modelserve_lineage_nodes WHERE id = 'run:' || NEW.run_uuid)",
        "NEW.run_uuid",
    ),
)
"""Name, event, condition and the run that it is about."""
_NEEDED: Final = {"inputs", "logged_models", "logged_model_metrics", "tags", "runs", "modelserve_lineage_marks"}


def install(connection: Connection) -> bool:
    """Put the triggers on MLflow's tables; false while those, or ours, are not all there."""
    if not set(inspect(connection).get_table_names()) >= _NEEDED:
        return False
    for name, event, condition, run in _WATCHED:
        connection.execute(
            text(
                f"CREATE TRIGGER IF NOT EXISTS modelserve_lineage_{name} AFTER {event} WHEN {condition} "
                f"BEGIN {_MARK.format(run=run)}; END"
            )
        )
    return True
