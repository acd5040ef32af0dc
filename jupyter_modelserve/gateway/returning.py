"""Versions whose last process died and is started again: requests wait for it a moment instead of being refused.

Nothing but the route tables tells: a version that was routed, and is still wanted but not now, is on its way back.

| last table | this table | requests |
|---|---|---|
| has a process | has one | go there |
| has a process | none: starting, loading or being probed | wait, at most ``restart_hold`` seconds from here on |
| has a process | none: failed, or not wanted any more | are told so |
| none | none | as before: what was never ready is not waited for |

A version that dies for the third time within a minute is not waited for either: it would make callers wait for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from jupyter_modelserve.gateway.routing import Key, own_key, routed
from jupyter_modelserve.gateway.waking import WaitingRoom
from jupyter_modelserve.types import RouteTable, RouteVersion, VersionState

_COMING: Final = frozenset(
    {VersionState.PENDING, VersionState.STARTING, VersionState.LOADING, VersionState.PROBING, VersionState.READY}
)
_WINDOW: Final = 60.0
_DEATHS: Final = 2
"""Deaths within the window after which one still waits."""
_NOBODY: Final = (0.0, 0.0)
"""Until when one waits, and the time-out that the last process had."""


class Returning:
    """Knows which versions are on their way back, and holds those who ask for them.

    Args:
        hold: seconds from a death on for which requests wait; 0: none does.
        most: requests of one version that may wait.
    """

    def __init__(self, hold: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.room = WaitingRoom(
            most, hold, full="is being started again", late="ended, is being started again and was not back"
        )
        self._hold = hold
        self._clock = clock
        self._routed: dict[Key, float] = {}
        self._awaited: dict[Key, tuple[float, float]] = {}
        self._deaths: dict[Key, list[float]] = {}

    def adopt(self, table: RouteTable) -> None:
        """A new table is in force."""
        now = self._clock()
        versions = dict(_versions(table))
        there = {key: found[0].timeout for key, version in versions.items() if (found := routed(table, version))}
        for key in self._routed.keys() - there.keys():
            version = versions.get(key)
            if version is not None and version.state in _COMING and not version.wakes and self._mourn(key, now):
                self._awaited[key] = now + self._hold, self._routed[key]
        for key in list(self._awaited):
            version = versions.get(key)
            if version is None or key in there or version.state not in _COMING or version.wakes:
                del self._awaited[key]
        self._routed = there
        self._deaths = {key: each for key, each in self._deaths.items() if each[-1] > now - _WINDOW}
        self.room.changed()

    def _mourn(self, key: Key, now: float) -> bool:
        """Write a death down; whether the version is worth waiting for."""
        deaths = [each for each in self._deaths.get(key, ()) if each > now - _WINDOW]
        self._deaths[key] = [*deaths, now]
        return len(deaths) < _DEATHS

    def coming(self) -> frozenset[Key]:
        """The versions that are waited for now."""
        now = self._clock()
        return frozenset(key for key, (until, _) in self._awaited.items() if until > now)

    def timeout(self, key: Key) -> float:
        """Seconds that a request to a version that is waited for may take, as its last process had it; 0: not known."""
        return self._awaited.get(key, _NOBODY)[1]

    def left(self, key: Key) -> float:
        """Seconds for which one may wait for a version; 0 or less: not any more."""
        return self._awaited.get(key, _NOBODY)[0] - self._clock()


def _versions(table: RouteTable) -> Iterator[tuple[Key, RouteVersion]]:
    for model, each in table.models.items():
        for number, version in each.versions.items():
            yield (model, number), version
    for endpoint, entities in table.endpoints.items():
        for entity in entities:
            if entity.own is not None:
                yield own_key(endpoint, entity), entity.own
