"""Nodes and edges of lineage as rows: written idempotently and not deleted, so that what was is still known.

The one exception is :func:`trim`, for edges that cost their writer nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, case, delete, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.controller.store.tables import lineage_edges as edges
from jupyter_modelserve.controller.store.tables import lineage_nodes as nodes
from jupyter_modelserve.traced import LineageEdge, NodeType, Relation

_AT_ONCE: Final = 400
"""Ids in one question: SQLite takes a bounded number of values."""


@dataclass(frozen=True, slots=True)
class Node:
    """A row. ``model``: whose rights decide who may see it; empty for what the workspace shares."""

    id: str
    type: NodeType
    name: str
    model: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def put(connection: Connection, node: Node) -> str:
    """Write a node with what is known of it now; returns its id."""
    values = {"name": node.name, "model": node.model, "facts": _text(node.facts)}
    statement = insert(nodes).values(id=node.id, type=node.type.value, at=now_ms(), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    return node.id


def known(connection: Connection, node: Node) -> str:
    """Write a node only when nobody knows it yet; returns its id."""
    values = {
        "id": node.id,
        "type": node.type.value,
        "name": node.name,
        "model": node.model,
        "facts": _text(node.facts),
    }
    connection.execute(insert(nodes).values(**values, at=now_ms()).on_conflict_do_nothing())
    return node.id


def link(
    connection: Connection, source: str, relation: Relation, target: str, facts: dict[str, Any] | None = None
) -> None:
    """Write an edge; one that had ended holds again from now on."""
    text = _text(facts or {})
    statement = insert(edges).values(
        source=source, target=target, relation=relation.value, at=now_ms(), ended_at=0, facts=text
    )
    again = case((edges.c.ended_at > 0, statement.excluded.at), else_=edges.c.at)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "target", "relation"], set_={"at": again, "ended_at": 0, "facts": text}
        )
    )


def end(
    connection: Connection,
    relation: Relation,
    *,
    source: str = "",
    target: str = "",
    keep: Iterable[str] = (),
) -> None:
    """End the edges from *source*, or to *target*, whose other end is not among *keep*."""
    mine, other = (edges.c.source, edges.c.target) if source else (edges.c.target, edges.c.source)
    statement = update(edges).where(mine == (source or target), edges.c.relation == relation.value)
    statement = statement.where(edges.c.ended_at == 0, other.not_in(list(keep)))
    connection.execute(statement.values(ended_at=now_ms()))


def trim(connection: Connection, source: str, relation: Relation, most: int) -> None:
    """Forget all but the newest *most* such edges from *source*, and their targets that nothing is linked with."""
    here = (edges.c.source == source, edges.c.relation == relation.value)
    newest = select(edges.c.target).where(*here).order_by(edges.c.at.desc(), edges.c.target)
    for target in connection.execute(newest.offset(most)).scalars().all():
        connection.execute(delete(edges).where(*here, edges.c.target == target))
        if not has_edges(connection, target):
            connection.execute(delete(nodes).where(nodes.c.id == target))


def of_model(connection: Connection, model: str) -> tuple[Node, ...]:
    """Nodes that belong to a model of that name."""
    return tuple(_node(row) for row in connection.execute(select(nodes).where(nodes.c.model == model)))


def move(connection: Connection, node: Node, identity: str, name: str, model: str, **facts: Any) -> None:
    """Call a node otherwise, with all its edges."""
    text = _text({**node.facts, **facts})
    change = update(nodes).where(nodes.c.id == node.id)
    connection.execute(change.values(id=identity, name=name, model=model, facts=text))
    for column in (edges.c.source, edges.c.target):
        connection.execute(update(edges).where(column == node.id).values({column.name: identity}))


def find(connection: Connection, ids: Iterable[str]) -> dict[str, Node]:
    """Nodes by id; unknown ids are left out."""
    found: dict[str, Node] = {}
    for some in _portions(ids):
        for row in connection.execute(select(nodes).where(nodes.c.id.in_(some))):
            found[row.id] = _node(row)
    return found


def touching(
    connection: Connection,
    ids: Iterable[str],
    *,
    upstream: bool,
    history: bool = False,
    relations: Iterable[Relation] = (),
) -> tuple[LineageEdge, ...]:
    """Edges into these nodes (*upstream*) or out of them, oldest first; *history*: also those that ended."""
    found: list[LineageEdge] = []
    wanted = [each.value for each in relations]
    for some in _portions(ids):
        query = select(edges).where((edges.c.target if upstream else edges.c.source).in_(some))
        if not history:
            query = query.where(edges.c.ended_at == 0)
        if wanted:
            query = query.where(edges.c.relation.in_(wanted))
        for row in connection.execute(query.order_by(edges.c.at, edges.c.source, edges.c.target)):
            facts = json.loads(row.facts)
            found.append(LineageEdge(row.source, row.target, Relation(row.relation), row.at, row.ended_at, facts))
    return tuple(found)


def has_edges(connection: Connection, identity: str) -> bool:
    """Whether anything is linked with a node."""
    query = select(edges.c.at).where(or_(edges.c.source == identity, edges.c.target == identity)).limit(1)
    return connection.execute(query).first() is not None


def _text(facts: dict[str, Any]) -> str:
    """As JSON that can be read again and answered with: half a character, as a JSON text may hold, becomes ``?``."""
    return json.dumps(facts, ensure_ascii=False, allow_nan=False).encode(errors="replace").decode()


def _node(row: Any) -> Node:
    return Node(row.id, NodeType(row.type), row.name, row.model, json.loads(row.facts))


def _portions(ids: Iterable[str]) -> Iterable[list[str]]:
    everything = list(dict.fromkeys(ids))
    return (everything[start : start + _AT_ONCE] for start in range(0, len(everything), _AT_ONCE))
