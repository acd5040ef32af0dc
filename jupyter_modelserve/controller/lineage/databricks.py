"""What Databricks clients tell of lineage: a call when they load a version, a header when they register one.

Both name notebooks, jobs and pipelines by ids of the system that runs them; the header also names upstream tables. The
open-source client sends an empty list outside of Databricks: then there is nothing to keep.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from jupyter_modelserve.controller.lineage import foreign, ids
from jupyter_modelserve.controller.store import lineage as store
from jupyter_modelserve.controller.store.lineage import Node
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.traced import NodeType, Relation

HEADER: Final = "x-databricks-lineage-identifier"
UPSTREAM, DOWNSTREAM = "UPSTREAM", "DOWNSTREAM"
_KINDS: Final = ("notebook", "job", "pipeline")
_MOST: Final = 50
_LONGEST: Final = 256
_KEY: Final = 64
KEPT: Final = 50
"""What loads a version: so many are known of each, the newest."""


def emitted(connection: Connection, model: str, version: str, info: Mapping[str, Any]) -> int:
    """Write what a client says of a version (``keeper.up_to_date`` comes first); how many entities it named.

    Raises:
        NotFound: there is no such version. InvalidParameter: the direction is neither of the two.
    """
    here = ids.version(model, version)
    if here not in store.find(connection, [here]):
        raise NotFound(f"{model} has no version {version}", details={"model": model, "version": version})
    direction = str(info.get("direction") or UPSTREAM)
    if direction not in {UPSTREAM, DOWNSTREAM}:
        raise InvalidParameter("direction: must be UPSTREAM or DOWNSTREAM", details={"field": "direction"})
    found = list(_entities(info.get("entities")))
    for kind, identity, facts in found:
        if direction == DOWNSTREAM:
            node = Node(ids.consumer(kind, identity), NodeType.CONSUMER, f"{kind} {identity}", "", facts)
            store.link(connection, here, Relation.LOADED, store.put(connection, node))
        else:
            _origin(connection, here, kind, identity, facts)
    store.trim(connection, here, Relation.LOADED, KEPT)
    return len(found)


def registered(connection: Connection, model: str, version: str, header: str) -> None:
    """Write the header of a registration: what made the version, and the tables that it was made from.

    A header that cannot be read is no reason to refuse a version.
    """
    told = _decoded(header)
    if not told:
        return
    here = ids.version(model, version)
    for kind, identity, facts in _entities(told.get("entities")):
        _origin(connection, here, kind, identity, facts)
    for table in _tables(told.get("lineages")):
        name = foreign.clean(table["name"], _LONGEST)
        facts = {"source_type": "delta", "source": json.dumps({"delta_table_name": name})}
        identity = ids.dataset("delta", facts["source"], name, "", foreign.clean(table.get("table_id", ""), _LONGEST))
        node = Node(identity, NodeType.DATASET, name, "", facts)
        store.link(connection, store.put(connection, node), Relation.READ, here, {"context": "training"})


def _origin(connection: Connection, here: str, kind: str, identity: str, facts: dict[str, Any]) -> None:
    node = Node(ids.notebook(f"{kind}/{identity}"), NodeType.NOTEBOOK, f"{kind} {identity}", "", facts)
    store.link(connection, store.put(connection, node), Relation.REGISTERED, here)


def _entities(listed: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for each in _some(listed):
        for kind in _KINDS:
            told = each.get(kind) if isinstance(each, dict) else None
            if isinstance(told, dict) and told.get("id"):
                facts = {
                    foreign.clean(key, _KEY): foreign.clean(value, _LONGEST) for key, value in list(told.items())[:10]
                }
                yield kind, foreign.clean(told["id"], _LONGEST), {**facts, "kind": kind}


def _some(listed: Any) -> list[Any]:
    return listed[:_MOST] if isinstance(listed, list) else []


def _decoded(header: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(header, validate=True))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tables(listed: Any) -> Iterator[dict[str, Any]]:
    for each in _some(listed):
        for source in _some(each.get("source_securables")) if isinstance(each, dict) else ():
            table = source.get("table") if isinstance(source, dict) else None
            if isinstance(table, dict) and table.get("name"):
                yield table
