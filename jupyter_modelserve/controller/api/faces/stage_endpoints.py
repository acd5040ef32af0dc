"""Serverless real-time inference in our terms: one endpoint per model with an entity for each of its two stages. Pure.

What the specification has no field for (who configured a stage when) is kept in the endpoint's tags.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from jupyter_modelserve import names
from jupyter_modelserve.controller.api.faces.common import flag
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.errors import Conflict, InvalidParameter, NotFound
from jupyter_modelserve.types import (
    Endpoint,
    EndpointSpec,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    VersionState,
    VersionStatus,
    WorkloadSize,
)

SERVED: Final = ("Staging", "Production")
"""The two stages that are served (REQ-182)."""
TAG: Final = "modelserve.compute."
_STATE: Final = {
    VersionState.READY: ServiceState.READY,
    VersionState.FAILED: ServiceState.FAILED,
}
_WORDS: Final = {ServiceState.READY: "Ready", ServiceState.PENDING: "Pending"}


@dataclass(frozen=True, slots=True)
class StageCompute:
    """Compute of one stage. ``before`` is the workload that it replaces while the change is under way."""

    stage: str
    size: WorkloadSize
    scale_to_zero: bool
    at: int
    by: str
    before: dict[str, Any] | None = None

    @property
    def workload(self) -> dict[str, Any]:
        """``WorkloadConfigSpec`` (REQ-169)."""
        return {"workload_size_id": self.size.value, "scale_to_zero_enabled": self.scale_to_zero}

    def config(self, *, earlier: bool = False) -> dict[str, Any]:
        """``ComputeConfig`` (REQ-170), as asked for, or as it was before the change under way."""
        workload = self.before if earlier and self.before is not None else self.workload
        return {
            "stage": self.stage,
            "creation_timestamp": self.at,
            "user_id": self.by,
            "workload_spec": workload,
        }


def check_model(model: str) -> str:
    """A model that has stages. Raises InvalidParameter."""
    names.check_model(model)
    if names.is_three_level(model):
        raise InvalidParameter(
            f"{model} is a catalog model and has no stages (REQ-110): serve an alias of it instead, for example with "
            f"`%serve {model}@Champion`",
            details={"field": "registered_model_name"},
        )
    return model


def check_stage(stage: str) -> str:
    """Staging or Production in whatever case. Raises InvalidParameter."""
    found = names.canonical_stage(stage)
    if found not in SERVED:
        raise InvalidParameter(
            f"stage: must be {' or '.join(SERVED)}, not {stage[:40]!r} (REQ-182)", details={"field": "stage"}
        )
    return found


def is_serverless(spec: EndpointSpec, model: str) -> bool:
    """Whether *spec* is what :func:`enabled` makes for *model*."""
    return bool(spec.entities) and all(
        each.model == model and each.selector.kind is SelectorKind.STAGE for each in spec.entities
    )


def find(endpoints: Iterable[Endpoint], model: str) -> Endpoint:
    """The model's endpoint. Raises NotFound."""
    for each in endpoints:
        if is_serverless(each.spec, model) and not each.deleting:
            return each
    raise not_enabled(model)


def not_enabled(model: str) -> NotFound:
    """What to say of a model that has no such endpoint."""
    return NotFound(
        f"serverless real-time inference is not enabled for {model}; POST "
        "/api/2.0/preview/mlflow/endpoints-v2/enable enables it",
        details={"registered_model_name": model},
    )


def enabled(model: str, by: str, before: EndpointSpec | None = None) -> EndpointSpec:
    """The endpoint of a model that is enabled now: both stages, small, kept awake (REQ-164).

    What else *before*, the endpoint of that name, has (variables, secrets, tags, engine) stays.

    Raises:
        Conflict: it serves another model.
    """
    if before is not None and any(each.model != model for each in before.entities):
        raise Conflict(f"the endpoint {before.name} serves another model already; stop it first")
    if before is not None and is_serverless(before, model):
        return before
    entities = tuple(
        ServedEntity(model, Selector(SelectorKind.STAGE, stage), name=stage, traffic=100 * (stage == SERVED[1]))
        for stage in SERVED
    )
    spec = replace(before or EndpointSpec(names.endpoint_for(model), entities), entities=entities)
    for stage in SERVED:
        spec = _remembering(spec, StageCompute(stage, WorkloadSize.SMALL, False, now_ms(), by))
    return spec


def compute(spec: EndpointSpec, stage: str) -> StageCompute:
    """What is configured for a stage."""
    entity = next((each for each in spec.entities if each.selector.value == stage), None)
    kept = json.loads(spec.tags.get(TAG + stage, "{}"))
    return StageCompute(
        stage,
        entity.workload_size if entity else WorkloadSize.SMALL,
        bool(entity and entity.scale_to_zero),
        int(kept.get("at", 0)),
        str(kept.get("by", "")),
        kept.get("before"),
    )


def reconfigured(spec: EndpointSpec, stage: str, wanted: Any, by: str) -> EndpointSpec:
    """*spec* with another workload for *stage* (REQ-166, REQ-169).

    Raises:
        InvalidParameter: names the field.
    """
    if not isinstance(wanted, dict):
        raise InvalidParameter(
            "desired_workload_config_spec: must be an object with workload_size_id and scale_to_zero_enabled",
            details={"field": "desired_workload_config_spec"},
        )
    now = compute(spec, stage)
    size = wanted.get("workload_size_id", now.size.value)
    if size not in list(WorkloadSize):
        known = ", ".join(WorkloadSize)
        raise InvalidParameter(
            f"workload_size_id: must be one of {known}, not {str(size)[:40]!r}", details={"field": "workload_size_id"}
        )
    zero = flag(wanted, "scale_to_zero_enabled") if "scale_to_zero_enabled" in wanted else now.scale_to_zero
    changed = StageCompute(stage, WorkloadSize(size), zero, now_ms(), by, now.workload)
    if changed.workload == now.workload:
        return spec
    entities = tuple(
        replace(each, workload_size=changed.size, scale_to_zero=zero) if each.selector.value == stage else each
        for each in spec.entities
    )
    return _remembering(replace(spec, entities=entities), changed)


def _remembering(spec: EndpointSpec, found: StageCompute) -> EndpointSpec:
    kept = {"at": found.at, "by": found.by}
    if found.before is not None:
        kept["before"] = found.before
    return replace(spec, tags={**spec.tags, TAG + found.stage: json.dumps(kept, sort_keys=True)})


# ---------------------------------------------------------------------------------------------------- answers
def endpoint_status(endpoint: Endpoint, model: str) -> dict[str, Any]:
    """``EndpointStatus`` (REQ-191): READY as soon as any stage can be scored."""
    status = endpoint.status
    state, message = status.service, status.service_message
    if any(each.serving for each in status.versions):
        state, message = ServiceState.READY, "Ready"
    elif state is not ServiceState.FAILED:
        state, message = ServiceState.PENDING, message or "Pending"
    return {
        "registered_model_name": model,
        "state": state.value,
        "state_message": message,
        "compute_config": [compute(endpoint.spec, stage).config() for stage in SERVED],
        "endpoint_name": endpoint.spec.name,
    }


def version_statuses(endpoint: Endpoint, model: str) -> list[dict[str, Any]]:
    """``EndpointVersionStatus`` of every version that is served or prepared, oldest first (REQ-188, REQ-192)."""
    found = sorted(endpoint.status.versions, key=lambda each: int(each.version))
    return [_version_status(endpoint, model, each) for each in found]


def _version_status(endpoint: Endpoint, model: str, version: VersionStatus) -> dict[str, Any]:
    stage = next((each.selector.value for each in endpoint.spec.entities if each.name == version.entity), None)
    configured = compute(endpoint.spec, stage or SERVED[1])
    under_way = endpoint.status.update is not UpdateState.NOT_UPDATING
    serves = ServiceState.READY if version.serving else _STATE.get(version.state, ServiceState.PENDING)
    if serves is ServiceState.READY and not version.serving:
        serves = ServiceState.PENDING  # loaded and probed, but no address leads to it yet
    update = _STATE.get(version.state, ServiceState.PENDING) if under_way else serves
    if under_way and update is ServiceState.READY and endpoint.status.update is UpdateState.IN_PROGRESS:
        update = ServiceState.PENDING
    why = version.failure.message if version.failure is not None else ""
    return {
        "registered_model_name": model,
        "endpoint_version_name": version.version,
        "service_status": {
            "state": f"SERVICE_STATE_{serves.value}",
            "message": _WORDS.get(serves, why or "Failed"),
            "config": configured.config(earlier=under_way),
        },
        "config_update_status": {
            "state": f"SERVICE_STATE_{update.value}",
            "message": _WORDS.get(update, why or "Failed"),
            "config": configured.config(),
        },
    }


def version_aliases(endpoint: Endpoint) -> list[dict[str, str]]:
    """Which version answers for which stage now (REQ-190, REQ-194)."""
    return [
        {"alias": stage, "endpoint_version_name": version.version}
        for stage in SERVED
        for version in endpoint.status.versions
        if version.serving and stage in version.labels
    ]
