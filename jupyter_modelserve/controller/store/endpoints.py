"""Desired state: what endpoints users asked for. Status is never stored, it is derived."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select, update

from jupyter_modelserve.controller.store import audit, secrets
from jupyter_modelserve.controller.store.audit import Actor
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


def put(
    connection: Connection,
    spec: EndpointSpec,
    principal: str,
    retry: bool,
    actor: Actor | None = None,
    *,
    touched: bool = False,
) -> StoredEndpoint:
    """Create or update; the generation grows when something changed, or when *retry* asks for another attempt.

    *touched*: something changed that is not part of the text (a secret's value).

    What changed goes into the audit log, as done by *actor* (by default *principal*).

    Raises:
        Conflict: the endpoint is being stopped.
    """
    text = json.dumps(to_json(spec), sort_keys=True)
    now = now_ms()
    row = connection.execute(select(endpoints).where(endpoints.c.name == spec.name)).one_or_none()
    if row is None:
        values = {"name": spec.name, "spec": text, "generation": 1, "deleting": False}
        connection.execute(insert(endpoints).values(**values, created_at=now, updated_at=now, created_by=principal))
        _record(connection, actor or Actor(principal), "endpoint created", spec.name, after=text)
    elif row._mapping["deleting"]:
        raise Conflict(f"endpoint {spec.name!r} is being stopped; try again when it is gone", retry_after_s=1)
    elif row._mapping["spec"] != text or retry or touched:
        change = update(endpoints).where(endpoints.c.name == spec.name)
        connection.execute(change.values(spec=text, generation=endpoints.c.generation + 1, updated_at=now))
        action = "endpoint changed" if row._mapping["spec"] != text or touched else "endpoint retried"
        _record(connection, actor or Actor(principal), action, spec.name, row._mapping["spec"], text)
    return get(connection, spec.name)


def _record(connection: Connection, actor: Actor, action: str, name: str, before: str = "", after: str = "") -> None:
    audit.append(connection, actor, action, "ENDPOINT", name, before=before, after=after)


def rewrite(connection: Connection, spec: EndpointSpec) -> None:
    """Store what nobody asked for but what follows from the registry, as a new generation."""
    text = json.dumps(to_json(spec), sort_keys=True)
    change = update(endpoints).where(endpoints.c.name == spec.name)
    connection.execute(change.values(spec=text, generation=endpoints.c.generation + 1, updated_at=now_ms()))


def mark_deleting(connection: Connection, name: str, actor: Actor | None = None) -> StoredEndpoint:
    """Ask for the end of an endpoint; idempotent.

    Raises:
        NotFound: there is none of that name.
    """
    found = get(connection, name)
    if not found.deleting:
        change = update(endpoints).where(endpoints.c.name == name)
        connection.execute(change.values(deleting=True, updated_at=now_ms(), generation=endpoints.c.generation + 1))
        _record(connection, actor or Actor(""), "endpoint deleted", name, json.dumps(to_json(found.spec)))
    return get(connection, name)


def remove(connection: Connection, name: str) -> None:
    """Forget an endpoint whose replicas are gone, its secrets included."""
    secrets.forget(connection, name)
    connection.execute(delete(endpoints).where(endpoints.c.name == name))
