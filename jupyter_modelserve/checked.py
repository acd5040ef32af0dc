"""Words of checks before serving, like :mod:`.types`: a model run once in a clean environment (floor 0).

A check says whether a version would serve, before it exists or is served (REQ-125, REQ-127). Its verdict belongs to
the model's files, whatever versions are made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from jupyter_modelserve.types import Environment, Failure, Phase, Verdict


class CheckState(StrEnum):
    """Where a check stands."""

    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is tried without changing the model (REQ-127).

    ``requirements`` replace those of the same name or are added, ``remove`` are names to leave out, ``python`` is
    another version such as ``3.10``.
    """

    requirements: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    python: str = ""

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.requirements or self.remove or self.python)


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A check before registration: ``source`` is a logged model (``models:/m-…``), ``model`` where it shall go."""

    model: str
    source: str
    overrides: Overrides = field(default_factory=Overrides)


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``version`` is empty before registration. ``started_at`` is milliseconds since 1970.

    ``digest`` names the model's files, ``environment.key`` what was installed. ``missing`` are requirements that
    would mend a missing module. ``log`` has the last lines of the build and of the model.
    """

    id: str
    model: str
    version: str
    source: str
    state: CheckState
    started_at: int
    seconds: float = 0.0
    overrides: Overrides = field(default_factory=Overrides)
    verdict: Verdict | None = None
    failure: Failure | None = None
    environment: Environment | None = None
    phases: tuple[Phase, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    digest: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class VersionChecks:
    """A version's latest checks: ``check`` of the model as it is, ``trial`` with overrides; null: there was none."""

    check: Check | None = None
    trial: Check | None = None
