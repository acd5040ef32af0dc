"""Values of endpoints' secrets, apart from everything that is shown (REQ-140).

They lie sealed in a table of the instance's database, under a key that is not in it (``store/keys.py``), and leave it
for one destination only: the replica's private socket. What changes is recorded by name. ``revision`` stands for a
value wherever something has to notice its change.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, update

from jupyter_modelserve.controller.store import audit
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import key_file, now_ms
from jupyter_modelserve.controller.store.keys import Key
from jupyter_modelserve.controller.store.sealing import Unreadable, seal, unseal
from jupyter_modelserve.controller.store.tables import sealed_secrets as table
from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.types import SecretKeyRotation


@dataclass(frozen=True, slots=True)
class Secret:
    """A value with the random name of this very setting of it. ``problem``: why it cannot be read, if so."""

    revision: str
    value: str = field(repr=False)
    problem: str = ""


def of(connection: Connection, endpoint: str) -> dict[str, Secret]:
    """The secrets of an endpoint by name; one that cannot be read says so and keeps nobody else from theirs."""
    rows = connection.execute(select(table).where(table.c.endpoint == endpoint).order_by(table.c.name)).all()
    if not rows:
        return {}
    try:
        keys, problem = key_file(connection).read(), ""
    except Unavailable as error:
        keys, problem = (), error.message
    return {row.name: _read(row._mapping, keys, problem) for row in rows}


def _read(row: Mapping[Any, Any], keys: tuple[Key, ...], problem: str) -> Secret:
    try:
        return Secret(row["revision"], unseal(keys, row["key"], _place(row), row["sealed"]))
    except Unreadable as error:
        which = f"secret {row['name']} of endpoint {row['endpoint']}"
        return Secret(row["revision"], "", f"{which} cannot be read: {problem or error}")


def _place(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return (row["endpoint"], row["name"], row["revision"])


def put(connection: Connection, endpoint: str, values: Mapping[str, str], kept: Collection[str], actor: Actor) -> bool:
    """Set *values* and forget every secret that is not among *kept*; whether anything is different now.

    Raises:
        Unavailable: there is something to set, and the key cannot be used.
    """
    before = of(connection, endpoint)
    fresh = {name: value for name, value in values.items() if name not in before or before[name].value != value}
    gone = sorted(before.keys() - set(kept))
    for name in [*fresh, *gone]:
        _remove(connection, endpoint, name)
    if fresh:
        key = key_file(connection).ensure()[0]
        for name, value in sorted(fresh.items()):
            row = {"endpoint": endpoint, "name": name, "revision": secrets.token_hex(8)}
            connection.execute(
                insert(table).values(**row, **sealed(key, row, value), set_at=now_ms(), set_by=actor.principal)
            )
            audit.append(connection, actor, "endpoint secret set", "ENDPOINT", endpoint, after=name)
    for name in gone:
        audit.append(connection, actor, "endpoint secret removed", "ENDPOINT", endpoint, before=name)
    return bool(fresh or gone)


def rehearse(connection: Connection, endpoint: str, values: Mapping[str, str], kept: Collection[str]) -> bool:
    """What :func:`put` would answer, without a trace in database or key file.

    Each of *values* counts as another one: whether it is the one that is set must not be found out by rehearsing.

    Raises:
        Unavailable: as :func:`put`.
    """
    if values:
        key_file(connection).read()
    return bool(values) or bool(of(connection, endpoint).keys() - set(kept))


def sealed(key: Key, row: Mapping[Any, Any], value: str) -> dict[str, str]:
    """The columns that hold *value*, bound to the endpoint, the name and the revision of *row*."""
    return {"key": key.id, "sealed": seal(key, _place(row), value)}


def forget(connection: Connection, endpoint: str) -> None:
    """Remove all secrets of an endpoint."""
    _remove(connection, endpoint)


def rotate(connection: Connection, actor: Actor) -> SecretKeyRotation:
    """Seal every secret under a new key: one that is made here, or the first of the operator's file.

    Values and revisions stay, so nothing is started anew. :func:`forget_keys` ends it, in a later transaction: until
    this one is on disk the keys before are needed.

    Raises:
        Unavailable: the keys cannot be used.
    """
    keys = key_file(connection).renew()
    renewed, unreadable = 0, []
    thorough(connection)
    for row in connection.execute(select(table).order_by(table.c.endpoint, table.c.name)).all():
        found = _read(row._mapping, keys, "")
        if found.problem:
            unreadable.append(f"{row.endpoint}/{row.name}")
        elif row.key != keys[0].id:
            here = (table.c.endpoint == row.endpoint) & (table.c.name == row.name)
            connection.execute(update(table).where(here).values(sealed(keys[0], row._mapping, found.value)))
            renewed += 1
    audit.append(connection, actor, "secret key rotated", "METASTORE", "metastore", after=keys[0].id)
    return SecretKeyRotation(keys[0].id, renewed, tuple(unreadable))


def forget_keys(connection: Connection) -> tuple[str, ...]:
    """Remove keys that nothing is sealed under any more; the ids of those that the operator may remove."""
    return key_file(connection).keep(connection.execute(select(table.c.key).distinct()).scalars().all())


def problems(connection: Connection) -> dict[str, str]:
    """Why each secret (``endpoint/name``) cannot be read; empty where it can. Changes nothing."""
    if not inspect(connection).has_table(table.name):
        return {}
    named = connection.execute(select(table.c.endpoint).distinct().order_by(table.c.endpoint)).scalars().all()
    return {f"{each}/{name}": found.problem for each in named for name, found in of(connection, each).items()}


def thorough(connection: Connection) -> None:
    """From here on, what is removed is overwritten: otherwise it stays in the file until its room is needed."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def _remove(connection: Connection, endpoint: str, name: str | None = None) -> None:
    thorough(connection)
    chosen = delete(table).where(table.c.endpoint == endpoint)
    connection.execute(chosen if name is None else chosen.where(table.c.name == name))
