"""The change feed: every change of MLflow's registry, once, in the transaction that made it (architecture §8).

Triggers on MLflow's tables append to our table, so that no change is missed and each has exactly one record, whichever
client made it: our API, MLflow over HTTP, or somebody with the SQLite file open. MLflow's migrations rebuild tables,
which drops triggers; they are therefore checked at every start and whenever the schema changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.store import lineage_triggers, triggers
from jupyter_modelserve.controller.store.database import table_missing

CHANGES = "modelserve_changes"
_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the feed. ``at`` is milliseconds since 1970; ``kind`` names what happened, ``detail`` to what."""

    number: int
    at: int
    kind: str
    model: str
    version: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Trigger:
    """When *event* happens on *table* (and *when* holds), record *kind* with these SQL expressions."""

    name: str
    table: str
    event: str
    kind: str
    model: str
    version: str = "''"
    detail: str = "''"
    when: str = ""

    @property
    def sql(self) -> str:
        condition = f" WHEN {self.when}" if self.when else ""
        return (
            f"CREATE TRIGGER IF NOT EXISTS modelserve_{self.name} "  # noqa: S608 - constants of this module
            f"AFTER {self.event} ON {self.table}{condition} BEGIN "
            f"INSERT INTO {CHANGES} (at, kind, model, version, detail) VALUES "
            f"({_NOW}, '{self.kind}', {self.model}, {self.version}, COALESCE({self.detail}, '')); END"
        )


_ARROW = " || ' -> ' || "
_NOTHING = "''"
_STAGE = f"OLD.current_stage{_ARROW}NEW.current_stage"
_DELETED = "NEW.current_stage = 'Deleted_Internal' AND OLD.current_stage <> NEW.current_stage"
_MOVED = "NEW.current_stage <> 'Deleted_Internal' AND OLD.current_stage <> NEW.current_stage"
_MV, _MA, _RM = "model_versions", "registered_model_aliases", "registered_models"
TRIGGERS = (
    _Trigger("model_created", _RM, "INSERT", "model created", "NEW.name"),
    _Trigger("model_deleted", _RM, "DELETE", "model deleted", "OLD.name"),
    _Trigger(
        "model_renamed",
        _RM,
        "UPDATE OF name",
        "model renamed",
        "NEW.name",
        "''",
        "OLD.name",
        "OLD.name <> NEW.name",
    ),
    _Trigger("version_created", _MV, "INSERT", "version created", "NEW.name", "NEW.version", "NEW.source"),
    _Trigger(
        "version_ready",
        _MV,
        "UPDATE OF status",
        "version ready",
        "NEW.name",
        "NEW.version",
        "''",
        "NEW.status = 'READY' AND OLD.status <> NEW.status",
    ),
    _Trigger("version_removed", _MV, "DELETE", "version deleted", "OLD.name", "OLD.version"),
    _Trigger(
        "version_deleted",
        _MV,
        "UPDATE OF current_stage",
        "version deleted",
        "NEW.name",
        "NEW.version",
        "''",
        _DELETED,
    ),
    _Trigger(
        "stage_changed",
        _MV,
        "UPDATE OF current_stage",
        "stage changed",
        "NEW.name",
        "NEW.version",
        _STAGE,
        _MOVED,
    ),
    _Trigger("alias_set", _MA, "INSERT", "alias set", "NEW.name", "NEW.version", "NEW.alias"),
    _Trigger(
        "alias_moved",
        _MA,
        "UPDATE OF version",
        "alias moved",
        "NEW.name",
        "NEW.version",
        f"NEW.alias || ': ' || OLD.version{_ARROW}NEW.version",
        "OLD.version <> NEW.version",
    ),
    _Trigger("alias_deleted", _MA, "DELETE", "alias deleted", "OLD.name", "OLD.version", "OLD.alias"),
)


def install(connection: Connection) -> bool:
    """Put the triggers on MLflow's tables; false while MLflow has not made those yet."""
    connection.execute(
        text(
            f"CREATE TABLE IF NOT EXISTS {CHANGES} (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, "
            "kind TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, detail TEXT NOT NULL)"
        )
    )
    try:
        for trigger in TRIGGERS:
            connection.execute(text(trigger.sql))
        triggers.install(connection)
        lineage_triggers.install(connection)
    except OperationalError as error:
        if table_missing(error):
            return False
        raise
    return True


def after(
    connection: Connection, number: int, limit: int = 1000, kinds: Sequence[str] | None = None
) -> tuple[Change, ...]:
    """Changes behind *number*, oldest first, of these *kinds* or of all; none when the feed does not exist yet."""
    only = "AND kind IN :kinds " if kinds else ""
    query = text(
        f"SELECT number, at, kind, model, version, detail FROM {CHANGES} "  # noqa: S608 - constants of ours
        f"WHERE number > :n {only}ORDER BY number LIMIT :l"
    )
    if kinds:
        query = query.bindparams(bindparam("kinds", list(kinds), expanding=True))
    try:
        rows = connection.execute(query, {"n": number, "l": limit})
    except OperationalError as error:
        if table_missing(error):
            return ()
        raise
    return tuple(Change(each.number, each.at, each.kind, each.model, str(each.version), each.detail) for each in rows)


def newest(connection: Connection) -> int:
    """Number of the newest change, 0 when there is none."""
    try:
        value = connection.execute(text(f"SELECT MAX(number) FROM {CHANGES}")).scalar_one()  # noqa: S608 - a constant
    except OperationalError as error:
        if table_missing(error):
            return 0
        raise
    return int(value or 0)
