"""Endpoints: which alias, stage, version or model each one serves now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from jupyter_modelserve.controller.lineage import foreign, ids
from jupyter_modelserve.controller.store import endpoints
from jupyter_modelserve.controller.store import lineage as store
from jupyter_modelserve.controller.store.database import get_meta, now_ms, set_meta
from jupyter_modelserve.controller.store.lineage import Node
from jupyter_modelserve.controller.store.tables import endpoints as rows
from jupyter_modelserve.traced import NodeType, Relation
from jupyter_modelserve.types import SelectorKind, ServedEntity

SEEN: Final = "lineage_endpoints"


def pending(connection: Connection) -> str:
    """What the endpoints are now as one text, when that differs from what was written last; else nothing."""
    query = select(rows.c.name, rows.c.generation, rows.c.deleting).order_by(rows.c.name)
    now = json.dumps([[name, generation, bool(gone)] for name, generation, gone in connection.execute(query)])
    return "" if now == (get_meta(connection, SEEN) or "[]") else now


def record(connection: Connection, now: str) -> None:
    """Write what every endpoint serves; *now* is what :func:`pending` said."""
    served = {each.spec.name: each for each in endpoints.listing(connection) if not each.deleting}
    before = {str(name) for name, *_ in json.loads(get_meta(connection, SEEN) or "[]")}
    for name, stored in served.items():
        with foreign.apart(connection, f"endpoint {name}"):
            _serves(connection, name, stored.spec.entities)
    for name in before - served.keys():
        _gone(connection, ids.endpoint(name))
    set_meta(connection, SEEN, now)


def _serves(connection: Connection, name: str, entities: Iterable[ServedEntity]) -> None:
    models = sorted({each.model for each in entities})
    here = store.put(connection, Node(ids.endpoint(name), NodeType.ENDPOINT, name, "", {"models": models}))
    sources = [_selected(connection, each) for each in entities]
    store.end(connection, Relation.SERVED, target=here, keep=sources)
    for source in sources:
        store.link(connection, source, Relation.SERVED, here)


def _gone(connection: Connection, identity: str) -> None:
    store.end(connection, Relation.SERVED, target=identity)
    node = store.find(connection, [identity]).get(identity)
    if node is not None and "deleted" not in node.facts:
        facts = {**node.facts, "deleted": now_ms()}
        store.put(connection, Node(node.id, node.type, node.name, node.model, facts))


def _selected(connection: Connection, entity: ServedEntity) -> str:
    model, value = entity.model, entity.selector.value or ""
    match entity.selector.kind:
        case SelectorKind.ALIAS:
            node = Node(ids.alias(model, value), NodeType.ALIAS, f"{model}@{value}", model, {"alias": value})
        case SelectorKind.STAGE:
            node = Node(ids.stage(model, value), NodeType.STAGE, f"{model} {value}", model, {"stage": value})
        case SelectorKind.VERSION:
            facts = {"version": value}
            node = Node(ids.version(model, value), NodeType.VERSION, f"{model} {value}", model, facts)
        case _:
            node = Node(ids.model(model), NodeType.MODEL, model, model)
    return store.known(connection, node)
