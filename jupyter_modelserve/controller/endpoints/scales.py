"""What is asked of each version of one endpoint, and how many replicas it therefore should have.

Keeps what :mod:`.scaling` decides on. Nothing of it is stored: which versions are at zero the last table says, and
since when a version is idle the gateway says, so that a restart of the controller neither wakes nor forgets anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from jupyter_modelserve.controller.endpoints.scaling import Bounds, Delays, Demand, due, wanted
from jupyter_modelserve.controller.endpoints.view import GONE, Key, Observed, Prepared, Routed
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import Failure, ReplicaState


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
    def track(self, bounds: Mapping[Key, Bounds], routed: Routed) -> None:
        """These are the versions to run. One that the last table names without a worker is at zero."""
        now = self.clock()
        for key in [key for key in self._tracks if key not in bounds]:
            del self._tracks[key]
        for key, each in bounds.items():
            if key in self._tracks:
                self._tracks[key].bounds = each
                continue
            group = routed.workers.get(key)
            running = max(each.least, min(each.most, len(group or ())))
            count = 0 if group == () else running
            # What ran before a restart was needed, until there is word of less for long enough.
            demand = Demand(now, now, ((now, float(running * each.capacity)),) if running > each.least else ())
            self._tracks[key] = _Track(each, demand, count, zero_since=now if group == () else -math.inf)

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
            if count == track.count or (count == 0 and not answers):
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
                track.waking = False

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


def _unsettled(key: Key, observed: Observed) -> bool:
    prepared = observed.preparations.get(key)
    if not isinstance(prepared, Prepared):
        return False
    workers = observed.workers_of(key)
    return len(workers) < len(prepared.replicas) or any(not (each.ready or each.failing) for each in workers)
