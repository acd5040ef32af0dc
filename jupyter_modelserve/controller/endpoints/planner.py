"""``plan(desired, observed, now)``: what to do next, from nothing but its arguments (architecture §5).

The rules, in the order in which they matter:

1. Unknown is not gone: while the engine cannot be asked, nothing is started or stopped.
2. A name keeps answering with the version it answered with until the version it should answer with is READY.
3. A worker goes only when no name routes to it any more *and* the gateway has acknowledged that.
4. Nothing is removed while a wanted version is still being prepared and could turn out to be that very worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from jupyter_modelserve.controller.endpoints.selection import Selection, select
from jupyter_modelserve.controller.endpoints.view import (
    GONE,
    Desired,
    Key,
    Label,
    Observed,
    Prepared,
    Routed,
    loading,
    name_of,
    place,
)
from jupyter_modelserve.types import Cause, Failure, ReplicaState, VersionState


@dataclass(frozen=True, slots=True)
class Prepare:
    """Find the files, check the digest, resolve the environment."""

    key: Key


@dataclass(frozen=True, slots=True)
class EnsureReplica:
    """Have a replica for an environment running."""

    prepared: Prepared
    replica: str


@dataclass(frozen=True, slots=True)
class LoadVersion:
    """Have the version loaded and probed in a replica."""

    key: Key
    prepared: Prepared
    replica: str


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
    selection = effective(select(desired), observed)
    routed = choose(selection, observed)
    actions: list[Action] = [*_prepare(selection, observed, now)]
    if observed.known:
        actions += _start(selection, observed, now)
    if routed != observed.routed:
        actions.append(Publish(routed))
    elif observed.known and observed.acknowledged:
        actions += _remove(desired, selection, observed)
    return tuple(actions)


def effective(selection: Selection, observed: Observed) -> Selection:
    """*selection* with the roll-backs: a followed name whose version failed after it had answered is given back to
    the version before, which is run again for that, until the name means something else (REQ-129, REQ-131).
    """
    for entity, label in selection.follows.items():
        best = next(iter(selection.labels.get(label, ())), None)
        before = observed.routed.previous.get(label)
        if best is None or before is None or before == best or before not in selection.known:
            continue
        answered = observed.routed.labels.get(label) == best
        lost = _lost(best, observed) or (label in observed.on_trial and _died(best, before, observed))
        refused = observed.routed.refused.get(label) == best
        if refused or (answered and observed.known and lost):
            selection = _rolled_back(selection, entity, label, best, before)
            kept = observed.routed.reasons.get(label)
            reason = kept if refused and kept is not None else _why(best, observed)
            selection = replace(selection, reasons={**selection.reasons, label: reason})
    return _with_sleepers(selection, observed)


def _with_sleepers(selection: Selection, observed: Observed) -> Selection:
    """Also run what is scaled to zero and still answers for a name: whoever asks before its successor is ready must
    find somebody who can be woken (REQ-135).
    """

    def stays(wanted: tuple[Key, ...], was: Key | None) -> bool:
        if was not in observed.dormant or was not in selection.known or not wanted:
            return False
        return was != wanted[0] and wanted[0] in selection.keys and not observed.complete(wanted[0])

    routed = observed.routed
    found = [was for label, was in routed.labels.items() if stays(selection.labels.get(label, ()), was)]
    found += [was for name, was in routed.entities.items() if stays(selection.entities.get(name, ()), was)]
    return replace(selection, keys=tuple(dict.fromkeys((*selection.keys, *found)))) if found else selection


def _rolled_back(selection: Selection, entity: str, label: Label, best: Key, before: Key) -> Selection:
    entities = {**selection.entities, entity: (before,)}
    elsewhere = {key for name, keys in selection.entities.items() if name != entity for key in keys}
    keys = [key for key in selection.keys if key != best or best in elsewhere]
    return replace(
        selection,
        keys=tuple(dict.fromkeys((*keys, before))),
        labels={**selection.labels, label: (before,)},
        entities=entities,
        refused={**selection.refused, label: best},
    )


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
        name: _pick(wanted, _stand_in(name, wanted[0], selection, observed), selection, observed)
        for name, wanted in selection.entities.items()
        if wanted
    }
    # A version that is no longer selected stays only as long as it stands in for one that is on its way.
    standing_in = {labels[name] for name, wanted in selection.labels.items() if labels[name] != wanted[0]}
    standing_in |= {entities[name] for name in entities if entities[name] != selection.entities[name][0]}
    workers = {
        key: answering
        for key in dict.fromkeys((*selection.keys, *sorted(standing_in)))
        if (answering := _answering(key, observed)) or _can_wake(key, observed)
    }
    previous = _previous(selection, before, labels)
    return Routed(workers, labels, entities, previous, selection.refused, selection.reasons)


def _previous(selection: Selection, before: Routed, labels: Mapping[Label, Key]) -> dict[Label, Key]:
    """What each followed name answered before it answered what it does now; a roll-back is no step forward."""
    found: dict[Label, Key] = {}
    for label in selection.follows.values():
        was, now = before.labels.get(label), labels.get(label)
        moved = was is not None and was != now and label not in selection.refused and was in before.workers
        kept = before.previous.get(label)
        if moved and was is not None:
            found[label] = was
        elif kept is not None:
            found[label] = kept
    return found


def _stand_in(name: str, best: Key, selection: Selection, observed: Observed) -> Key | None:
    """What answered for the entity before; for a new entity, what answered for one that it replaces: `%serve iris/2`
    after `%serve iris/1` gives the entity another name, and no request may fail for that.
    """
    before = observed.routed.entities
    if name in before:
        return before[name]
    gone = [key for other, key in before.items() if other not in selection.entities and _able(key, observed)]
    return next((key for key in gone if key[0] == best[0]), next(iter(gone), None))


def _pick(wanted: tuple[Key, ...], before: Key | None, selection: Selection, observed: Observed) -> Key:
    """The best wanted version once it is complete; until then what answered before; else the next that can."""
    best = wanted[0]
    if best not in selection.keys or observed.complete(best):
        return best
    if before is not None and before != best and _able(before, observed):
        return before
    if _able(best, observed):
        return best
    if _failed(best, observed):
        return next((key for key in wanted if _able(key, observed)), best)
    return best


def _able(key: Key, observed: Observed) -> bool:
    """Whether requests for *key* are answered, at once or after a moment."""
    return bool(_answering(key, observed)) or _can_wake(key, observed)


def _can_wake(key: Key, observed: Observed) -> bool:
    """Whether *key* is at zero or on its way back: it is routed without a worker, and the gateway holds requests."""
    return key in observed.dormant and not _failed(key, observed)


def _answering(key: Key, observed: Observed) -> tuple[str, ...]:
    """The workers that can answer for *key* now: the wanted ones, and until those are complete the ones before."""
    ready = [each.id for each in observed.workers_of(key) if each.ready]
    if not observed.complete(key):
        routed = observed.routed.workers.get(key, ())
        ready += [each for each in routed if each in observed.workers and observed.workers[each].ready]
    return tuple(dict.fromkeys(ready))


def _failed(key: Key, observed: Observed) -> bool:
    if isinstance(observed.preparations.get(key), Failure):
        return True
    workers = observed.workers_of(key)
    return bool(workers) and all(each.failing for each in workers)


def _lost(key: Key, observed: Observed) -> bool:
    """Whether a version that had answered has failed. That it cannot be prepared once more, as a new controller does
    it, says nothing while it answers, nor when only the engine is away.
    """
    prepared = observed.preparations.get(key)
    if isinstance(prepared, Failure) and (_answering(key, observed) or prepared.cause is Cause.ENGINE_UNAVAILABLE):
        return False
    return _failed(key, observed)


def _why(key: Key, observed: Observed) -> Failure:
    """Why a version that had answered does so no longer."""
    prepared = observed.preparations.get(key)
    if isinstance(prepared, Failure):
        return prepared
    workers = observed.workers_of(key)
    told = next((each.failure for each in workers if each.failure is not None), None)
    ended = next((each.last_exit for each in workers if each.last_exit), "its process ended")
    return told or Failure(Cause.CRASHED, ended, "read its last lines; register a corrected version")


def _died(key: Key, before: Key, observed: Observed) -> bool:
    """Whether a version on trial died everywhere while the one before it still could answer at once."""
    workers = observed.workers_of(key)
    return (
        bool(workers)
        and all(each.crashes and not each.ready for each in workers)
        and bool(_answering(before, observed))
    )


def _prepare(selection: Selection, observed: Observed, now: float) -> list[Action]:
    return [
        Prepare(key)
        for key in selection.keys
        if key not in observed.preparations
        and key not in observed.preparing
        and now >= observed.not_before.get(name_of(key), 0.0)
    ]


def _start(selection: Selection, observed: Observed, now: float) -> list[Action]:
    actions: dict[str, Action] = {}
    for key in selection.keys:
        prepared = observed.preparations.get(key)
        if not isinstance(prepared, Prepared):
            continue
        for replica in prepared.replicas:
            state = observed.replicas.get(replica)
            worker = place(replica, prepared.worker)
            if state is None or state in GONE:
                if now >= observed.not_before.get(replica, 0.0):
                    actions.setdefault(replica, EnsureReplica(prepared, replica))
            elif state is not ReplicaState.READY or worker in observed.workers:
                continue
            elif now >= observed.not_before.get(loading(worker), 0.0):
                actions[worker] = LoadVersion(key, prepared, replica)
    return list(actions.values())


def _remove(desired: Desired, selection: Selection, observed: Observed) -> list[Action]:
    if any(not isinstance(observed.preparations.get(key), Prepared | Failure) for key in selection.keys):
        return []
    kept = {worker for workers in observed.routed.workers.values() for worker in workers}
    kept |= {each.id for key in selection.keys for each in observed.workers_of(key)}
    spare = {
        before
        for label in observed.on_trial
        if not desired.deleting and (before := observed.routed.previous.get(label)) in selection.known
    }
    kept |= {each.id for key in spare for each in observed.workers_of(key) if each.ready}
    leaving = [each for each in observed.workers.values() if each.id not in kept]
    actions: list[Action] = [
        UnloadVersion(each.name, each.replica) for each in leaving if each.state is not VersionState.UNLOADING
    ]
    needed = {each.replica for each in observed.workers.values()} | observed.kept
    for key in selection.keys:
        prepared = observed.preparations.get(key)
        needed |= set(prepared.replicas) if isinstance(prepared, Prepared) else set()
    actions += [StopReplica(replica) for replica in observed.replicas if replica not in needed]
    if desired.deleting and not observed.replicas and not observed.workers and not observed.preparing:
        actions.append(Forget())
    return actions
