"""The visible state of one version: phases with times, verdict, failure.

Pure, so that it is tested without processes.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional, Sequence

STEADY = 60.0
"""Seconds that a version must be READY for its deaths to be forgotten."""
PHASES = ("start", "load", "probe", "ready")
_PHASE_AT = {"LOADING": 1, "PROBING": 2, "READY": 3}


class Status:
    """WorkerStatus of the contract, fed by what the worker reports. Times are seconds."""

    def __init__(
        self,
        model: str,
        version: str,
        address: str,
        clock: Callable[[], float] = time.monotonic,
        concurrency: int = 1,
    ) -> None:
        self._clock = clock
        self._concurrency = concurrency
        self.model = model
        self.version = version
        self.address = address
        self.pid: Optional[int] = None
        self.restarts = 0
        self._crashes = 0
        self.last_exit = ""
        self.state = "LOADING"
        self.begin()

    def begin(self) -> None:
        """A process is being started: everything but the history is new."""
        self.state = "LOADING"
        self.since = time.time()
        self.verdict: Optional[str] = None
        self.failure: Optional[Dict[str, Any]] = None
        self.signature: Any = None
        self.loader = ""
        self.batches = False
        self.path: Optional[Dict[str, str]] = None
        self._marks: List[float] = [self._clock()]

    def died(self, in_a_row: int, reason: str) -> None:
        """A process that was READY ended by itself, for the *in_a_row*-th time."""
        self._crashes, self.last_exit = in_a_row, reason

    @property
    def crashes(self) -> int:
        """Deaths in a row; a version that has been READY for a minute has left them behind."""
        steady = self.state == "READY" and time.time() - self.since >= STEADY
        return 0 if steady else self._crashes

    def report(self, line: Dict[str, Any]) -> None:
        """A state change that the worker sent."""
        reached = _PHASE_AT.get(str(line.get("state")))
        if reached is not None:
            while len(self._marks) <= reached:
                self._marks.append(self._clock())
        if "signature" in line:
            self.signature, self.loader = line["signature"], str(line.get("loader", ""))
        if line.get("state") == "READY":
            self.verdict = str(line.get("verdict"))
            self.batches, self.path = bool(line.get("batches", False)), line.get("path")
            self._marks.append(self._marks[-1])
        if line.get("state") != "FAILED":
            self.enter(str(line["state"]))

    def enter(self, state: str) -> None:
        """Change the state and remember when."""
        if state != self.state:
            self.state, self.since = state, time.time()

    def fail(self, failure: Dict[str, Any], log_tail: List[str]) -> None:
        """The one named cause."""
        self.failure = {**failure, "log_tail": log_tail}
        self.enter("FAILED")

    def phases(self) -> List[Dict[str, Any]]:
        """Phases begun so far; the running one grows, unless the version has failed."""
        found = []
        for number, begin in enumerate(self._marks[: len(PHASES)]):
            done = number + 1 < len(self._marks)
            if done:
                end = self._marks[number + 1]
            else:
                end = begin if self.state == "FAILED" else self._clock()
            found.append({"name": PHASES[number], "seconds": round(end - begin, 4), "done": done})
        return found

    @property
    def lanes(self) -> int:
        """How many ordinary lanes may be used: one process suffices where requests are batched."""
        return 1 if self.batches else self._concurrency

    def document(self, in_flight: int, processes: Sequence[Dict[str, Any]] = (), large: bool = False) -> Dict[str, Any]:
        """WorkerStatus as JSON values."""
        return {
            "model": self.model, "version": self.version, "state": self.state, "verdict": self.verdict,
            "failure": self.failure, "address": self.address, "pid": self.pid, "restarts": self.restarts,
            "in_flight": in_flight, "since": self.since, "phases": self.phases(), "signature": self.signature,
            "loader": self.loader, "crashes": self.crashes, "last_exit": self.last_exit, "lanes": self.lanes,
            "batches": self.batches, "path": self.path, "large": large, "processes": list(processes),
        }  # fmt: skip
