"""Deleting what others rely on needs saying so twice; limits on aliases and tags (REQ-071, REQ-093, REQ-097)."""

from __future__ import annotations

import json
from typing import Final

from sqlalchemy import Connection, delete, insert, select, text

from jupyter_modelserve import names
from jupyter_modelserve.controller.endpoints.selection import versions
from jupyter_modelserve.controller.governance.tags import check_tag
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.controller.store import endpoints, tables
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.errors import Conflict, InvalidParameter

MOST_ALIASES: Final = 10
_LEFT: Final = {"Staging": ("Staging", "Production"), "Production": ("Production",)}
AGAIN_MS: Final = 120_000
"""How long a refused deletion may be repeated to mean it."""

__all__ = ["AGAIN_MS", "MOST_ALIASES", "check_tag", "confirm", "limit_aliases", "stage_left", "used_by"]


def limit_aliases(connection: Connection, model: str) -> None:
    """At most ten aliases per model (REQ-071). Raises InvalidParameter."""
    query = text("SELECT COUNT(*) FROM registered_model_aliases WHERE name = :name")
    count = int(connection.execute(query, {"name": model}).scalar_one())
    if count > MOST_ALIASES:
        raise InvalidParameter(
            f"{model} has {MOST_ALIASES} aliases already, and that is the limit (REQ-071); delete one first",
            details={"field": "alias"},
        )


def stage_left(connection: Connection, model: str, version: str, to: str) -> tuple[str, ...]:
    """The stages of which one needs a right because *version* leaves the first of them; none when nobody minds.

    None and Archived are not served, so leaving them takes nothing away; who may fill Production may empty Staging.
    The versions that ``archive_existing_versions`` archives leave the stage that the caller has the right on.
    """
    query = text("SELECT current_stage FROM model_versions WHERE name = :name AND version = :version")
    stage = connection.execute(query, {"name": model, "version": version}).scalar_one_or_none()
    if stage not in _LEFT or stage == (names.canonical_stage(to) or to):
        return ()
    return _LEFT[stage]


def used_by(connection: Connection, model: str, version: str | None = None) -> list[str]:
    """What relies on a version (or on any of the model's): aliases and endpoints, for the reader."""
    found = reader.read_models(connection, [model]).get(model)
    if found is None:
        return []
    uses = [f"alias {alias} is version {number}" for alias, number in sorted(found.aliases.items())]
    if version is not None:
        uses = [f"alias {alias}" for alias, number in sorted(found.aliases.items()) if number == version]
    for each in endpoints.listing(connection):
        for entity in each.spec.entities:
            selected = versions(found, entity.selector) if entity.model == model and not each.deleting else ()
            if version in selected or (version is None and selected):
                uses.append(f"endpoint {each.spec.name}")
    return list(dict.fromkeys(uses))


def confirm(connection: Connection, principal: str, what: str, uses: list[str]) -> Conflict | None:
    """``None`` when *what* may be deleted: nothing relies on it, or *principal* asked for it before.

    Otherwise the refusal; that it was asked for is remembered, so the caller commits before it raises.
    """
    rows = tables.confirmations
    mine = (rows.c.principal == principal) & (rows.c.what == what)
    at = connection.execute(select(rows.c.at).where(mine)).scalar_one_or_none()
    connection.execute(delete(rows).where(mine | (rows.c.at < now_ms() - AGAIN_MS)))
    if not uses or (at is not None and at >= now_ms() - AGAIN_MS):
        return None
    connection.execute(insert(rows).values(principal=principal, what=what, at=now_ms()))
    return Conflict(
        f"{what} is in use: {', '.join(uses[:5])}; nothing was deleted. Free it first, or ask for the same again "
        f"within {AGAIN_MS // 60_000} minutes to delete it anyway",
        details={"used_by": json.loads(json.dumps(uses))},
    )
