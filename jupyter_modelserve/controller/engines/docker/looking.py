"""From what the engine says about a container, and what answers on its socket, to a replica's state."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.controller.engines.base import EngineError, EngineUnavailable, ObservedReplica
from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.records import Record
from jupyter_modelserve.controller.engines.sighting import LOOK_DEADLINE, STARTING_BUDGET
from jupyter_modelserve.controller.replicas import NotOurs, ReplicaClient, ReplicaStatus, Silent
from jupyter_modelserve.types import ReplicaState

_LISTEN_BUDGET: Final = 5.0
_CREATED_BUDGET: Final = 60.0
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127
_KILLED: Final = 137
_TERMINATED: Final = 143


@dataclass(frozen=True, slots=True)
class Container:
    """One replica as the engine and the disk know it. ``found`` is what inspecting gave, empty when only the record is
    known; ``underway`` is what this engine is doing with the replica at the moment.
    """

    id: str
    found: dict[str, Any]
    record: Record | None
    sockets: Path
    underway: ReplicaState | None = None

    @property
    def control(self) -> str:
        """Address of the parent's control socket on this side of the mount."""
        return f"unix:{self.sockets}/control.sock"

    @property
    def state(self) -> dict[str, Any]:
        """The engine's own words about the state."""
        return self.found.get("State") or {}

    @property
    def running(self) -> bool:
        """Whether its processes exist (paused ones do)."""
        return bool(self.state.get("Running"))

    @property
    def spec_hash(self) -> str:
        """Of the specification that it was created from."""
        return str(((self.found.get("Config") or {}).get("Labels") or {}).get(labels.SPEC, ""))


async def look(container: Container) -> ObservedReplica:
    """The state of one container; asks its socket when it runs. Never raises an engine's error."""
    if container.underway is not None:
        return _observed(container, container.underway, "")
    match container.state.get("Status"):
        case "created":
            fresh = time.time() - _time(container.found.get("Created")) < _CREATED_BUDGET
            state = ReplicaState.CREATING if fresh else ReplicaState.FAILED
            return _observed(container, state, "the container was created and not started")
        case "paused":
            return _observed(container, ReplicaState.NOT_READY, "the container is paused")
        case "removing":
            return _observed(container, ReplicaState.DRAINING, "the container is being removed")
        case "exited" | "dead":
            return _ended(container)
    if container.record is None:
        return _observed(container, ReplicaState.FAILED, "its record on disk is missing or damaged")
    return await ask(container)


async def ask(container: Container) -> ObservedReplica:
    """Whether the right parent answers on the socket, whatever the engine says."""
    assert container.record is not None
    try:
        async with ReplicaClient(container.control, container.record.key, deadline=LOOK_DEADLINE) as client:
            status = await client.status()
    except Silent:
        return _silent(container)
    except (NotOurs, EngineUnavailable) as error:
        return _observed(container, ReplicaState.UNKNOWN, str(error))
    except EngineError as error:
        return _observed(container, ReplicaState.NOT_READY, str(error))
    return _answered(container, status)


def _answered(container: Container, status: ReplicaStatus) -> ObservedReplica:
    assert container.record is not None
    if (status.replica_id, status.nonce) != (container.id, container.record.nonce):
        return _observed(container, ReplicaState.UNKNOWN, "another process answers at the replica's address")
    return _observed(container, ReplicaState.READY, "")


def _silent(container: Container) -> ObservedReplica:
    assert container.record is not None
    if not container.found:
        return _observed(container, ReplicaState.UNKNOWN, "the Docker engine and the replica are silent")
    bound = (container.sockets / "control.sock").exists()
    age = time.time() - (_time(container.state.get("StartedAt")) or container.record.created_at)
    if age < (_LISTEN_BUDGET if bound else STARTING_BUDGET):
        return _observed(container, ReplicaState.STARTING, "its control socket does not answer yet")
    return _observed(container, ReplicaState.NOT_READY, "the container runs, but nothing listens at its control socket")


def _ended(container: Container) -> ObservedReplica:
    code = container.state.get("ExitCode")
    if container.state.get("OOMKilled") and code:
        memory = (container.found.get("HostConfig") or {}).get("Memory", 0) / 1024**3
        reason = f"out of memory: the container reached its limit of {memory:.3g} GiB"
        return _observed(container, ReplicaState.FAILED, reason)
    if code == 0:
        return _observed(container, ReplicaState.STOPPED, "ended")
    how = {
        _NOT_EXECUTABLE: "its user may not execute the image's interpreter (exit code 126)",
        _NOT_FOUND: "the image does not hold the interpreter (exit code 127)",
        _KILLED: "it was killed from outside (exit code 137)",
        _TERMINATED: "it was stopped from outside, as by a restart of the Docker engine (exit code 143)",
    }.get(code or 0, f"exit code {code}")
    detail = container.state.get("Error")
    return _observed(container, ReplicaState.FAILED, f"the container ended: {how}{f': {detail}' if detail else ''}")


def _observed(container: Container, state: ReplicaState, reason: str) -> ObservedReplica:
    record, ended = container.record, container.state.get("Status") in {"exited", "dead"}
    marks = (container.found.get("Config") or {}).get("Labels") or {}
    return ObservedReplica(
        id=container.id,
        endpoint=record.endpoint if record else str(marks.get(labels.ENDPOINT, "")),
        environment_key=record.environment_key if record else str(marks.get(labels.ENVIRONMENT, "")),
        state=state,
        spec_hash=container.spec_hash or (record.spec_hash if record else ""),
        control=container.control if record else "",
        key=record.key if record else "",
        nonce=record.nonce if record else "",
        pid=(container.state.get("Pid") or None) if container.running else None,
        started_at=_time(container.state.get("StartedAt")) or (record.created_at if record else 0.0),
        exit_code=container.state.get("ExitCode") if ended else None,
        reason=reason,
    )


def _time(text: str | None) -> float:
    """Seconds since 1970 of the engine's nanosecond text; 0 when there is none."""
    if not text or text.startswith("0001"):
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
