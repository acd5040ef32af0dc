"""Versions, aliases and stages: where each came from and what names it, from MLflow's registry tables."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, text

from jupyter_modelserve.controller.lineage import foreign, ids, notebooks, runs
from jupyter_modelserve.controller.registry.reader import DELETED_STAGE
from jupyter_modelserve.controller.store import lineage as store
from jupyter_modelserve.controller.store.feed import Change
from jupyter_modelserve.controller.store.lineage import Node
from jupyter_modelserve.traced import NodeType, Relation

_LOGGED: Final = re.compile(r"\bm-[0-9a-f]{32}\b")
_COPIED: Final = re.compile(r"models:/(?!m-[0-9a-f]{32}$)(?P<model>[^/]+)/(?P<version>[0-9]+)$")
_UNNAMED: Final = frozenset({"", "None", "Archived", DELETED_STAGE})
"""Stages under which nothing is served."""
_VERSION: Final = (
    "SELECT version, source, storage_location, run_id, status, current_stage, creation_time FROM model_versions "
    "WHERE name = :name AND version = :version"
)


def follow(connection: Connection, change: Change) -> None:
    """Write what one line of the change feed means."""
    match change.kind:
        case "version created" | "version ready":
            version(connection, change.model, change.version, change.at)
        case "alias set" | "alias moved" | "alias deleted":
            aliases(connection, change.model)
        case "stage changed":
            stage(connection, change.model, change.version)
        case "version deleted":
            _bury(connection, change, ids.version(change.model, change.version))
        case "model deleted":
            for node in store.of_model(connection, change.model):
                _bury(connection, change, node.id, model_deleted=True)
        case "model renamed":
            _rename(connection, change.detail, change.model)


def before(connection: Connection, since: int, most: int) -> int:
    """Versions, with aliases and stages, that were there before lineage was kept: *most* of them behind row *since*.

    Returns the last row, 0 when there is none left.
    """
    query = text("SELECT rowid, name, version FROM model_versions WHERE rowid > :since ORDER BY rowid LIMIT :most")
    rows = connection.execute(query, {"since": since, "most": most}).all()
    for _, name, number in rows:
        with foreign.apart(connection, f"version {name} {number}"):
            version(connection, str(name), str(number))
    for name in sorted({str(row.name) for row in rows}):
        with foreign.apart(connection, f"aliases of {name}"):
            aliases(connection, name)
    return int(rows[-1].rowid) if rows else 0


def version(connection: Connection, name: str, number: str, seen_at: int = 0) -> None:
    """Write a version with what it was made of. *seen_at* (ms since 1970): one made later has a line of its own."""
    row = connection.execute(text(_VERSION), {"name": name, "version": number}).one_or_none()
    made = (row.creation_time or 0) if row is not None else 0
    if row is None or row.current_stage == DELETED_STAGE or (seen_at and made > seen_at + 1000):
        return
    facts = {"version": number, "created_at": made}
    node = Node(ids.version(name, number), NodeType.VERSION, f"{name} {number}", name, facts)
    here = store.put(connection, node)
    store.link(connection, here, Relation.BELONGS, _model(connection, name))
    origin = _origin(connection, row)
    tags = _tags(connection, name, number)
    if origin is not None:
        source, relation = origin
        store.link(connection, source, relation, here)
    if origin is None or not _stamped_behind(connection, origin[0]):
        notebooks.of_version(connection, here, tags)
    stage(connection, name, number)


def _model(connection: Connection, name: str) -> str:
    return store.known(connection, Node(ids.model(name), NodeType.MODEL, name, name))


def _tags(connection: Connection, name: str, number: str) -> dict[str, str]:
    query = text("SELECT key, value FROM model_version_tags WHERE name = :name AND version = :version")
    return {str(key): str(value) for key, value in connection.execute(query, {"name": name, "version": number})}


def _origin(connection: Connection, row: Any) -> tuple[str, Relation] | None:
    """What a version was made of: another version, a logged model, or a run that had it among its artifacts."""
    copied = _COPIED.search(row.source or "")
    if copied is not None:
        source = ids.version(copied["model"], copied["version"])
        name = f"{copied['model']} {copied['version']}"
        facts = {"version": copied["version"]}
        return store.known(connection, Node(source, NodeType.VERSION, name, copied["model"], facts)), Relation.COPIED
    found = _LOGGED.search(row.source or "")
    if found is not None:
        node = runs.logged(connection, found.group())
        query = text("SELECT source_run_id FROM logged_models WHERE model_id = :id")
        run = connection.execute(query, {"id": found.group()}).scalar_one_or_none() or row.run_id
        if run:
            store.link(connection, _recorded(connection, str(run)), Relation.LOGGED, node)
        return node, Relation.REGISTERED
    if row.run_id:
        return _recorded(connection, str(row.run_id)), Relation.REGISTERED
    return None


def _recorded(connection: Connection, run: str) -> str:
    """The node of a run with all that it read and made; of a run that is gone or cannot be read, the node alone."""
    with foreign.apart(connection, f"run {run}"):
        runs.record(connection, run)
    return store.known(connection, Node(ids.run(run), NodeType.RUN, run, "", {"run_id": run}))


def _stamped_behind(connection: Connection, origin: str) -> bool:
    """Whether a notebook is known for what a version was made of: for a copy, that is its source's."""
    if origin.startswith("version:"):
        return False
    found = {origin}
    if origin.startswith("logged:"):
        into = store.touching(connection, [origin], upstream=True, relations=[Relation.LOGGED])
        found |= {each.source for each in into}
    return bool(store.touching(connection, found, upstream=True, relations=[Relation.RAN, Relation.TRACKED]))


def aliases(connection: Connection, name: str) -> None:
    """Write which version each alias of a model names now."""
    query = text("SELECT alias, version FROM registered_model_aliases WHERE name = :name")
    now = {str(alias): str(number) for alias, number in connection.execute(query, {"name": name})}
    for node in store.of_model(connection, name):
        if node.type is NodeType.ALIAS and "deleted" not in node.facts and node.facts.get("alias") not in now:
            store.end(connection, Relation.NAMED, target=node.id)
    for alias, number in now.items():
        facts = {"alias": alias}
        here = store.known(connection, Node(ids.alias(name, alias), NodeType.ALIAS, f"{name}@{alias}", name, facts))
        source = ids.version(name, number)
        store.end(connection, Relation.NAMED, target=here, keep=[source])
        store.link(connection, source, Relation.NAMED, here)


def stage(connection: Connection, name: str, number: str) -> None:
    """Write in which stage a version is now."""
    query = text("SELECT current_stage FROM model_versions WHERE name = :name AND version = :version")
    now = str(connection.execute(query, {"name": name, "version": number}).scalar_one_or_none() or "")
    source, kept = ids.version(name, number), []
    if now not in _UNNAMED:
        node = Node(ids.stage(name, now), NodeType.STAGE, f"{name} {now}", name, {"stage": now})
        kept = [store.known(connection, node)]
        store.link(connection, source, Relation.NAMED, kept[0])
    current = store.touching(connection, [source], upstream=False, relations=[Relation.NAMED])
    for edge in current:
        if edge.target.startswith("stage:") and edge.target not in kept:
            store.end(connection, Relation.NAMED, target=edge.target, keep=_others(connection, edge.target, source))


def _others(connection: Connection, target: str, source: str) -> list[str]:
    into = store.touching(connection, [target], upstream=True, relations=[Relation.NAMED])
    return [each.source for each in into if each.source != source]


def _bury(connection: Connection, change: Change, identity: str, *, model_deleted: bool = False) -> None:
    """Keep what was deleted under an id that nothing else will have: its name may be used again."""
    node = store.find(connection, [identity]).get(identity)
    if node is None or ("deleted" in node.facts and not model_deleted):
        return
    for relation in (Relation.NAMED, Relation.BELONGS, Relation.SERVED):
        store.end(connection, relation, source=identity)
        store.end(connection, relation, target=identity)
    facts: dict[str, Any] = {"deleted": node.facts.get("deleted") or change.at}
    if model_deleted:
        facts["model_deleted"] = True
    buried = identity if "deleted" in node.facts else ids.buried(identity, change.number)
    store.move(connection, node, buried, node.name, node.model, **facts)


def _rename(connection: Connection, old: str, new: str) -> None:
    """Everything of a model goes with it."""
    for node in store.of_model(connection, old):
        if "model_deleted" in node.facts:
            continue
        kind, _, rest = node.id.partition(":")
        identity = f"{kind}:{new}{rest.removeprefix(old)}"
        store.move(connection, node, identity, new + node.name.removeprefix(old), new)
