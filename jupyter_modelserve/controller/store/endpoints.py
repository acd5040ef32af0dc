"""Desired state: what endpoints users asked for. Status is never stored, it is derived."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select, update

from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.controller.store.tables import endpoints
from jupyter_modelserve.errors import Conflict, NotFound
from jupyter_modelserve.types import EndpointSpec, from_json, to_json


@dataclass(frozen=True, slots=True)
class StoredEndpoint:
    """A row: the specification and who wants it since when (milliseconds since 1970)."""

    spec: EndpointSpec
    generation: int
    created_at: int
    updated_at: int
    created_by: str
    deleting: bool


def _read(row: Row[tuple[object, ...]]) -> StoredEndpoint:
    values = row._mapping
    return StoredEndpoint(
        spec=from_json(EndpointSpec, json.loads(values["spec"])),
        generation=values["generation"],
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        created_by=values["created_by"],
        deleting=values["deleting"],
    )


def listing(connection: Connection) -> tuple[StoredEndpoint, ...]:
    """Every endpoint, by name."""
    return tuple(_read(row) for row in connection.execute(select(endpoints).order_by(endpoints.c.name)))


def get(connection: Connection, name: str) -> StoredEndpoint:
    """One endpoint.

    Raises:
        NotFound: there is none of that name.
    """
    row = connection.execute(select(endpoints).where(endpoints.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"endpoint {name!r} does not exist", details={"endpoint": name})
    return _read(row)


def put(connection: Connection, spec: EndpointSpec, principal: str, retry: bool) -> StoredEndpoint:
    """Create or update; the generation grows when something changed, or when *retry* asks for another attempt.

    Raises:
        Conflict: the endpoint is being stopped.
    """
    text = json.dumps(to_json(spec), sort_keys=True)
    now = now_ms()
    row = connection.execute(select(endpoints).where(endpoints.c.name == spec.name)).one_or_none()
    if row is None:
        values = {"name": spec.name, "spec": text, "generation": 1, "deleting": False}
        connection.execute(insert(endpoints).values(**values, created_at=now, updated_at=now, created_by=principal))
    elif row._mapping["deleting"]:
        raise Conflict(f"endpoint {spec.name!r} is being stopped; try again when it is gone", retry_after_s=1)
    elif row._mapping["spec"] != text or retry:
        change = update(endpoints).where(endpoints.c.name == spec.name)
        connection.execute(change.values(spec=text, generation=endpoints.c.generation + 1, updated_at=now))
    return get(connection, spec.name)


def mark_deleting(connection: Connection, name: str) -> StoredEndpoint:
    """Ask for the end of an endpoint; idempotent.

    Raises:
        NotFound: there is none of that name.
    """
    found = get(connection, name)
    if not found.deleting:
        change = update(endpoints).where(endpoints.c.name == name)
        connection.execute(change.values(deleting=True, updated_at=now_ms(), generation=endpoints.c.generation + 1))
    return get(connection, name)


def remove(connection: Connection, name: str) -> None:
    """Forget an endpoint whose replicas are gone."""
    connection.execute(delete(endpoints).where(endpoints.c.name == name))
