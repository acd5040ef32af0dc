"""How what is ours is called and marked in an engine that belongs to everybody on the machine.

Names are derived, so that "already exists" means adopt; labels say whose it is, and only what carries the label of this
instance is ever changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jupyter_modelserve.controller.engines.base import ReplicaSpec

INSTANCE: Final = "modelserve.instance"
REPLICA: Final = "modelserve.replica"
ENDPOINT: Final = "modelserve.endpoint"
ENVIRONMENT: Final = "modelserve.environment"
SPEC: Final = "modelserve.spec"
KIND: Final = "modelserve.kind"
"""On images and volumes that instances share: environment, replica, cache, builder."""
_TAG: Final = "modelserve.tag."


def name(instance_id: str, replica: str) -> str:
    """Name of a replica's container and of its volume."""
    return f"modelserve-{instance_id[:8]}-{replica}"


def of_instance(instance_id: str) -> dict[str, str]:
    """Labels that everything of an instance carries."""
    return {INSTANCE: instance_id}


def of_replica(instance_id: str, spec: ReplicaSpec) -> dict[str, str]:
    """Labels of a container; the user's tags are among them (REQ-049), no secret ever is."""
    tags = {f"{_TAG}{key}": value for key, value in spec.labels.items()}
    return {
        **tags,
        **of_instance(instance_id),
        REPLICA: spec.id,
        ENDPOINT: spec.endpoint,
        ENVIRONMENT: spec.environment_key,
        SPEC: spec.spec_hash,
    }


def is_ours(found: Mapping[str, Any], instance_id: str, replica: str) -> bool:
    """Whether an inspected container (or volume) is this replica's of this instance."""
    labels = (found.get("Config") or found).get("Labels") or {}
    return labels.get(INSTANCE) == instance_id and labels.get(REPLICA) == replica
