"""The seam between the controller and whatever runs replicas (architecture §6).

An engine knows only "keep these replicas of this ReplicaSpec". It never rolls, balances or decides. Errors are three:
:class:`EngineUnavailable` (the truth is unknown, nothing may be concluded), :class:`EngineRejected` (permanent, shown
to the user) and :class:`EngineConflict` (read again). One contract suite runs against every engine, the fake included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from jupyter_modelserve.types import ReplicaState


class EngineError(Exception):
    """Base of the three."""


class EngineUnavailable(EngineError):
    """The engine did not answer. Unknown is not gone: the caller must not stop or start anything because of it."""


class EngineRejected(EngineError):
    """The engine will never do this; the message is shown to the user."""


class EngineConflict(EngineError):
    """Somebody else changed the same thing; read again."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do. ``isolation`` is shown to the user."""

    name: str
    isolation: str
    multi_node: bool = False
    gpu: bool = False
    limits: bool = False
    shared_files: bool = False


@dataclass(frozen=True, slots=True)
class Compute:
    """What one replica may use: CPU ``cores`` and ``memory`` in bytes; 0 means no limit of ours."""

    cores: float = 0.0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """One replica: which endpoint and environment it belongs to and what it runs on.

    ``id`` is deterministic (:func:`replica_id`), so that "already exists" means adopt. ``interpreter`` is a path on
    this machine, or inside ``image`` for an engine that runs containers.
    """

    id: str
    endpoint: str
    environment_key: str
    interpreter: str
    labels: dict[str, str] = field(default_factory=dict)
    log_limit: int = 10 * 1024 * 1024
    image: str = ""
    compute: Compute = field(default_factory=Compute)

    @property
    def spec_hash(self) -> str:
        """Changes when a running replica no longer is what is asked for."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def replica_id(instance_id: str, endpoint: str, environment_key: str, ordinal: int = 0) -> str:
    """Deterministic name of 12 hexadecimal digits."""
    text = "\0".join((instance_id, endpoint, environment_key, str(ordinal)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class ObservedReplica:
    """What the engine sees. ``control`` is the address of the parent (``unix:PATH``), ``key`` what opens it.

    ``remembered``: the engine is away, and this is what can be known without it.
    """

    id: str
    endpoint: str
    environment_key: str
    state: ReplicaState
    spec_hash: str
    control: str = ""
    key: str = ""
    nonce: str = ""
    pid: int | None = None
    started_at: float = 0.0
    exit_code: int | None = None
    reason: str = ""
    remembered: bool = False


class Engine(Protocol):
    """What every engine offers. Every call has a deadline of its own and may be cancelled."""

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    async def ensure(self, spec: ReplicaSpec) -> None:
        """Create and start the replica if it is not there. Idempotent; a stopped one with the same id is replaced.

        Raises:
            EngineUnavailable, EngineRejected, EngineConflict
        """
        ...

    async def observe(self) -> tuple[ObservedReplica, ...]:
        """Every replica of this instance, dead ones that were not retired included.

        Raises:
            EngineUnavailable: nothing is known now.
        """
        ...

    async def stop(self, replica: str, grace: float) -> None:
        """End the replica (after *grace* seconds by force) and remove what belongs to it. Unknown id: nothing."""
        ...

    async def push(self, replica: str, worker: str, directory: Path, digest: str) -> str:
        """Bring model files to the replica; returns the directory as the replica sees it. Idempotent by *digest*."""
        ...

    async def discard(self, replica: str, worker: str) -> None:
        """Remove pushed files of a worker that is gone."""
        ...

    def logs(self, replica: str, tail: int) -> AsyncIterator[str]:
        """Last lines of the replica's own log (not of its versions)."""
        ...

    async def changed(self) -> None:
        """Return when something may have happened: a hint to look now. An engine without events never returns."""
        ...

    async def close(self) -> None:
        """Let go of sockets and threads; replicas keep running."""
        ...
