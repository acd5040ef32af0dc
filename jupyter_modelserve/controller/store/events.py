"""Events: the history of an endpoint that users read (REQ-045, REQ-046)."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.controller.store.tables import events
from jupyter_modelserve.types import Event

REQUEST: Final = "request"
"""Kind of what somebody asked for; its data hold the generation, which is 1 when the endpoint was created."""
PAGE: Final = 1000


def append(
    connection: Connection,
    endpoint: str,
    kind: str,
    message: str,
    model: str = "",
    version: str = "",
    data: dict[str, Any] | None = None,
) -> Event:
    """Write one event; its number is larger than every earlier one of the instance."""
    at = now_ms()
    values = {"endpoint": endpoint, "kind": kind, "message": message, "model": model, "version": version}
    result = connection.execute(insert(events).values(**values, at=at, data=json.dumps(data or {})))
    assert result.inserted_primary_key is not None
    return Event(number=result.inserted_primary_key[0], at=at, data=data or {}, **values)


def after(connection: Connection, endpoint: str, number: int, limit: int = PAGE) -> tuple[Event, ...]:
    """Events of *endpoint* behind *number*, oldest first."""
    query = select(events).where(events.c.endpoint == endpoint, events.c.number > number)
    rows = connection.execute(query.order_by(events.c.number).limit(limit))
    return tuple(Event(**{**row._mapping, "data": json.loads(row._mapping["data"])}) for row in rows)


def begun(connection: Connection, endpoint: str) -> int:
    """Number of the last event before *endpoint* was created; 0 when that is not on record."""
    query = select(events.c.number, events.c.data).where(events.c.endpoint == endpoint, events.c.kind == REQUEST)
    for row in connection.execute(query.order_by(events.c.number.desc())):
        if json.loads(row.data).get("generation") == 1:
            return int(row.number) - 1
    return 0
