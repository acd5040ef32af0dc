"""From one version of our tables to the next: each step may be run again after a crash.

New tables are made by ``create_all``; a step fills them. A new database takes every step as well: there is one way.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.dialects.sqlite import insert as insert_or

from jupyter_modelserve import names
from jupyter_modelserve.controller.store import secrets as endpoint_secrets
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.controller.store.database import key_file, now_ms

MAIN, DEFAULT = "main", "default"
ALL_USERS: Final = "account users"
WORKSPACE: Final = "workspace"
_OPEN_SECRETS: Final = "modelserve_endpoint_secrets"


def governance(connection: Connection, admin: str) -> None:
    """Version 2: metastore, workspace, ``main.default``, the local user as admin, owners of models that exist."""
    now = now_ms()
    metastore = connection.execute(select(tables.metastores.c.id)).scalar_one_or_none()
    if metastore is None:
        metastore = secrets.token_hex(16)
        values = {"id": metastore, "name": "metastore", "created_at": now}
        connection.execute(insert(tables.metastores).values(**values))
    if connection.execute(select(tables.workspaces.c.name)).first() is None:
        values = {"name": WORKSPACE, "metastore": metastore, "default_catalog": MAIN, "created_at": now}
        connection.execute(insert(tables.workspaces).values(**values))
    principal(connection, admin, "user", admin)
    principal(connection, ALL_USERS, "group", admin)
    for known in connection.execute(select(tables.tokens.c.principal).distinct()).scalars().all():
        principal(connection, known, "user", admin)
    own(connection, "METASTORE", "metastore", admin)
    own(connection, "WORKSPACE", WORKSPACE, admin)
    container(connection, MAIN, admin)
    container(connection, f"{MAIN}.{DEFAULT}", admin)
    connection.execute(insert_or(tables.meta).values(name="governance_revision", value="1").on_conflict_do_nothing())
    adopt(connection, admin)


def seal_secrets(connection: Connection, _: str) -> None:
    """Version 4: secrets lay open in a table, which is emptied into the sealed one and removed, its pages overwritten.

    Removing the table covers what a VACUUM would, and leaves the row numbers of MLflow's tables alone.

    Raises:
        Unavailable: there are secrets, and the operator's key file cannot be used.
    """
    if not inspect(connection).has_table(_OPEN_SECRETS):
        return
    rows = connection.execute(text(f"SELECT * FROM {_OPEN_SECRETS}")).mappings().all()  # noqa: S608 - a constant
    key = key_file(connection).ensure()[0] if rows else None
    for row in rows:
        if key is not None:
            kept = {name: row[name] for name in ("endpoint", "name", "revision", "set_at", "set_by")}
            values = kept | endpoint_secrets.sealed(key, row, row["value"])
            connection.execute(insert_or(tables.sealed_secrets).values(values).on_conflict_do_nothing())
    endpoint_secrets.thorough(connection)
    connection.execute(text(f"DROP TABLE {_OPEN_SECRETS}"))


STEPS: Final[dict[int, Callable[[Connection, str], None]]] = {2: governance, 4: seal_secrets}
"""The step that leads to each version."""


def principal(connection: Connection, name: str, kind: str, by: str) -> None:
    """A principal, when it is not known yet."""
    values = {"name": name, "kind": kind, "created_at": now_ms(), "created_by": by}
    connection.execute(insert_or(tables.principals).values(**values).on_conflict_do_nothing())


def own(connection: Connection, kind: str, name: str, owner: str) -> None:
    """An owner for an object that has none."""
    connection.execute(insert_or(tables.owners).values(type=kind, name=name, owner=owner).on_conflict_do_nothing())


def container(connection: Connection, name: str, by: str) -> bool:
    """The catalog or schema *name* with its owner, when it is not there yet; whether it was made."""
    table, kind = (tables.schemas, "SCHEMA") if "." in name else (tables.catalogs, "CATALOG")
    now = now_ms()
    values = {"name": name, "created_at": now, "created_by": by, "updated_at": now, "updated_by": by}
    made = connection.execute(insert_or(table).values(**values).on_conflict_do_nothing()).rowcount > 0
    if made:
        own(connection, kind, name, by)
    return made


_UNOWNED: Final = (
    "SELECT name FROM registered_models WHERE name NOT IN (SELECT name FROM modelserve_owners WHERE type = 'FUNCTION')"
)
_UNHELD: Final = (
    "SELECT name FROM registered_models WHERE length(name) - length(replace(name, '.', '')) = 2 AND NOT EXISTS "
    "(SELECT 1 FROM modelserve_schemas s WHERE substr(registered_models.name, 1, length(s.name) + 1) = s.name || '.')"
)


def unowned(connection: Connection) -> bool:
    """Whether somebody registered a model past our plugin, so that it lacks an owner, catalog or schema."""
    if not inspect(connection).has_table("registered_models"):
        return False
    return any(connection.execute(text(f"{query} LIMIT 1")).first() for query in (_UNOWNED, _UNHELD))


def adopt(connection: Connection, admin: str) -> int:
    """Give *admin* the models, catalogs and schemas that nobody owns: made before version 2, or past our plugin.

    Returns how many rows were made.
    """
    if not inspect(connection).has_table("registered_models"):
        return 0
    models = [str(name) for name in connection.execute(text(_UNOWNED)).scalars()]
    made = len(models)
    for name in models:
        own(connection, "FUNCTION", name, admin)
    for name in connection.execute(text(_UNHELD)).scalars().all():
        if names.is_three_level(str(name)):
            catalog, schema, _ = str(name).split(".")
            made += container(connection, catalog, admin)
            made += container(connection, f"{catalog}.{schema}", admin)
    return made
