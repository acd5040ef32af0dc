"""The graph as OpenLineage events (https://openlineage.io, specification 2-0-2), for catalogs that collect them. Pure.

A run of MLflow and the copying of a version are runs; endpoints and what loads a version are jobs that have no end.
Data sets and versions of models are data sets of theirs: the model's name, with the version as a facet. What the viewer
may not see is left out.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from jupyter_modelserve import __version__
from jupyter_modelserve.controller.lineage import foreign
from jupyter_modelserve.traced import Lineage, LineageEdge, LineageNode, NodeType, Relation

_SPEC: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
_FACETS: Final = "https://openlineage.io/spec/facets/"
PRODUCER: Final = f"urn:jupyter-modelserve:{__version__}"
CONTENT_FACET: Final = "urn:jupyter-modelserve:facet:content:1"
_ENDS: Final = {"FINISHED": "COMPLETE", "FAILED": "FAIL", "KILLED": "ABORT"}
Event = dict[str, Any]


def events(lineage: Lineage, instance_id: str) -> list[Event]:
    """Valid events, oldest first. *instance_id* makes names of ours different from those of other instances."""
    return sorted(_Export(lineage, instance_id).all(), key=lambda each: (each["eventTime"], _order(each)))


def _order(event: Event) -> bool:
    return event.get("eventType") != "START"


class _Export:
    def __init__(self, lineage: Lineage, instance_id: str) -> None:
        self._namespace = f"modelserve://{instance_id}"
        self._nodes = {each.id: each for each in lineage.nodes if not each.withheld}
        self._into: dict[str, list[LineageEdge]] = defaultdict(list)
        self._out: dict[str, list[LineageEdge]] = defaultdict(list)
        self._edges = [each for each in lineage.edges if each.source in self._nodes and each.target in self._nodes]
        for edge in self._edges:
            self._into[edge.target].append(edge)
            self._out[edge.source].append(edge)

    def all(self) -> Iterator[Event]:
        for node in self._nodes.values():
            if node.type is NodeType.RUN:
                yield from self._run(node)
            elif node.type is NodeType.ENDPOINT:
                yield from self._endpoint(node)
        for edge in self._edges:
            if edge.relation is Relation.COPIED:
                yield from self._copy(edge)
            elif edge.relation is Relation.LOADED:
                yield self._loaded(edge)

    # ------------------------------------------------------------------------------------------------ jobs
    def _run(self, node: LineageNode) -> Iterator[Event]:
        facts = node.facts
        body = {
            "run": {"runId": _uuid(str(facts.get("run_id", node.id))), "facets": self._parent(node)},
            "job": self._job(self._job_name(node), "BATCH", "TRAINING"),
            "inputs": [self._dataset(each) for each in self._sources(node.id, Relation.READ)],
            "outputs": [self._dataset(each) for each in self._made(node.id)],
        }
        yield self._event("RunEvent", facts.get("started_at", 0), body, "START")
        end = _ENDS.get(str(facts.get("status", "")))
        if end:
            yield self._event("RunEvent", facts.get("ended_at") or facts.get("started_at", 0), body, end)

    def _copy(self, edge: LineageEdge) -> Iterator[Event]:
        source, target = self._nodes[edge.source], self._nodes[edge.target]
        body = {
            "run": {"runId": _uuid(f"{edge.source} {edge.target}"), "facets": {}},
            "job": self._job(f"copy to {_model(target)}", "BATCH", "COPY"),
            "inputs": [self._dataset(source)],
            "outputs": [self._dataset(target)],
        }
        at = int(target.facts.get("created_at") or edge.at)
        yield self._event("RunEvent", at, body, "START")
        yield self._event("RunEvent", at, body, "COMPLETE")

    def _endpoint(self, node: LineageNode) -> Iterator[Event]:
        served = [each for each in self._into[node.id] if each.relation is Relation.SERVED and not each.ended_at]
        if served:
            versions = {each.id: each for edge in served for each in self._versions(edge.source)}
            inputs = [self._dataset(each) for each in versions.values()]
            body = {"job": self._job(f"serve {node.name}", "SERVICE", "ENDPOINT"), "inputs": inputs, "outputs": []}
            yield self._event("JobEvent", max(each.at for each in served), body)

    def _loaded(self, edge: LineageEdge) -> Event:
        source, target = self._nodes[edge.source], self._nodes[edge.target]
        body = {"job": self._job(target.name, "BATCH", "JOB"), "inputs": [self._dataset(source)], "outputs": []}
        return self._event("JobEvent", edge.at, body)

    def _event(self, kind: str, at: Any, body: Event, state: str = "") -> Event:
        head: Event = {"eventTime": _time(int(at or 0)), "producer": PRODUCER, "schemaURL": f"{_SPEC}{kind}"}
        return {**({"eventType": state} if state else {}), **head, **body}

    def _job(self, name: str, processing: str, kind: str) -> Event:
        facet = _facet("2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet")
        facet |= {"processingType": processing, "integration": "MODELSERVE", "jobType": kind}
        return {"namespace": self._namespace, "name": name, "facets": {"jobType": facet}}

    def _job_name(self, run: LineageNode) -> str:
        """The notebook, which is the same from run to run; else the run's own name."""
        notebook = self._notebook(run.id)
        return str(PurePath(str(notebook.facts.get("path", notebook.name)))) if notebook else run.name

    def _notebook(self, identity: str) -> LineageNode | None:
        for edge in self._into[identity]:
            if edge.relation is Relation.RAN:
                return self._nodes[edge.source]
            if edge.relation is Relation.TRACKED:
                return self._notebook(edge.source)
        return None

    def _parent(self, run: LineageNode) -> Event:
        for node in self._sources(run.id, Relation.TRACKED):
            facet = _facet("1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet")
            job = {"namespace": self._namespace, "name": f"{self._job_name(run)} (notebook)"}
            return {"parent": facet | {"run": {"runId": _uuid(node.id)}, "job": job}}
        return {}

    # ------------------------------------------------------------------------------------------------ data sets
    def _sources(self, identity: str, relation: Relation) -> list[LineageNode]:
        return [self._nodes[each.source] for each in self._into[identity] if each.relation is relation]

    def _made(self, run: str) -> Iterable[LineageNode]:
        """Versions that were registered from what a run logged."""
        reached = [run, *(each.target for each in self._out[run] if each.relation is Relation.LOGGED)]
        found = [edge.target for each in reached for edge in self._out[each] if edge.relation is Relation.REGISTERED]
        return [self._nodes[each] for each in dict.fromkeys(found)]

    def _versions(self, selected: str) -> list[LineageNode]:
        """The versions behind what an endpoint serves: an alias, a stage, all of a model, or the version itself."""
        if self._nodes[selected].type is NodeType.VERSION:
            return [self._nodes[selected]]
        naming = {Relation.NAMED, Relation.BELONGS}
        return [self._nodes[e.source] for e in self._into[selected] if e.relation in naming and not e.ended_at]

    def _dataset(self, node: LineageNode) -> Event:
        if node.type is NodeType.VERSION:
            facets = {"datasetType": _facet("1-0-1/DatasetTypeDatasetFacet.json#/$defs/DatasetTypeDatasetFacet")}
            facets["datasetType"]["datasetType"] = "MODEL"
            facets["version"] = _version(str(node.facts.get("version", "")))
            return {"namespace": self._namespace, "name": _model(node), "facets": facets}
        namespace, name = address(node.facts, node.name, self._namespace)
        return {"namespace": namespace, "name": name, "facets": _described(node.facts)}


def _facet(path: str) -> Event:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}{path}"}


def _version(text: str) -> Event:
    facet = _facet("1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet")
    return facet | {"datasetVersion": text}


def _described(facts: dict[str, Any]) -> Event:
    facets: Event = {}
    content, digest = str(facts.get("content_sha256", "")), str(facts.get("digest", ""))
    if content or digest:
        facets["version"] = _version(content or digest)
    if content:
        own = {"_producer": PRODUCER, "_schemaURL": CONTENT_FACET, "sha256": content, "rows": facts.get("rows", 0)}
        facets["modelserve_content"] = own
    schema = facts.get("schema")
    columns = schema.get("mlflow_colspec") if isinstance(schema, dict) else None
    if isinstance(columns, list):
        fields = [
            {"name": str(each.get("name", n)), "type": str(each.get("type", ""))}
            for n, each in enumerate(columns)
            if isinstance(each, dict)
        ]
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet") | {"fields": fields}
    return facets


def address(facts: dict[str, Any], name: str, ours: str) -> tuple[str, str]:
    """Namespace and name of a data set by OpenLineage's naming; what has no address goes by its name."""
    source = foreign.parsed(str(facts.get("source") or "{}"))
    source = source if isinstance(source, dict) else {}
    if source.get("delta_table_name"):
        return "delta", str(source["delta_table_name"])
    place = str(source.get("uri") or source.get("url") or source.get("path") or "")
    try:
        parts = urlsplit(place)
    except ValueError:
        place, parts = "", urlsplit("")
    if not place:
        return ours, name
    if parts.scheme in {"", "file"}:
        return "file", parts.path or place
    inside = "" if source.get("url") and facts.get("source_type") == "sql" else parts.path.lstrip("/")
    table = ".".join(each for each in (parts.path.strip("/"), str(source.get("table") or name)) if each)
    return f"{parts.scheme}://{parts.netloc}", inside or table


def _model(node: LineageNode) -> str:
    return node.name.rpartition(" ")[0]


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"modelserve:{text}"))


def _time(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        # A client of MLflow's says when its run began, and may say anything.
        return _time(0)
