"""How long each step towards READY took: resolve → environment → start → load → probe → ready (architecture §5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from jupyter_modelserve.types import Phase, VersionState

ORDER = ("resolve", "environment", "start", "load", "probe", "ready")
_ANEW: Final = frozenset({VersionState.STARTING, VersionState.LOADING, VersionState.PROBING, VersionState.FAILED})
"""States that a version which answers is not in: what ran has ended, and these steps are new."""


@dataclass(slots=True)
class _Step:
    name: str
    begun: float
    ended: float | None = None
    detail: str = ""


class Timeline:
    """The steps of one version.

    Args:
        clock: gives monotonic seconds.
        running: a replica answers for the version already, after a restart of the controller or a change of settings.
            What it measured itself is the story then, not how quickly it was found again.
    """

    def __init__(self, clock: Callable[[], float], running: bool = False) -> None:
        self._clock = clock
        self._running = running
        self._steps: list[_Step] = []
        self._ready: float | None = None

    def enter(self, name: str) -> None:
        """Begin a step; ends the one before. Entering the current step again changes nothing."""
        now = self._clock()
        if self._steps and self._steps[-1].name == name:
            return
        self._end(now)
        self._steps.append(_Step(name, now))

    def detail(self, text: str) -> None:
        """One line about what the current step is doing."""
        if self._steps:
            self._steps[-1].detail = text

    def end(self) -> None:
        """The current step is over: what prepared the version has come to an end."""
        self._end(self._clock())

    def follow(self, state: VersionState) -> None:
        """Move along with what the replica reports."""
        if self._ready is not None or (self._running and state is VersionState.READY):
            return
        self._running = self._running and state not in _ANEW
        match state:
            case VersionState.STARTING:
                self.enter("start")
            case VersionState.LOADING:
                self.enter("load")
            case VersionState.PROBING:
                self.enter("probe")
            case VersionState.READY | VersionState.FAILED:
                self._end(self._clock())
                self._ready = self._clock() if state is VersionState.READY else None
            case _:
                pass

    def phases(self, measured: Sequence[Phase] = ()) -> tuple[Phase, ...]:
        """The steps so far; *measured* are the replica's own figures, which are better than watching it."""
        now = self._clock()
        measured = [each for each in measured if each.name != "ready"]
        if self._running and not self._under_way:
            total = sum(each.seconds for each in measured)
            return (*measured, Phase("ready", total, True)) if measured else ()
        better = {each.name: each for each in measured}
        result = [
            Phase(each.name, better[each.name].seconds, True, each.detail)
            if each.name in better and better[each.name].done
            else Phase(each.name, (each.ended or now) - each.begun, each.ended is not None, each.detail)
            for each in self._steps
        ]
        known = {each.name for each in result}
        result += [each for each in measured if each.name not in known]
        result.sort(key=lambda each: ORDER.index(each.name) if each.name in ORDER else len(ORDER))
        if self._ready is not None and self._steps:
            result.append(Phase("ready", self._ready - self._steps[0].begun, True))
        return tuple(result)

    @property
    def _under_way(self) -> bool:
        return bool(self._steps) and self._steps[-1].ended is None

    def _end(self, now: float) -> None:
        if self._under_way:
            self._steps[-1].ended = now
