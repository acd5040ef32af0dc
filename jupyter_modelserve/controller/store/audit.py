"""The audit log: every change of registry, governance and endpoints, once, in the transaction that made it (REQ-054).

Changes of MLflow's tables are written by triggers (:mod:`.triggers`), whoever makes them; all others by the function
that makes them. Who does it stands in a table of one row while the transaction lasts, where the triggers find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.controller.store.tables import audit, context
from jupyter_modelserve.governed import AuditRecord


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something: principal, user agent of the client, id of the request."""

    principal: str
    client: str = ""
    request_id: str = ""


def begin(connection: Connection, actor: Actor) -> None:
    """From here on, triggers of this transaction write down *actor*."""
    connection.execute(delete(context))
    connection.execute(
        insert(context).values(principal=actor.principal, client=actor.client[:200], request_id=actor.request_id[:64])
    )


def end(connection: Connection) -> None:
    """Nobody is named any longer; call it before the transaction ends."""
    connection.execute(delete(context))


@contextmanager
def acting(connection: Connection, actor: Actor) -> Iterator[None]:
    """Changes inside this block are *actor*'s. A failure ends the transaction, and the row with it."""
    begin(connection, actor)
    yield
    end(connection)


def append(
    connection: Connection,
    actor: Actor,
    action: str,
    securable_type: str,
    securable_name: str,
    *,
    version: str = "",
    before: str = "",
    after: str = "",
) -> None:
    """Write one record of a change that no trigger sees."""
    connection.execute(
        insert(audit).values(
            at=now_ms(),
            principal=actor.principal,
            client=actor.client[:200],
            request_id=actor.request_id[:64],
            action=action,
            securable_type=securable_type,
            securable_name=securable_name,
            version=version,
            before=before,
            after=after,
        )
    )


def listing(
    connection: Connection,
    *,
    after: int = 0,
    securable: tuple[str, str] | None = None,
    principal: str = "",
    action: str = "",
    limit: int = 200,
) -> tuple[AuditRecord, ...]:
    """Records behind number *after*, oldest first."""
    query = select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit)
    if securable is not None:
        query = query.where(audit.c.securable_type == securable[0], audit.c.securable_name == securable[1])
    if principal:
        query = query.where(audit.c.principal == principal)
    if action:
        query = query.where(audit.c.action == action)
    return tuple(AuditRecord(**row._mapping) for row in connection.execute(query))
