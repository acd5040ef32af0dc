"""One check while it runs: what is known of it so far, and how it is shown."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jupyter_modelserve.checked import Check, CheckState, Overrides
from jupyter_modelserve.controller.endpoints.timeline import Timeline
from jupyter_modelserve.controller.environments.redaction import redact
from jupyter_modelserve.controller.replicas import WorkerStatus
from jupyter_modelserve.types import Cause, Environment, Failure, Phase, Verdict

LINES: Final = 400
"""Lines of the log that are kept."""
_LONGEST: Final = 2000
_REQUIREMENT: Final = re.compile(r"extra_pip_requirements=\[\"([A-Za-z0-9._-]+)\"\]")
UNTRIED: Final = (
    "the model has no input example, so it was loaded but not tried; log it with input_example=…, then its answer is "
    "checked as well"
)


@dataclass(slots=True)
class Trial:
    """A check under way or done. ``owner`` is the principal who asked for it.

    ``digest`` is of the model's files, ``pushed`` where those lie that the replica gets, and their digest.
    """

    id: str
    model: str
    version: str
    source: str
    overrides: Overrides
    owner: str
    state: CheckState = CheckState.RUNNING
    verdict: Verdict | None = None
    failure: Failure | None = None
    environment: Environment | None = None
    digest: str = ""
    pushed: tuple[Path, str] | None = None
    warnings: list[str] = field(default_factory=list)
    measured: tuple[Phase, ...] = ()
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    started_at: int = field(default_factory=lambda: int(time.time() * 1000))
    timeline: Timeline = field(default_factory=lambda: Timeline(time.monotonic))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _outcome: CheckState = CheckState.CANCELLED
    _began: float = field(default_factory=time.monotonic)
    _seconds: float = 0.0

    def enter(self, phase: str) -> None:
        """The next phase begins."""
        self.timeline.enter(phase)

    def tell(self, line: str) -> None:
        """One line about what the current phase does."""
        self.timeline.detail(line)
        self.write(line)

    def write(self, text: str) -> None:
        """Lines for the log."""
        self.lines.extend(redact(line)[:_LONGEST] for line in text.splitlines())

    def follow(self, worker: WorkerStatus) -> None:
        """Move along with what the replica reports."""
        self.timeline.follow(worker.state)
        self.measured = worker.phases

    def passed(self, verdict: Verdict | None) -> None:
        """The model would serve."""
        self.verdict = verdict
        if verdict is not Verdict.PASSED:
            self.warnings.append(UNTRIED)
        self._outcome = CheckState.PASSED

    def failed(self, failure: Failure) -> None:
        """The model would not serve; the one named cause."""
        self.failure, self.verdict = failure, None
        self.write("\n".join(failure.log_tail))
        self._outcome = CheckState.FAILED

    def settle(self) -> None:
        """Nothing of it runs any more: from here on the outcome is shown; without one it was cancelled."""
        self.timeline.end()
        self.state, self._seconds = self._outcome, time.monotonic() - self._began

    def show(self) -> Check:
        """What a caller sees."""
        running = self.state is CheckState.RUNNING
        return Check(
            id=self.id,
            model=self.model,
            version=self.version,
            source=self.source,
            state=self.state,
            started_at=self.started_at,
            seconds=round(time.monotonic() - self._began if running else self._seconds, 3),
            overrides=self.overrides,
            verdict=self.verdict,
            failure=self.failure,
            environment=self.environment,
            phases=self.timeline.phases(self.measured),
            warnings=tuple(self.warnings),
            missing=missing(self.failure),
            digest=self.digest,
            log="\n".join(self.lines),
        )


def missing(failure: Failure | None) -> tuple[str, ...]:
    """The requirements that the hint of a missing module names."""
    if failure is None or failure.cause is not Cause.MISSING_MODULE:
        return ()
    found = _REQUIREMENT.search(failure.hint)
    return (found[1],) if found else ()
