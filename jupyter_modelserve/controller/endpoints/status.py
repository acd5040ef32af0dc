"""The two tracks a user sees, derived from what is wanted, prepared and running. Pure (REQ-167, REQ-191, REQ-192)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from jupyter_modelserve.controller.endpoints.planner import effective
from jupyter_modelserve.controller.endpoints.selection import Selection, explain_nothing, select
from jupyter_modelserve.controller.endpoints.view import Desired, Key, Label, LabelKind, Observed, Prepared
from jupyter_modelserve.types import (
    EndpointStatus,
    Failure,
    Phase,
    ReplicaState,
    SelectorKind,
    ServiceState,
    UpdateState,
    VersionState,
    VersionStatus,
)

_PROGRESS = (
    VersionState.READY,
    VersionState.PROBING,
    VersionState.LOADING,
    VersionState.UNLOADING,
    VersionState.FAILED,
    VersionState.STARTING,
    VersionState.BUILDING,
    VersionState.PENDING,
)
"""What is shown of a version in several replicas: the state of the one that is furthest."""
_AWAY = "the Docker engine does not answer, and changes wait for it"
_LOST = "Neither the Docker engine nor the model answers; it is started again as soon as the engine is back"


def version_state(key: Key, observed: Observed) -> tuple[VersionState, Failure | None]:
    """Where a version is on its way, from selected to READY."""
    prepared = observed.preparations.get(key)
    if isinstance(prepared, Failure):
        return VersionState.FAILED, prepared
    if key in observed.asleep and isinstance(prepared, Prepared):
        return VersionState.SCALED_TO_ZERO, None
    workers = observed.workers_of(key)
    if workers:
        best = min(workers, key=lambda each: _PROGRESS.index(each.state))
        return (VersionState.FAILED if best.failing else best.state), best.failure
    if not isinstance(prepared, Prepared):
        return (VersionState.BUILDING if key in observed.preparing else VersionState.PENDING), None
    if any(observed.replicas.get(each) is ReplicaState.READY for each in prepared.replicas):
        return VersionState.LOADING, None
    return VersionState.STARTING, None


def wanted_state(key: Key, observed: Observed) -> tuple[VersionState, Failure | None]:
    """The same of a version that is selected. When it is being unloaded, as by somebody who stops its container, it is
    started again: callers may wait for it.
    """
    state, failure = version_state(key, observed)
    return (VersionState.STARTING, None) if state is VersionState.UNLOADING else (state, failure)


def derive(desired: Desired, observed: Observed, phases: Mapping[Key, tuple[Phase, ...]], url: str) -> EndpointStatus:
    """Both tracks and every version behind them. ``url`` is the gateway's address."""
    selection = effective(select(desired), observed)
    keys = dict.fromkeys((*selection.keys, *_taken_back(selection), *observed.routed.workers))
    versions = tuple(_version(key, observed, selection, phases.get(key, ()), url) for key in keys)
    service, service_message = _service(desired, observed, selection)
    update, update_message = _update(desired, observed, selection)
    if observed.away and update is UpdateState.IN_PROGRESS:
        update_message = f"{update_message}; {_AWAY}"
    return EndpointStatus(
        service=service,
        service_message=service_message,
        update=update,
        update_message=update_message,
        observed_generation=desired.generation,
        versions=versions,
        urls=(f"{url}/serving-endpoints/{quote(desired.spec.name)}/invocations",),
    )


def _version(key: Key, observed: Observed, selection: Selection, phases: tuple[Phase, ...], url: str) -> VersionStatus:
    state, failure = (wanted_state if key in selection.keys else version_state)(key, observed)
    entity = next((name for name, wanted in selection.entities.items() if key in wanted), "")
    label = _taken_back(selection).get(key)
    if label is not None:
        entity = next(name for name, followed in selection.follows.items() if followed == label)
        state, failure = VersionState.FAILED, selection.reasons.get(label)
    if key not in selection.keys and key in observed.routed.workers and state is VersionState.PENDING:
        state = VersionState.READY
    workers = observed.workers_of(key)
    prepared = observed.preparations.get(key)
    labels = [(kind, name) for (model, kind, name), to in observed.routed.labels.items() if to == key]
    names = tuple(name for kind, name in labels if not (kind is LabelKind.STAGE and name == "None"))
    segments = (key[1], *names)
    return VersionStatus(
        model=key[0],
        version=key[1],
        entity=entity,
        state=state,
        labels=names,
        serving=key in observed.routed.workers,
        verdict=workers[0].verdict if workers else None,
        failure=failure,
        phases=phases,
        environment=prepared.environment if isinstance(prepared, Prepared) else None,
        restarts=sum(each.restarts for each in workers),
        replicas=len(prepared.replicas) if isinstance(prepared, Prepared) else len(workers),
        ready_replicas=sum(each.ready for each in workers),
        urls=tuple(f"{url}/model/{quote(key[0], safe='')}/{quote(each, safe='')}/invocations" for each in segments),
    )


def _service(desired: Desired, observed: Observed, selection: Selection) -> tuple[ServiceState, str]:
    """READY only when every entity can be scored."""
    worst, message = ServiceState.READY, "Ready"
    for entity in desired.spec.entities:
        wanted = selection.entities.get(entity.name, ())
        answering = observed.routed.entities.get(entity.name)
        if answering is not None and answering in observed.routed.workers:
            if observed.lost(answering):
                worst, message = ServiceState.PENDING, _LOST
            continue
        if desired.deleting:
            return ServiceState.PENDING, "Stopping"
        if not wanted:
            model = desired.models.get(entity.model)
            waits = model is not None and entity.selector.kind in {SelectorKind.ACTIVE, SelectorKind.STAGE}
            return ServiceState.PENDING if waits else ServiceState.FAILED, explain_nothing(entity, model)
        failures = [failure for key in wanted if (failure := version_state(key, observed)[1])]
        if len(failures) == len(wanted):
            return ServiceState.FAILED, failures[0].message
        worst, message = ServiceState.PENDING, f"{entity.model} version {wanted[0][1]} is being prepared"
    if worst is ServiceState.READY and observed.dormant & set(observed.routed.entities.values()):
        return worst, _dormant(observed)
    if worst is ServiceState.READY and observed.away:
        return worst, f"Ready; {_AWAY}"
    return worst, message


def _dormant(observed: Observed) -> str:
    """What READY means while a version that answers has no replica."""
    waking = observed.waking & set(observed.routed.entities.values())
    return "Returning from zero; requests wait for it" if waking else "Scaled to zero; the next request starts it"


def _update(desired: Desired, observed: Observed, selection: Selection) -> tuple[UpdateState, str]:
    if desired.deleting:
        return UpdateState.IN_PROGRESS, "Stopping"
    failed = [
        f"{best[0]} version {best[1]} failed after it had answered as {label[2]}"
        f"{_because(selection.reasons.get(label))}; version {now} answers again"
        for label, best in selection.refused.items()
        if (now := observed.routed.labels.get(label, ("", "the one before"))[1])
    ]
    for key in selection.keys:
        state, failure = wanted_state(key, observed)
        if state is VersionState.FAILED:
            failed.append(f"{key[0]} version {key[1]}: {failure.message if failure else 'failed'}")
        elif state is VersionState.SCALED_TO_ZERO or observed.enough(key):
            continue
        elif state is not VersionState.READY:
            return UpdateState.IN_PROGRESS, f"{key[0]} version {key[1]} is {state.value}"
        elif not observed.complete(key):
            return UpdateState.IN_PROGRESS, f"{key[0]} version {key[1]} waits for all of its replicas"
        elif set(observed.routed.workers.get(key, ())) != {e.id for e in observed.workers_of(key) if e.ready}:
            return UpdateState.IN_PROGRESS, f"{key[0]} version {key[1]} is being routed"
        else:
            failed += [
                f"{key[0]} version {key[1]} in replica {each.replica}: {each.failure.message}"
                for each in observed.workers_of(key)
                if each.failure is not None and not each.ready
            ]
    if not observed.acknowledged and not observed.dormant.issuperset(selection.keys):
        return UpdateState.IN_PROGRESS, "waiting for the gateway"
    if failed:
        return UpdateState.UPDATE_FAILED, "; ".join(failed)
    return UpdateState.NOT_UPDATING, ""


def _taken_back(selection: Selection) -> dict[Key, Label]:
    """Versions that no longer run because a name was given back to the one before: shown with what went wrong."""
    return {key: label for label, key in selection.refused.items() if key not in selection.keys}


def _because(reason: Failure | None) -> str:
    return f" ({reason.cause.value}: {reason.message})" if reason else ""
