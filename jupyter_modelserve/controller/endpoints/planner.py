"""``plan(desired, observed, now)``: what to do next, from nothing but its arguments (architecture §5).

The rules, in the order in which they matter:

1. Unknown is not gone: while the engine cannot be asked, nothing is started or stopped.
2. A name keeps answering with the version it answered with until the version it should answer with is READY.
3. A worker goes only when no name routes to it any more *and* the gateway has acknowledged that.
4. Nothing is removed while a wanted version is still being prepared and could turn out to be that very worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jupyter_modelserve.controller.endpoints.selection import Selection, select
from jupyter_modelserve.controller.endpoints.view import Desired, Key, Observed, Prepared, Routed
from jupyter_modelserve.types import Failure, ReplicaState, VersionState

GONE = frozenset({ReplicaState.STOPPED, ReplicaState.FAILED})


@dataclass(frozen=True, slots=True)
class Prepare:
    """Find the files, check the digest, resolve the environment."""

    key: Key


@dataclass(frozen=True, slots=True)
class EnsureReplica:
    """Have the replica for an environment running."""

    prepared: Prepared


@dataclass(frozen=True, slots=True)
class LoadVersion:
    """Have the version loaded and probed in its replica."""

    key: Key
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Publish:
    """Route exactly so."""

    routed: Routed


@dataclass(frozen=True, slots=True)
class UnloadVersion:
    """Drain and end a worker."""

    worker: str
    replica: str


@dataclass(frozen=True, slots=True)
class StopReplica:
    """End a replica that holds nothing wanted."""

    replica: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Everything of a deleted endpoint is gone."""


Action: TypeAlias = Prepare | EnsureReplica | LoadVersion | Publish | UnloadVersion | StopReplica | Forget


def plan(desired: Desired, observed: Observed, now: float) -> tuple[Action, ...]:
    """The next actions, to be carried out in order; empty when nothing can or need be done now.

    Args:
        desired: the specification read against the registry.
        observed: what is known to run, to be prepared and to be routed.
        now: seconds on the clock that ``observed.not_before`` uses.
    """
    selection = select(desired)
    routed = choose(selection, observed)
    actions: list[Action] = [*_prepare(selection, observed, now)]
    if observed.known:
        actions += _start(selection, observed, now)
    if routed != observed.routed:
        actions.append(Publish(routed))
    elif observed.known and observed.acknowledged:
        actions += _remove(desired, selection, observed)
    return tuple(actions)


def choose(selection: Selection, observed: Observed) -> Routed:
    """Which version answers for each name, and which workers must therefore be reachable (REQ-129, REQ-184)."""
    before = observed.routed
    if not observed.known:
        return before
    labels = {
        label: _pick(wanted, before.labels.get(label), selection, observed)
        for label, wanted in selection.labels.items()
    }
    entities = {
        name: _pick(wanted, before.entities.get(name), selection, observed)
        for name, wanted in selection.entities.items()
        if wanted
    }
    # A version that is no longer selected stays only as long as it stands in for one that is on its way.
    standing_in = {labels[name] for name, wanted in selection.labels.items() if labels[name] != wanted[0]}
    standing_in |= {entities[name] for name in entities if entities[name] != selection.entities[name][0]}
    workers = {
        key: worker
        for key in dict.fromkeys((*selection.keys, *sorted(standing_in)))
        if (worker := _reachable(key, observed)) is not None
    }
    return Routed(workers, labels, entities)


def _pick(wanted: tuple[Key, ...], before: Key | None, selection: Selection, observed: Observed) -> Key:
    """The best wanted version once it is ready; until then what answered before; else the next one that can."""
    best = wanted[0]
    if best not in selection.keys or _reachable(best, observed):
        return best
    if before is not None and before != best and _reachable(before, observed):
        return before
    if _failed(best, observed):
        return next((key for key in wanted if _reachable(key, observed)), best)
    return best


def _reachable(key: Key, observed: Observed) -> str | None:
    """The worker that can answer for *key* now: the wanted one, or the one that is being replaced."""
    prepared = observed.preparations.get(key)
    names = [prepared.worker] if isinstance(prepared, Prepared) else []
    names.append(observed.routed.workers.get(key, ""))
    candidates = [observed.workers.get(name) for name in names] + [observed.worker_of(key)]
    return next((each.id for each in candidates if each is not None and each.ready), None)


def _failed(key: Key, observed: Observed) -> bool:
    if isinstance(observed.preparations.get(key), Failure):
        return True
    worker = observed.worker_of(key)
    return worker is not None and worker.state is VersionState.FAILED


def _prepare(selection: Selection, observed: Observed, now: float) -> list[Action]:
    return [
        Prepare(key)
        for key in selection.keys
        if key not in observed.preparations
        and key not in observed.preparing
        and now >= observed.not_before.get(f"{key[0]}/{key[1]}", 0.0)
    ]


def _start(selection: Selection, observed: Observed, now: float) -> list[Action]:
    actions: list[Action] = []
    ensured: set[str] = set()
    for key in selection.keys:
        prepared = observed.preparations.get(key)
        if not isinstance(prepared, Prepared):
            continue
        state = observed.replicas.get(prepared.replica)
        if state is None or state in GONE:
            if prepared.replica not in ensured and now >= observed.not_before.get(prepared.replica, 0.0):
                ensured.add(prepared.replica)
                actions.append(EnsureReplica(prepared))
        elif state is ReplicaState.READY and prepared.worker not in observed.workers:
            actions.append(LoadVersion(key, prepared))
    return actions


def _remove(desired: Desired, selection: Selection, observed: Observed) -> list[Action]:
    if any(not isinstance(observed.preparations.get(key), Prepared | Failure) for key in selection.keys):
        return []
    kept = set(observed.routed.workers.values())
    for key in selection.keys:
        worker = observed.worker_of(key)
        if worker is not None:
            kept.add(worker.id)
    leaving = [each for each in observed.workers.values() if each.id not in kept]
    actions: list[Action] = [
        UnloadVersion(each.id, each.replica) for each in leaving if each.state is not VersionState.UNLOADING
    ]
    prepared = (observed.preparations.get(key) for key in selection.keys)
    needed = {each.replica for each in prepared if isinstance(each, Prepared)}
    needed |= {each.replica for each in observed.workers.values()}
    idle = [replica for replica in observed.replicas if replica not in needed]
    actions += [StopReplica(replica) for replica in idle]
    if desired.deleting and not observed.replicas and not observed.workers and not observed.preparing:
        actions.append(Forget())
    return actions
