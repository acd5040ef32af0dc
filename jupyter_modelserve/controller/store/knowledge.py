"""What the controller has learnt and must not forget: digests of versions, interpreters that registered models."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.controller.store.tables import digests, interpreters
from jupyter_modelserve.types import ModelVersion


def digest_of(connection: Connection, version: ModelVersion) -> str | None:
    """The recorded digest. Creation time is part of the key: a name may be deleted and used again."""
    query = select(digests.c.digest).where(
        digests.c.model == version.model,
        digests.c.version == version.version,
        digests.c.created_at == version.created_at,
    )
    value = connection.execute(query).scalar_one_or_none()
    return None if value is None else str(value)


def record_digest(connection: Connection, version: ModelVersion, digest: str) -> str:
    """Remember the digest of a version seen for the first time; returns the one that is on record."""
    known = digest_of(connection, version)
    if known is None:
        key = {"model": version.model, "version": version.version, "created_at": version.created_at}
        connection.execute(insert(digests).values(**key, digest=digest, recorded_at=now_ms()))
    return known or digest


def rename(connection: Connection, old: str, new: str) -> None:
    """The digests of *old* are those of *new* from now on: a new name must not let other files through."""
    taken = select(digests.c.version, digests.c.created_at).where(digests.c.model == new)
    have = {tuple(row) for row in connection.execute(taken)}
    moving = connection.execute(select(digests).where(digests.c.model == old)).all()
    for row in moving:
        one = (digests.c.model == old) & (digests.c.version == row.version) & (digests.c.created_at == row.created_at)
        if (row.version, row.created_at) in have:
            connection.execute(delete(digests).where(one))
        else:
            connection.execute(update(digests).where(one).values(model=new))


def saw_interpreter(connection: Connection, path: str) -> None:
    """Note that models were registered from this interpreter."""
    changed = connection.execute(update(interpreters).where(interpreters.c.path == path).values(seen_at=now_ms()))
    if not changed.rowcount:
        connection.execute(insert(interpreters).values(path=path, seen_at=now_ms()))


def known_interpreters(connection: Connection) -> tuple[str, ...]:
    """Interpreters that registered models, most recent first."""
    query = select(interpreters.c.path).order_by(interpreters.c.seen_at.desc())
    return tuple(connection.execute(query).scalars())
