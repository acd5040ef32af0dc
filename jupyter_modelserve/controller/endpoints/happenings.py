"""What happened to replicas and processes between two looks, as lines of the endpoint's history (REQ-045, REQ-046).

Versions and the endpoint itself have a state of their own that the history follows; a replica that comes, goes or is
lost, and a process that dies while another one answers, would otherwise leave no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from jupyter_modelserve.controller.endpoints.observation import Sight
from jupyter_modelserve.controller.endpoints.view import Key, Worker
from jupyter_modelserve.controller.engines.base import ObservedReplica
from jupyter_modelserve.types import ReplicaState

_PASSING: Final = frozenset({ReplicaState.PENDING, ReplicaState.CREATING})
"""States that tell nothing that the next one does not tell."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line: ``kind`` is ``replica`` or ``version``; ``key`` is the version that it concerns."""

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
