"""Decides from an endpoint's status whether a change is done; pure, so that both clients and the magics agree."""

from __future__ import annotations

from enum import StrEnum

from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.types import Endpoint, SelectorKind, ServiceState, UpdateState, VersionState, VersionStatus


class ServingFailed(ModelServeError):
    """What was asked for cannot be served; ``details["failures"]`` has cause, message and hint per version."""

    status = 409
    error_code = "SERVING_FAILED"


class Outcome(StrEnum):
    """Where a change stands."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"


def judge(endpoint: Endpoint, generation: int = 0, expected: tuple[str, str] | None = None) -> Outcome:
    """Whether *generation* of the endpoint (0 = the newest) serves, failed, or is still under way.

    *expected* is (model, version). It matters when an alias has just moved: the specification is the same, so that
    READY could still mean the version before.
    """
    status = endpoint.status
    if status.observed_generation < (generation or endpoint.generation):
        return Outcome.WAITING
    if expected:
        found = [each for each in status.versions if (each.model, each.version) == expected]
        if not found:
            return Outcome.WAITING
        if found[0].serving and status.update is UpdateState.IN_PROGRESS:
            return Outcome.WAITING
        # It may still answer with the settings before and have failed with those that were asked for.
        if found[0].state is VersionState.FAILED:
            return Outcome.FAILED
        return Outcome.READY if found[0].serving else Outcome.WAITING
    if status.update is UpdateState.IN_PROGRESS:
        return Outcome.WAITING
    if status.service is ServiceState.FAILED:
        return Outcome.FAILED
    if status.update is UpdateState.UPDATE_FAILED and not _only_older_failed(endpoint):
        return Outcome.FAILED
    return Outcome.READY if status.service is ServiceState.READY else Outcome.WAITING


def _only_older_failed(endpoint: Endpoint) -> bool:
    """An endpoint that serves all active versions is fine when the newest of each model is: old ones may be broken."""
    newest: dict[str, VersionStatus] = {}
    for each in endpoint.status.versions:
        if each.model not in newest or int(each.version) > int(newest[each.model].version):
            newest[each.model] = each
    active = all(each.selector.kind is SelectorKind.ACTIVE for each in endpoint.spec.entities)
    return (
        active
        and bool(newest)
        and all(each.serving and each.state is not VersionState.FAILED for each in newest.values())
    )


def failed_versions(endpoint: Endpoint) -> list[VersionStatus]:
    """The versions that cannot be served."""
    return [each for each in endpoint.status.versions if each.state is VersionState.FAILED]


def failure(endpoint: Endpoint) -> ServingFailed:
    """The exception for a change that ended FAILED: the named cause first, then what to do."""
    failures = [
        {
            "model": each.model,
            "version": each.version,
            "cause": str(each.failure.cause),
            "message": each.failure.message,
            "hint": each.failure.hint,
        }
        for each in failed_versions(endpoint)
        if each.failure
    ]
    status = endpoint.status
    if failures:
        first = failures[0]
        text = f"{first['model']} version {first['version']} failed: {first['cause']}: {first['message']}"
        hint = first["hint"] or f"look at the log: %logs {endpoint.spec.name} --version {first['version']}"
    else:
        text = status.update_message or status.service_message or "it cannot be served"
        hint = f"look at the log: %logs {endpoint.spec.name}"
    if any(each.serving for each in status.versions):
        hint += " (what served before still serves)"
    details = {"endpoint": endpoint.spec.name, "failures": failures, "hint": hint}
    return ServingFailed(f"endpoint {endpoint.spec.name}: {text}", details=details)


def summary(endpoint: Endpoint) -> str:
    """One line for logs and papermill, changing only when something changed (no running times in it)."""
    status = endpoint.status
    parts = [f"{endpoint.spec.name}: {status.service.value.lower()}, {status.update.value.lower().replace('_', ' ')}"]
    for each in status.versions:
        phase = next((p.name for p in each.phases if not p.done), "")
        word = each.state.value.lower() + (f" ({phase})" if phase and phase != each.state.value.lower() else "")
        parts.append(f"{each.model}/{each.version} {word}")
    return " · ".join(parts)
