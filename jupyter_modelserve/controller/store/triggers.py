"""Triggers on MLflow's registry tables: the audit record of each change, owners, and grants that follow a rename.

In the database and not in our plugin, so that they hold for every client, also one with the SQLite file open. MLflow's
migrations rebuild tables, which drops triggers: they are put back together with those of the change feed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_GONE = "'Deleted_Internal'"
_WHO = "COALESCE((SELECT {column} FROM modelserve_context LIMIT 1), '')"
_ADMIN = "(SELECT owner FROM modelserve_owners WHERE type = 'METASTORE')"
_PRINCIPAL = "(SELECT principal FROM modelserve_context LIMIT 1)"
_REVISION = "UPDATE modelserve_meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'governance_revision'"


def _record(action: str, name: str, version: str = "''", before: str = "''", after: str = "''") -> str:
    who = ", ".join(_WHO.format(column=each) for each in ("principal", "client", "request_id"))
    return (
        "INSERT INTO modelserve_audit (at, principal, client, request_id, action, securable_type, securable_name, "  # noqa: S608 - constants of this module
        f"version, before, after) VALUES ({_NOW}, {who}, '{action}', 'FUNCTION', {name}, {version}, "
        f"COALESCE({before}, ''), COALESCE({after}, ''))"
    )


@dataclass(frozen=True, slots=True)
class _Trigger:
    """When *event* happens on *table* (and *when* holds), run *statements*."""

    name: str
    table: str
    event: str
    statements: tuple[str, ...]
    when: str = ""

    @property
    def sql(self) -> str:
        condition = f" WHEN {self.when}" if self.when else ""
        body = "; ".join(self.statements)
        name = f"modelserve_audit_{self.name}"
        return f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {self.event} ON {self.table}{condition} BEGIN {body}; END"


_RM, _MV, _MA = "registered_models", "model_versions", "registered_model_aliases"
_RT, _VT = "registered_model_tags", "model_version_tags"
_FOLLOW = tuple(
    f"UPDATE OR REPLACE {table} SET name = NEW.name WHERE type = 'FUNCTION' AND name = OLD.name"  # noqa: S608 - constants of this module
    for table in ("modelserve_owners", "modelserve_grants")
)
_FORGET = tuple(
    f"DELETE FROM {table} WHERE type = 'FUNCTION' AND name = OLD.name"  # noqa: S608 - constants of this module
    for table in ("modelserve_owners", "modelserve_grants")
)
_OWN = (
    "INSERT OR REPLACE INTO modelserve_owners (type, name, owner) "
    f"SELECT 'FUNCTION', NEW.name, COALESCE({_PRINCIPAL}, {_ADMIN}) WHERE COALESCE({_PRINCIPAL}, {_ADMIN}) IS NOT NULL"
)
_CHANGED = "OLD.{0} IS NOT NEW.{0} AND COALESCE(OLD.{0}, '') <> COALESCE(NEW.{0}, '')"
_KEPT = f"NEW.current_stage <> {_GONE}"
_PAIR = "{0}.key || '=' || COALESCE({0}.value, '')"
TRIGGERS = (
    _Trigger("model_created", _RM, "INSERT", (_OWN, _record("model created", "NEW.name"), _REVISION)),
    _Trigger("model_deleted", _RM, "DELETE", (*_FORGET, _record("model deleted", "OLD.name"), _REVISION)),
    _Trigger(
        "model_renamed",
        _RM,
        "UPDATE OF name",
        (*_FOLLOW, _record("model renamed", "NEW.name", "''", "OLD.name", "NEW.name"), _REVISION),
        "OLD.name <> NEW.name",
    ),
    _Trigger(
        "model_described",
        _RM,
        "UPDATE OF description",
        (_record("model described", "NEW.name", "''", "OLD.description", "NEW.description"),),
        _CHANGED.format("description"),
    ),
    _Trigger(
        "version_created", _MV, "INSERT", (_record("version created", "NEW.name", "NEW.version", "''", "NEW.source"),)
    ),
    _Trigger(
        "version_removed",
        _MV,
        "DELETE",
        (_record("version deleted", "OLD.name", "OLD.version", "OLD.source"),),
        f"OLD.current_stage IS NOT {_GONE}",
    ),
    _Trigger(
        "version_deleted",
        _MV,
        "UPDATE OF current_stage",
        (_record("version deleted", "NEW.name", "NEW.version", "OLD.source"),),
        f"NEW.current_stage = {_GONE} AND OLD.current_stage <> NEW.current_stage",
    ),
    _Trigger(
        "stage_changed",
        _MV,
        "UPDATE OF current_stage",
        (_record("stage changed", "NEW.name", "NEW.version", "OLD.current_stage", "NEW.current_stage"),),
        f"{_KEPT} AND OLD.current_stage <> NEW.current_stage",
    ),
    _Trigger(
        "version_described",
        _MV,
        "UPDATE OF description",
        (_record("version described", "NEW.name", "NEW.version", "OLD.description", "NEW.description"),),
        f"{_KEPT} AND {_CHANGED.format('description')}",
    ),
    _Trigger(
        "alias_set",
        _MA,
        "INSERT",
        (_record("alias set", "NEW.name", "NEW.version", "''", "NEW.alias || ': ' || NEW.version"),),
    ),
    _Trigger(
        "alias_moved",
        _MA,
        "UPDATE OF version",
        (
            _record(
                "alias moved",
                "NEW.name",
                "NEW.version",
                "OLD.alias || ': ' || OLD.version",
                "NEW.alias || ': ' || NEW.version",
            ),
        ),
        "OLD.version <> NEW.version",
    ),
    _Trigger(
        "alias_deleted",
        _MA,
        "DELETE",
        (_record("alias deleted", "OLD.name", "OLD.version", "OLD.alias || ': ' || OLD.version"),),
    ),
    _Trigger("model_tag_set", _RT, "INSERT", (_record("tag set", "NEW.name", "''", "''", _PAIR.format("NEW")),)),
    _Trigger(
        "model_tag_changed",
        _RT,
        "UPDATE OF value",
        (_record("tag set", "NEW.name", "''", _PAIR.format("OLD"), _PAIR.format("NEW")),),
        _CHANGED.format("value"),
    ),
    _Trigger("model_tag_deleted", _RT, "DELETE", (_record("tag deleted", "OLD.name", "''", _PAIR.format("OLD")),)),
    _Trigger(
        "version_tag_set",
        _VT,
        "INSERT",
        (_record("tag set", "NEW.name", "NEW.version", "''", _PAIR.format("NEW")),),
    ),
    _Trigger(
        "version_tag_changed",
        _VT,
        "UPDATE OF value",
        (_record("tag set", "NEW.name", "NEW.version", _PAIR.format("OLD"), _PAIR.format("NEW")),),
        _CHANGED.format("value"),
    ),
    _Trigger(
        "version_tag_deleted",
        _VT,
        "DELETE",
        (_record("tag deleted", "OLD.name", "OLD.version", _PAIR.format("OLD")),),
    ),
)


def install(connection: Connection) -> bool:
    """Put the triggers on MLflow's tables; false while those, or ours, are not all there."""
    if not {*(each.table for each in TRIGGERS), "modelserve_audit"} <= set(inspect(connection).get_table_names()):
        return False
    for each in TRIGGERS:
        connection.execute(text(each.sql))
    return True
