"""What the pure parts decide on: one immutable picture of what is wanted and what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from jupyter_modelserve.types import (
    EndpointSpec,
    Environment,
    Failure,
    Model,
    Phase,
    ReplicaState,
    Verdict,
    VersionState,
)

Key: TypeAlias = tuple[str, str]
"""(model, version)."""


class LabelKind(StrEnum):
    """How an address names a version other than by its number."""

    ALIAS = "alias"
    STAGE = "stage"


Label: TypeAlias = tuple[str, LabelKind, str]
"""(model, kind, name): for example ("iris", ALIAS, "Champion")."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version whose files are here and verified and whose environment is known.

    ``worker`` is derived from content and settings: when either changes, it is another worker beside the old one.
    """

    worker: str
    replica: str
    environment: Environment
    directory: str
    digest: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A loaded version as its replica reports it."""

    id: str
    replica: str
    model: str
    version: str
    state: VersionState
    address: str = ""
    key: str = ""
    verdict: Verdict | None = None
    failure: Failure | None = None
    restarts: int = 0
    in_flight: int = 0
    phases: tuple[Phase, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it predicted and may get traffic."""
        return self.state is VersionState.READY


@dataclass(frozen=True, slots=True)
class Routed:
    """What the last published table says about this endpoint: workers by version, and what each name answers."""

    workers: Mapping[Key, str] = field(default_factory=dict)
    labels: Mapping[Label, Key] = field(default_factory=dict)
    entities: Mapping[str, Key] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything the planner may look at. ``known`` is false while the engine cannot be asked."""

    known: bool = True
    preparations: Mapping[Key, Prepared | Failure] = field(default_factory=dict)
    preparing: frozenset[Key] = frozenset()
    replicas: Mapping[str, ReplicaState] = field(default_factory=dict)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    routed: Routed = field(default_factory=Routed)
    acknowledged: bool = True
    not_before: Mapping[str, float] = field(default_factory=dict)

    def worker_of(self, key: Key) -> Worker | None:
        """The worker that is, or until the version is prepared again stands for, the wanted one."""
        preparation = self.preparations.get(key)
        if isinstance(preparation, Prepared):
            return self.workers.get(preparation.worker)
        return next((each for each in self.workers.values() if (each.model, each.version) == key), None)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the user asked for, read against the registry. ``models`` holds every model the entities name."""

    spec: EndpointSpec
    generation: int
    deleting: bool
    models: Mapping[str, Model]
