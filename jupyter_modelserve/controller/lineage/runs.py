"""What a run of MLflow read and made, from MLflow's tracking tables: data sets, notebook, logged models.

Read by SQL, as the registry is (``registry/reader``). Facts are copied into our tables, so that deleting a run, or
``mlflow gc``, takes nothing away from the lineage of a version.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Connection, text

from jupyter_modelserve.controller.lineage import foreign, ids, notebooks
from jupyter_modelserve.controller.store import lineage as store
from jupyter_modelserve.controller.store.lineage import Node
from jupyter_modelserve.traced import NodeType, Relation

CONTENT: Final = "modelserve.content.sha256"
ROWS: Final = "modelserve.content.rows"
"""Tags of an input: our own digest over all of its values, and how many rows there are (``authoring/content``)."""
CONTEXT: Final = "mlflow.data.context"
_LARGEST: Final = 50_000
"""Characters of a schema or profile that are kept."""
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"']+", re.IGNORECASE)


def record(connection: Connection, run: str) -> None:
    """Write what *run* read and made; a run that is gone leaves what was written before."""
    query = text("SELECT name, status, start_time, end_time FROM runs WHERE run_uuid = :run")
    row = connection.execute(query, {"run": run}).one_or_none()
    if row is None:
        return
    tags = _pairs(connection, "SELECT key, value FROM tags WHERE run_uuid = :run", run)
    facts = {"run_id": run, "status": row.status, "started_at": row.start_time or 0, "ended_at": row.end_time or 0}
    name = row.name or tags.get("mlflow.runName") or run
    here = store.put(connection, Node(ids.run(run), NodeType.RUN, name, "", facts))
    notebooks.of_run(connection, here, tags)
    used = _inputs(connection, run, here)
    _outputs(connection, run, here)
    _evaluations(connection, run, used)


def _pairs(connection: Connection, query: str, run: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in connection.execute(text(query), {"run": run})}


_DATASETS: Final = """
SELECT d.dataset_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile,
       t.name AS tag, t.value
FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid
WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = :run
"""


def _inputs(connection: Connection, run: str, here: str) -> dict[str, str]:
    """Data sets that the run read: MLflow's id → ours."""
    found: dict[str, Any] = {}
    tags: dict[str, dict[str, str]] = {}
    for row in connection.execute(text(_DATASETS), {"run": run}):
        found[row.dataset_uuid] = row
        if row.tag:
            tags.setdefault(row.dataset_uuid, {})[row.tag] = row.value
    used = {}
    for uuid, row in found.items():
        mine = tags.get(uuid, {})
        used[uuid] = _dataset(connection, row, mine)
        store.link(connection, used[uuid], Relation.READ, here, {"context": mine.get(CONTEXT, "")})
    return used


def _dataset(connection: Connection, row: Any, tags: dict[str, str]) -> str:
    content, source = tags.get(CONTENT, ""), redacted(row.dataset_source or "")
    identity = ids.dataset(row.dataset_source_type or "", source, row.name, row.digest or "", content)
    facts: dict[str, Any] = {"digest": row.digest or "", "source_type": row.dataset_source_type or "", "source": source}
    rows = foreign.count(tags.get(ROWS, ""))
    facts |= {"content_sha256": content, "rows": rows} if content and rows is not None else {}
    for name, value in (("schema", row.dataset_schema), ("profile", row.dataset_profile)):
        if value and len(value) <= _LARGEST:
            facts[name] = foreign.parsed(value)
    counted = facts.get("profile")
    if "rows" not in facts and isinstance(counted, dict) and isinstance(counted.get("num_rows"), int):
        facts["rows"] = counted["num_rows"]
    return store.put(connection, Node(identity, NodeType.DATASET, row.name, "", facts))


def redacted(source: str) -> str:
    """*source* without the user, password and query of the addresses in it."""
    return _ADDRESS.sub(lambda found: _without_secrets(found.group()), source)


def _without_secrets(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address.partition("//")[0] + "//…"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def logged(connection: Connection, model_id: str) -> str:
    """The node of a logged model, with the run that logged it."""
    query = text("SELECT name, source_run_id, creation_timestamp_ms AS made FROM logged_models WHERE model_id = :id")
    row = connection.execute(query, {"id": model_id}).one_or_none()
    facts = {"model_id": model_id}
    if row is None:
        return store.known(connection, Node(ids.logged_model(model_id), NodeType.LOGGED_MODEL, model_id, "", facts))
    node = Node(ids.logged_model(model_id), NodeType.LOGGED_MODEL, row.name, "", facts | {"created_at": row.made})
    return store.put(connection, node)


def _outputs(connection: Connection, run: str, here: str) -> None:
    query = (
        "SELECT destination_id FROM inputs WHERE source_type = 'RUN_OUTPUT' AND source_id = :run "
        "UNION SELECT model_id FROM logged_models WHERE source_run_id = :run"
    )
    for model_id in connection.execute(text(query), {"run": run}).scalars().all():
        store.link(connection, here, Relation.LOGGED, logged(connection, str(model_id)))


def _evaluations(connection: Connection, run: str, used: dict[str, str]) -> None:
    """Logged models that the run worked with: each was evaluated on what the run read (REQ-083)."""
    query = (
        "SELECT destination_id FROM inputs "
        "WHERE source_type = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' AND source_id = :run"
    )
    for model_id in connection.execute(text(query), {"run": run}).scalars().all():
        node = logged(connection, str(model_id))
        store.link(connection, node, Relation.USED, ids.run(run))
        for dataset in used.values():
            store.link(connection, dataset, Relation.EVALUATED, node, {"run_id": run})
    metrics = text(
        "SELECT DISTINCT model_id, dataset_uuid FROM logged_model_metrics "
        "WHERE run_id = :run AND dataset_uuid IS NOT NULL"
    )
    for model_id, dataset_uuid in connection.execute(metrics, {"run": run}).all():
        if dataset_uuid in used and not _trained_on(connection, used[dataset_uuid], run):
            target = logged(connection, str(model_id))
            store.link(connection, used[dataset_uuid], Relation.EVALUATED, target, {"run_id": run})


def _trained_on(connection: Connection, dataset: str, run: str) -> bool:
    """Whether the run says that it trained with the data: its metrics on that are no evaluation."""
    into = store.touching(connection, [ids.run(run)], upstream=True, relations=[Relation.READ])
    return any(each.source == dataset and each.facts.get("context") in {"train", "training"} for each in into)
