"""Values of endpoints' secrets, apart from everything that is shown (REQ-140).

They lie in a table of the instance's database (0600) and leave it for one destination only: the replica's private
socket. What changes is recorded by name. ``revision`` stands for a value wherever something has to notice its change.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from jupyter_modelserve.controller.store import audit
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.controller.store.tables import endpoint_secrets as table


@dataclass(frozen=True, slots=True)
class Secret:
    """A value with the random name of this very setting of it."""

    revision: str
    value: str = field(repr=False)


def of(connection: Connection, endpoint: str) -> dict[str, Secret]:
    """The secrets of an endpoint by name."""
    rows = connection.execute(select(table).where(table.c.endpoint == endpoint).order_by(table.c.name))
    return {row.name: Secret(row.revision, row.value) for row in rows}


def put(connection: Connection, endpoint: str, values: Mapping[str, str], kept: Collection[str], actor: Actor) -> bool:
    """Set *values* and forget every secret that is not among *kept*; whether anything is different now."""
    before = of(connection, endpoint)
    fresh = {name: value for name, value in values.items() if name not in before or before[name].value != value}
    gone = sorted(before.keys() - set(kept))
    for name in [*fresh, *gone]:
        _remove(connection, endpoint, name)
    for name, value in sorted(fresh.items()):
        row = {"endpoint": endpoint, "name": name, "value": value, "revision": secrets.token_hex(8), "set_at": now_ms()}
        connection.execute(insert(table).values(**row, set_by=actor.principal))
        audit.append(connection, actor, "endpoint secret set", "ENDPOINT", endpoint, after=name)
    for name in gone:
        audit.append(connection, actor, "endpoint secret removed", "ENDPOINT", endpoint, before=name)
    return bool(fresh or gone)


def forget(connection: Connection, endpoint: str) -> None:
    """Remove all secrets of an endpoint."""
    _remove(connection, endpoint)


def _remove(connection: Connection, endpoint: str, name: str | None = None) -> None:
    if connection.dialect.name == "sqlite":
        # Otherwise the bytes would stay in the file until something else needs the room.
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    chosen = delete(table).where(table.c.endpoint == endpoint)
    connection.execute(chosen if name is None else chosen.where(table.c.name == name))
