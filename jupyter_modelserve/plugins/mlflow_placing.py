"""Writes the address of our own copy into the row of a new version, in the transaction that makes it.

Also what a version is that a client will upload (the ``databricks-uc`` registry): its row says PENDING_REGISTRATION
and names the client's own source and run, which need not exist here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client said of a version whose files it will upload."""

    source: str
    run_id: str = ""


_upload: ContextVar[Upload | None] = ContextVar("modelserve_upload", default=None)
_place: ContextVar[str | None] = ContextVar("modelserve_place", default=None)


def install() -> None:
    """Follow inserts of versions; call once."""
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion

    if not event.contains(SqlModelVersion, "before_insert", _before_insert):
        event.listen(SqlModelVersion, "before_insert", _before_insert)


def _before_insert(_mapper: Any, _connection: Any, row: Any) -> None:
    place = _place.get()
    if place is not None:
        row.storage_location = place
    upload = _upload.get()
    if upload is not None:
        row.source, row.run_id, row.status = upload.source, upload.run_id or None, "PENDING_REGISTRATION"


@contextmanager
def placed_at(address: str | None, upload: Upload | None = None) -> Iterator[None]:
    """Versions made inside this block have their files at *address*, or will have them after an *upload*."""
    tokens = _place.set(address), _upload.set(upload)
    try:
        yield
    finally:
        _place.reset(tokens[0])
        _upload.reset(tokens[1])
