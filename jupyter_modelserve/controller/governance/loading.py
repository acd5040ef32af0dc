"""Reads the picture that decisions are made from; read again only when its revision changed."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any, Final

from sqlalchemy import Connection, select, text

from jupyter_modelserve.controller.governance.securables import Right, Securable
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.controller.store.database import get_meta
from jupyter_modelserve.governed import PrincipalKind, Privilege, SecurableType

REVISION: Final = "governance_revision"


class Loader:
    """Keeps the newest state. Safe for several threads: the state is immutable and swapped in one assignment."""

    def __init__(self) -> None:
        self._state = State(-1)
        self._lock = threading.Lock()

    def state(self, connection: Connection) -> State:
        """What is committed now. *connection* has changed nothing yet: only committed states may be kept."""
        revision = _revision(connection)
        if revision == self._state.revision:
            return self._state
        found = _consistent(connection)
        with self._lock:
            self._state = found
        return found


def _revision(connection: Connection) -> int:
    return int(get_meta(connection, REVISION) or 0)


def _consistent(connection: Connection) -> State:
    """Read everything as of one moment: sqlite3 begins no transaction for reads by itself."""
    driver: Any = connection.connection.dbapi_connection
    if driver.in_transaction:
        return current(connection)
    connection.exec_driver_sql("BEGIN")
    try:
        return current(connection)
    finally:
        connection.exec_driver_sql("ROLLBACK")


def current(connection: Connection) -> State:
    """The state as *connection* sees it, its own uncommitted changes included; never kept."""
    return load(connection, _revision(connection))


def touch(connection: Connection) -> None:
    """Say that principals, owners or grants changed; every process then reads them again."""
    connection.execute(
        text("UPDATE modelserve_meta SET value = CAST(value AS INTEGER) + 1 WHERE name = :name"), {"name": REVISION}
    )


def load(connection: Connection, revision: int) -> State:
    """Read everything: some rows per principal and per grant."""
    groups: dict[str, set[str]] = defaultdict(set)
    for row in connection.execute(select(tables.members)):
        groups[row.member].add(row.group_name)
    grants: dict[Securable, dict[str, set[Right]]] = defaultdict(lambda: defaultdict(set))
    for row in connection.execute(select(tables.grants)):
        right = Right(Privilege(row.privilege), row.detail)
        grants[Securable(SecurableType(row.type), row.name)][row.principal].add(right)
    return State(
        revision=revision,
        principals={
            row.name: PrincipalKind(row.kind)
            for row in connection.execute(select(tables.principals.c.name, tables.principals.c.kind))
        },
        groups={name: frozenset(found) for name, found in groups.items()},
        owners={
            Securable(SecurableType(row.type), row.name): row.owner for row in connection.execute(select(tables.owners))
        },
        grants={on: {name: frozenset(each) for name, each in found.items()} for on, found in grants.items()},
        default_catalog=str(connection.execute(select(tables.workspaces.c.default_catalog)).scalar() or "main"),
    )
