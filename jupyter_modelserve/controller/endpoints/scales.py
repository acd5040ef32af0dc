"""What is asked of each version of one endpoint, and how many replicas it therefore should have.

Keeps what :mod:`.scaling` decides on. Nothing of it is stored: which versions are at zero the last table says, and
since when a version is idle the gateway says, so that a restart of the controller neither wakes nor forgets anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from jupyter_modelserve.controller.endpoints.scaling import Bounds, Delays, Demand, bounds, due, wanted
from jupyter_modelserve.controller.endpoints.selection import Selection
from jupyter_modelserve.controller.endpoints.view import GONE, Key, Observed, Prepared, Routed
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import EndpointSpec, Failure, ReplicaState

_NOBODY: Final[Mapping[Key, set[Key]]] = {}


@dataclass(frozen=True, slots=True)
class Load:
    """What the gateway says of a target: mean requests in flight and waiting; seconds since the last one.

    When there was none since the gateway knows the target (``used`` is false), ``idle`` counts from then on.
    """

    load: float
    idle: float
    used: bool


@dataclass(frozen=True, slots=True)
class Change:
    """Another number of replicas for a version."""

    key: Key
    before: int
    after: int
    demand: Demand

    @property
    def message(self) -> str:
        """One line for the endpoint's history."""
        who = f"{self.key[0]} version {self.key[1]}"
        if self.after == 0:
            return f"{who} is scaled to zero: nobody asked for it"
        if self.before == 0:
            return f"{who} is started again from zero: {self.demand.held} requests wait for it"
        return f"{who} goes from {self.before} to {self.after} replicas"


@dataclass(slots=True)
class _Track:
    bounds: Bounds
    demand: Demand
    count: int
    waking: bool = False
    heir: bool = False
    used: bool = False
    zero_since: float = -math.inf


@dataclass(slots=True)
class Scales:
    """The versions of one endpoint. ``keep``: seconds for which a replica is kept at zero."""

    delays: Delays
    keep: float
    clock: Callable[[], float] = time.monotonic
    _tracks: dict[Key, _Track] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Scales:
        """With the times of the settings."""
        return cls(Delays(settings.scale_down, settings.scale_to_zero), settings.zero_keep)

    # ------------------------------------------------------------------------------------------------ what is asked
    def follow(self, spec: EndpointSpec, selection: Selection, routed: Routed) -> None:
        """The versions of *selection*, and what is at zero: that may still answer for a name that means another one."""
        resting = {key for key, group in routed.workers.items() if not group and key in selection.known}
        keys = {*selection.keys, *resting}
        before = _before(selection, routed)
        self.track({key: bounds(spec, selection.entities, key) for key in keys}, routed, before)
        for key, found in before.items():
            gone = any(each not in selection.known and not routed.workers[each] for each in found)
            if gone and key not in routed.workers and self._tracks[key].count:
                # Nobody can be woken for the name: requests are held for the new one from its first start on.
                self._tracks[key].waking = self._tracks[key].heir = True

    def track(self, bounds: Mapping[Key, Bounds], routed: Routed, before: Mapping[Key, set[Key]] = _NOBODY) -> None:
        """These are the versions to run. One that the last table names without a worker is at zero.

        *before*: whom each succeeds. A new one has as many replicas as they have, because it gets their load at once.
        """
        for key in [key for key in self._tracks if key not in bounds]:
            del self._tracks[key]
        for key, each in bounds.items():
            if key in self._tracks:
                self._tracks[key].bounds = each
            else:
                own = {key} if key in routed.workers else before.get(key, set())
                running = max((len(routed.workers[other]) for other in own), default=0)
                self._tracks[key] = self._begin(each, running, at_zero=routed.workers.get(key) == ())

    def _begin(self, bound: Bounds, running: int, *, at_zero: bool) -> _Track:
        now = self.clock()
        running = max(bound.least, min(bound.most, running))
        # What ran before was needed, until there is word of less for long enough.
        demand = Demand(now, now, ((now, float(running * bound.capacity)),) if running > bound.least else ())
        return _Track(bound, demand, 0, zero_since=now) if at_zero else _Track(bound, demand, running)

    def hear(self, routed: Routed, targets: Mapping[str, Load], held: Mapping[Key, int]) -> bool:
        """The gateway's report; whether another number of replicas is needed now."""
        now = self.clock()
        for key, track in self._tracks.items():
            loads = [targets[each] for each in routed.workers.get(key, ()) if each in targets]
            if loads:
                self._take(track, loads, now)
            if held.get(key):
                track.demand, track.used = track.demand.holding(now, held[key]), True
        return any(self._wanted(track, now, steady=True) != track.count for track in self._tracks.values())

    def _take(self, track: _Track, loads: list[Load], now: float) -> None:
        moment = now - min(each.idle for each in loads)
        used = any(each.used for each in loads)
        last = track.demand.used_at
        if not track.used:
            last = moment
        elif used:
            last = max(last, moment)
        track.used = track.used or used
        load = sum(each.load for each in loads)
        track.demand = track.demand.loaded(now, load, last, self.delays.down)

    # ------------------------------------------------------------------------------------------------ what follows
    def decide(self, observed: Observed, *, steady: bool) -> list[Change]:
        """Adopt what is wanted now. Only what answers completely goes to zero."""
        now = self.clock()
        changes = []
        for key, track in self._tracks.items():
            count = self._wanted(track, now, steady=steady)
            answers = observed.complete(key) and bool(observed.routed.workers.get(key))
            if count == track.count or (count == 0 and not answers) or (count and _loses(key, count, observed)):
                continue
            changes.append(Change(key, track.count, count, track.demand))
            track.waking = count > 0 and (track.waking or track.count == 0)
            track.zero_since = now if count == 0 else -math.inf
            track.count = count
        return changes

    def settle(self, observed: Observed) -> None:
        """Who was on the way back from zero is there, or cannot come back."""
        for key, track in self._tracks.items():
            workers = observed.workers_of(key)
            there = any(each.ready for each in workers)
            failed = bool(workers) and all(each.failing for each in workers)
            if track.waking and (there or failed or isinstance(observed.preparations.get(key), Failure)):
                track.waking = track.heir = False

    def _wanted(self, track: _Track, now: float, *, steady: bool) -> int:
        return wanted(track.bounds, track.demand, track.count, now, self.delays, steady=steady)

    # ------------------------------------------------------------------------------------------------ for the planner
    def view(self, observed: Observed) -> Observed:
        """*observed* as it is to be judged: with the replicas that are wanted now."""
        found = {key: self._fit(key, each) for key, each in observed.preparations.items()}
        return replace(
            observed,
            preparations=found,
            asleep=frozenset(key for key, track in self._tracks.items() if track.count == 0),
            waking=frozenset(key for key, track in self._tracks.items() if track.waking),
            heirs=frozenset(key for key, track in self._tracks.items() if track.heir),
            floors={key: track.bounds.least for key, track in self._tracks.items() if _scales(track.bounds)},
            kept=self._kept(observed),
        )

    def _fit(self, key: Key, found: Prepared | Failure) -> Prepared | Failure:
        if isinstance(found, Failure) or key not in self._tracks:
            return found
        return replace(found, replicas=found.replicas[: self._tracks[key].count])

    def _kept(self, observed: Observed) -> frozenset[str]:
        """Replicas that stay at zero for a while, empty: their zygote makes the return quick."""
        now = self.clock()
        names: set[str] = set()
        for key, track in self._tracks.items():
            found = observed.preparations.get(key)
            if track.count == 0 and now - track.zero_since < self.keep and isinstance(found, Prepared):
                names |= set(found.replicas[: track.bounds.least])
        return frozenset(each for each in names if observed.replicas.get(each, ReplicaState.FAILED) not in GONE)

    def moving(self, observed: Observed) -> bool:
        """Whether replicas are on their way because of the load."""
        return any(_unsettled(key, observed) for key in observed.floors)

    def due(self) -> float:
        """Seconds until time alone may change something."""
        now = self.clock()
        moments = [due(each.bounds, each.demand, each.count, now, self.delays) for each in self._tracks.values()]
        moments += [each.zero_since + self.keep - now for each in self._tracks.values() if each.count == 0]
        return min((each for each in moments if each > 0), default=math.inf)


def _scales(bounds: Bounds) -> bool:
    return bounds.to_zero or bounds.most > bounds.least


def _before(selection: Selection, routed: Routed) -> dict[Key, set[Key]]:
    """By version that should answer for a name: the routed ones that answer for it until now."""
    names = [(routed.labels.get(label), found) for label, found in selection.labels.items()]
    names += [(routed.entities.get(name), found) for name, found in selection.entities.items()]
    before: dict[Key, set[Key]] = {}
    for was, best in ((was, found[0]) for was, found in names if was is not None and found):
        if was in routed.workers and best in selection.keys and was != best:
            before.setdefault(best, set()).add(was)
    return before


def _loses(key: Key, count: int, observed: Observed) -> bool:
    """Whether with only the first *count* replicas one would go that is ready while one would stay that is not."""
    prepared = observed.preparations.get(key)
    if not isinstance(prepared, Prepared):
        return False
    ready = {each.id for each in observed.workers_of(key) if each.ready}
    return not ready.issuperset(prepared.placements[:count]) and not ready.isdisjoint(prepared.placements[count:])


def _unsettled(key: Key, observed: Observed) -> bool:
    prepared = observed.preparations.get(key)
    if not isinstance(prepared, Prepared):
        return False
    workers = observed.workers_of(key)
    return len(workers) < len(prepared.replicas) or any(not (each.ready or each.failing) for each in workers)
