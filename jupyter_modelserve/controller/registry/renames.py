"""An endpoint follows a model, not a name: when a model is renamed, whatever serves it asks for the new name.

The change feed says which names changed, in the order in which they did, also for the time in which no controller ran.
The old names are kept for a while, so that whoever still uses one is told the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from jupyter_modelserve.controller.store import endpoints, events, feed, knowledge
from jupyter_modelserve.controller.store.database import get_meta, set_meta
from jupyter_modelserve.types import EndpointSpec

FOLLOWED, RENAMED = "renames_followed", "renamed"
"""Number of the last change that was looked at, and the old names, as they are kept."""
MOST = 200
"""Old names that are remembered, the newest."""
_ALL = 1_000_000
_KINDS = ("model renamed", "model created", "model deleted")


def begin(connection: Connection) -> None:
    """Follow from here on; a database of an earlier release may hold renames that were dealt with by hand."""
    if get_meta(connection, FOLLOWED) is None:
        set_meta(connection, FOLLOWED, str(feed.newest(connection)))


def known(connection: Connection) -> dict[str, str]:
    """Old name → the name that the model has now."""
    found: dict[str, str] = json.loads(get_meta(connection, RENAMED) or "{}")
    return found


def follow(connection: Connection) -> dict[str, str] | None:
    """Let endpoints and recorded digests follow what was renamed.

    Returns the old names when a model was renamed or an old name ended, else ``None``.
    """
    since = int(get_meta(connection, FOLLOWED) or 0)
    changes = feed.after(connection, since, _ALL, _KINDS)
    if not changes:
        return None
    before = known(connection)
    names = dict(before)
    for change in changes:
        if change.kind == "model renamed":
            _rename(connection, change.detail, change.model)
            names = {old: change.model if new == change.detail else new for old, new in names.items()}
            names.pop(change.detail, None)
            names[change.detail] = change.model
        elif change.kind == "model deleted":
            names = {old: new for old, new in names.items() if new != change.model}
            continue
        # Whatever has the name now, it is nobody's old one.
        names.pop(change.model, None)
    names = dict(list(names.items())[-MOST:])
    set_meta(connection, FOLLOWED, str(changes[-1].number))
    if names == before and not any(each.kind == "model renamed" for each in changes):
        return None
    set_meta(connection, RENAMED, json.dumps(names))
    return names


def _rename(connection: Connection, old: str, new: str) -> None:
    knowledge.rename(connection, old, new)
    for stored in endpoints.listing(connection):
        if stored.deleting or old not in _models(stored.spec):
            continue
        entities = tuple(replace(each, model=new) if each.model == old else each for each in stored.spec.entities)
        endpoints.rewrite(connection, replace(stored.spec, entities=entities))
        message = f"the model {old} is called {new} now; the endpoint follows it"
        events.append(connection, stored.spec.name, "renamed", message, new, data={"from": old, "to": new})


def _models(spec: EndpointSpec) -> Iterable[str]:
    return [each.model for each in spec.entities]
