"""What OpenLineage's published specification (2-0-2) asks of an event: required fields and types, in our own words."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

STATES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}
NEEDED = {
    "jobType": {"processingType", "integration"},
    "parent": {"run", "job"},
    "version": {"datasetVersion"},
    "datasetType": {"datasetType"},
    "schema": {"fields"},
    "modelserve_content": {"sha256"},
}


def _uri(text: Any) -> None:
    parts = urlsplit(text)
    assert parts.scheme
    assert parts.netloc or parts.path


def _facets(found: Any) -> None:
    for name, facet in found.items():
        _uri(facet["_producer"])
        _uri(facet["_schemaURL"])
        assert facet.keys() >= NEEDED[name]
    for field in found.get("schema", {}).get("fields", []):
        assert isinstance(field["name"], str)


def _named(thing: Any) -> None:
    assert isinstance(thing["namespace"], str)
    assert isinstance(thing["name"], str)
    assert thing["namespace"]
    assert thing["name"]
    _facets(thing.get("facets", {}))


def check(event: dict[str, Any]) -> None:
    """Fail where the specification would refuse an event."""
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    _uri(event["producer"])
    kind = event["schemaURL"].rpartition("/")[2]
    assert event["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/")
    assert kind in {"RunEvent", "JobEvent"}
    assert ("run" in event) == (kind == "RunEvent")
    if kind == "RunEvent":
        assert event["eventType"] in STATES
        uuid.UUID(event["run"]["runId"])
        _facets(event["run"].get("facets", {}))
    _named(event["job"])
    for each in (*event["inputs"], *event["outputs"]):
        _named(each)
