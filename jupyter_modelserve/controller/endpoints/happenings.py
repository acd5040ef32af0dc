"""What happened to replicas and processes between two looks, as lines of the endpoint's history (REQ-045, REQ-046).

Versions and the endpoint itself have a state of their own that the history follows; a replica that comes, goes or is
lost, and a process that dies while another one answers, would otherwise leave no trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from jupyter_modelserve.controller.endpoints.observation import Sight
from jupyter_modelserve.controller.endpoints.view import Key, Worker
from jupyter_modelserve.controller.engines.base import ObservedReplica
from jupyter_modelserve.types import EndpointStatus, Failure, ReplicaState, UpdateState, VersionStatus, to_json

_PASSING: Final = frozenset({ReplicaState.PENDING, ReplicaState.CREATING})
"""States that tell nothing that the next one does not tell."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line: ``kind`` is ``replica``, ``version``, ``names`` or ``endpoint``; ``key`` is the version concerned."""

    kind: str
    message: str
    key: Key | None = None
    data: dict[str, object] = field(default_factory=dict)


def between(before: Sight | None, after: Sight) -> Iterator[Happening]:
    """What is different; nothing where either look could not see (*before* is ``None`` at the first one)."""
    if before is None or not after.known:
        return
    for replica in after.replicas.values():
        was = before.replicas.get(replica.id)
        if replica.state not in _PASSING and (was is None or was.state is not replica.state):
            yield _state(replica)
    for identifier in before.replicas.keys() - after.replicas.keys():
        yield Happening("replica", f"replica {identifier[:8]} is gone", data={"replica": identifier, "state": "GONE"})
    for worker in after.workers.values():
        known = before.workers.get(worker.id)
        if known is not None and worker.restarts > known.restarts:
            yield _restart(worker)


def changes(before: EndpointStatus, after: EndpointStatus) -> Iterator[Happening]:
    """What the user is shown now and was not before: versions, what they answer as, the two tracks."""
    old = {(each.model, each.version): each for each in before.versions}
    for each in after.versions:
        key = (each.model, each.version)
        was = old.pop(key, None)
        if was is None or was.state is not each.state:
            yield _version(each)
        if was is not None and was.labels != each.labels:
            names = ", ".join(each.labels) or "its number only"
            yield Happening("names", f"{each.model} version {each.version} answers as {names}", key)
    for model, version in old:
        yield Happening("version", f"{model} version {version} was unloaded", (model, version), {"state": "GONE"})
    if (before.service, before.update) != (after.service, after.update):
        data: dict[str, object] = {"service": after.service.value, "update": after.update.value}
        message = after.update_message if after.update is UpdateState.UPDATE_FAILED else after.service_message
        text = f"{after.service.value}, {after.update.value}: {message}".rstrip(": ")
        yield Happening("endpoint", text, data=data)


def differ(before: EndpointStatus, after: EndpointStatus) -> bool:
    """Whether whoever watches is to be told."""
    return _without_times(before) != _without_times(after)


def not_loaded(key: Key, replica: str, failure: Failure) -> Happening:
    """A version that answers elsewhere cannot be brought to a further replica."""
    message = f"{key[0]} version {key[1]} is not loaded in replica {replica[:8]}: {failure.message}"
    return Happening("version", message, key, {"replica": replica, "failure": to_json(failure)})


def _version(now: VersionStatus) -> Happening:
    data: dict[str, object] = {"state": now.state.value, "verdict": now.verdict}
    if now.failure:
        data["failure"] = to_json(now.failure)
    text = f"{now.model} version {now.version} is {now.state.value}"
    return Happening(
        "version",
        f"{text}: {now.failure.message}" if now.failure and now.failure.message else text,
        (now.model, now.version),
        data,
    )


def _state(replica: ObservedReplica) -> Happening:
    message = f"replica {replica.id[:8]} is {replica.state.value}"
    data: dict[str, object] = {"replica": replica.id, "state": replica.state.value}
    if replica.exit_code is not None:
        data["exit_code"] = replica.exit_code
    return Happening("replica", f"{message}: {replica.reason}" if replica.reason else message, data=data)


def _restart(worker: Worker) -> Happening:
    where = f"{worker.model} version {worker.version} in replica {worker.replica[:8]}"
    why = f": {worker.last_exit}" if worker.last_exit else ""
    data: dict[str, object] = {"replica": worker.replica, "restarts": worker.restarts}
    message = f"the process of {where} is started again (number {worker.restarts}){why}"
    return Happening("version", message, (worker.model, worker.version), data)


def _without_times(status: EndpointStatus) -> Mapping[str, object]:
    """What must differ for the status to count as changed: everything but seconds that only pass."""
    return {
        "tracks": (status.service, status.update, status.service_message, status.update_message),
        "generation": status.observed_generation,
        "versions": tuple(
            (
                each.model, each.version, each.state, each.labels, each.serving, each.verdict, each.failure,
                each.restarts, each.ready_replicas,
                tuple((phase.name, phase.done, phase.detail) for phase in each.phases),
            )
            for each in status.versions
        ),
    }  # fmt: skip
