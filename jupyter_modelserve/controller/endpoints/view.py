"""What the pure parts decide on: one immutable picture of what is wanted and what is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from jupyter_modelserve.controller.engines.base import Compute
from jupyter_modelserve.controller.store.secrets import Secret
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

    ``worker`` names it inside each of ``replicas``. It is derived from content and settings: when either changes, it
    is another worker beside the old one. ``checked``: when the files were those of ``digest`` (``time.monotonic``).
    """

    worker: str
    replicas: tuple[str, ...]
    environment: Environment
    directory: str
    digest: str
    compute: Compute = field(default_factory=Compute)
    tags: tuple[tuple[str, str], ...] = ()
    checked: float = field(default=-math.inf, compare=False)

    @property
    def placements(self) -> tuple[str, ...]:
        """Ids of the workers that should run, one in each replica."""
        return tuple(place(replica, self.worker) for replica in self.replicas)


CRASH_LOOP = 3
"""Deaths in a row after which a version counts as failing."""


GONE = frozenset({ReplicaState.STOPPED, ReplicaState.FAILED})
"""States of a replica that runs no longer; only UNKNOWN says nothing."""


def name_of(key: Key) -> str:
    """How a version is called where texts are needed, as in ``Observed.not_before``."""
    return f"{key[0]}/{key[1]}"


def place(replica: str, worker: str) -> str:
    """Id of a worker: the same version has the same name in every replica, so the replica is part of it."""
    return f"{replica}.{worker}"


def loading(worker: str) -> str:
    """How the attempt to load a worker is called in ``Observed.not_before``; its own id means its next start."""
    return f"load {worker}"


@dataclass(frozen=True, slots=True)
class Worker:
    """A loaded version as its replica reports it. ``id`` is unique; the replica itself knows it as ``name``."""

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
    crashes: int = 0
    last_exit: str = ""
    in_flight: int = 0
    phases: tuple[Phase, ...] = ()
    lanes: int = 1
    large: bool = False
    batches: bool = False

    @property
    def name(self) -> str:
        """How its replica calls it."""
        return self.id.removeprefix(f"{self.replica}.")

    @property
    def ready(self) -> bool:
        """Whether it predicted and may get traffic."""
        return self.state is VersionState.READY

    @property
    def failing(self) -> bool:
        """Whether it cannot be counted on: it failed, or it is being started again after dying several times."""
        return self.state is VersionState.FAILED or (not self.ready and self.crashes >= CRASH_LOOP)


@dataclass(frozen=True, slots=True)
class Routed:
    """What the last published table says about this endpoint: workers by version, and what each name answers.

    ``previous`` is what a name answered before; ``refused`` the version that was taken back from a name because it
    failed after it had answered (automatic roll-back), and ``reasons`` why.
    """

    workers: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    labels: Mapping[Label, Key] = field(default_factory=dict)
    entities: Mapping[str, Key] = field(default_factory=dict)
    previous: Mapping[Label, Key] = field(default_factory=dict)
    refused: Mapping[Label, Key] = field(default_factory=dict)
    reasons: Mapping[Label, Failure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything the planner may look at. ``known`` is false while the engine cannot be asked.

    ``on_trial``: names that answer with another version since a moment ago; what they answered before is kept loaded.
    ``preparations`` have as many replicas as the load asks for: none for those ``asleep`` (scaled to zero). ``waking``
    are on their way back; for both the gateway holds requests. ``heirs`` are those of ``waking`` that never ran: they
    succeed a version at zero that is gone. ``floors``: replicas that are enough where the number follows the load.
    ``kept``: replicas that stay although nothing is loaded in them. ``away``: replicas whose engine does not answer.
    """

    known: bool = True
    preparations: Mapping[Key, Prepared | Failure] = field(default_factory=dict)
    preparing: frozenset[Key] = frozenset()
    replicas: Mapping[str, ReplicaState] = field(default_factory=dict)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    routed: Routed = field(default_factory=Routed)
    acknowledged: bool = True
    on_trial: frozenset[Label] = frozenset()
    not_before: Mapping[str, float] = field(default_factory=dict)
    asleep: frozenset[Key] = frozenset()
    waking: frozenset[Key] = frozenset()
    heirs: frozenset[Key] = frozenset()
    floors: Mapping[Key, int] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    away: frozenset[str] = frozenset()

    @property
    def dormant(self) -> frozenset[Key]:
        """Versions for which requests are held: at zero, or on their way back."""
        return self.asleep | self.waking

    def workers_of(self, key: Key) -> tuple[Worker, ...]:
        """The workers that are, or until the version is prepared again stand for, the wanted ones."""
        preparation = self.preparations.get(key)
        if isinstance(preparation, Prepared):
            return tuple(self.workers[each] for each in preparation.placements if each in self.workers)
        return tuple(each for each in self.workers.values() if (each.model, each.version) == key)

    def lost(self, key: Key) -> bool:
        """Whether all of a version's replicas are silent and their engine with them; most likely they are gone."""
        homes = {each.replica for each in self.workers_of(key)}
        silent = {each for each in self.away if self.replicas.get(each) is ReplicaState.UNKNOWN}
        return bool(homes) and homes <= silent

    def enough(self, key: Key) -> bool:
        """Whether more replicas come or go only because of the load."""
        if key not in self.floors or key in self.waking:
            return key in self.waking and key not in self.heirs
        ready = {each.id for each in self.workers_of(key) if each.ready}
        return len(ready.intersection(self.routed.workers.get(key, ()))) >= self.floors[key]

    def complete(self, key: Key) -> bool:
        """Whether nothing more is to come: every wanted worker is ready, or what is not ready has failed."""
        preparation = self.preparations.get(key)
        if not isinstance(preparation, Prepared):
            return False
        if key in self.asleep:
            return True
        workers = self.workers_of(key)
        settled = all(each.ready or each.failing for each in workers)
        return settled and len(workers) == len(preparation.replicas) and any(each.ready for each in workers)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the user asked for, read against the registry. ``models`` holds every model the entities name,
    ``secrets`` the values behind the names of the specification.
    """

    spec: EndpointSpec
    generation: int
    deleting: bool
    models: Mapping[str, Model]
    secrets: Mapping[str, Secret] = field(default_factory=dict)
