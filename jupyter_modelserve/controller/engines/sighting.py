"""From what lies on disk and in the process table to a replica's state: the judgement of the process engine.

Kept apart from the engine because every combination matters (alive or not, answering or not, ours or not) and each
is one line of a table here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_modelserve.controller.engines.base import EngineError, EngineUnavailable, ObservedReplica
from jupyter_modelserve.controller.engines.identity import Identity
from jupyter_modelserve.controller.engines.records import Record
from jupyter_modelserve.controller.replicas import NotOurs, ReplicaClient, ReplicaStatus, Silent
from jupyter_modelserve.types import ReplicaState

LOOK_DEADLINE = 2.0
"""Seconds after which a silent control socket is UNKNOWN."""
STARTING_BUDGET = 60.0
"""Seconds that a parent may take until its control socket answers for the first time; it imports nothing heavy."""
_LISTEN_BUDGET = 5.0
"""Seconds since the start in which a bound socket that refuses is still about to listen."""
_UNBORN_BUDGET = 10.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one replica directory and the process table say.

    ``alive``: exactly that process lives. ``underway``: what this engine is doing with the replica at the moment, in
    which case files may be half there.
    """

    id: str
    directory: Path
    record: Record | None
    process: Identity | None
    alive: bool
    exit_code: int | None
    underway: ReplicaState | None = None

    @property
    def unborn(self) -> bool:
        """Started a moment ago by an engine that died before it wrote down the process; the parent will do it."""
        return self.record is not None and self.process is None and 0 <= _age(self.record) < _UNBORN_BUDGET


async def look(found: Sighting) -> ObservedReplica:
    """The state of one replica; asks its socket when the process lives. Never raises an engine's error."""
    if found.underway is not None:
        return _observed(found, found.underway, "")
    if found.record is None:
        return _observed(found, ReplicaState.FAILED, "its replica.json is missing or damaged")
    if found.unborn:
        return _observed(found, ReplicaState.STARTING, "its process is not known yet")
    if not found.alive:
        return _ended(found)
    try:
        async with ReplicaClient(found.record.control, found.record.key, deadline=LOOK_DEADLINE) as client:
            status = await client.status()
    except Silent:
        return _silent(found)
    except NotOurs as error:
        return _observed(found, ReplicaState.UNKNOWN, str(error))
    except EngineUnavailable as error:
        return _observed(found, ReplicaState.UNKNOWN, str(error))
    except EngineError as error:
        return _observed(found, ReplicaState.NOT_READY, str(error))
    return _answered(found, status)


def _answered(found: Sighting, status: ReplicaStatus) -> ObservedReplica:
    assert found.record is not None
    assert found.process is not None
    if (status.replica_id, status.nonce, status.pid) != (found.id, found.record.nonce, found.process.pid):
        return _observed(found, ReplicaState.UNKNOWN, "another process answers at the replica's address")
    return _observed(found, ReplicaState.READY, "", started_at=status.started_at)


def _silent(found: Sighting) -> ObservedReplica:
    assert found.record is not None
    bound = (Path(found.record.sockets) / "control.sock").exists()
    if 0 <= _age(found.record) < (_LISTEN_BUDGET if bound else STARTING_BUDGET):
        return _observed(found, ReplicaState.STARTING, "its control socket does not answer yet")
    return _observed(found, ReplicaState.NOT_READY, "the process lives, but nothing listens at its control socket")


def _age(record: Record) -> float:
    return time.time() - record.created_at


def _ended(found: Sighting) -> ObservedReplica:
    code = found.exit_code
    if code == 0:
        return _observed(found, ReplicaState.STOPPED, "ended")
    if code is None:
        return _observed(found, ReplicaState.FAILED, "the process is gone; how it ended was not seen")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return _observed(found, ReplicaState.FAILED, f"the process ended by {how}{_last_words(found.directory)}")


def _last_words(directory: Path) -> str:
    try:
        lines = (directory / "parent.log").read_text(encoding="utf-8", errors="replace")[-4096:].split("\n")
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:300]}" if last else ""


def _observed(found: Sighting, state: ReplicaState, reason: str, started_at: float = 0.0) -> ObservedReplica:
    record = found.record
    return ObservedReplica(
        id=found.id,
        endpoint=record.endpoint if record else "",
        environment_key=record.environment_key if record else "",
        state=state,
        spec_hash=record.spec_hash if record else "",
        control=record.control if record else "",
        key=record.key if record else "",
        nonce=record.nonce if record else "",
        pid=found.process.pid if found.process and found.alive else None,
        started_at=started_at or (record.created_at if record else 0.0),
        exit_code=None if found.alive else found.exit_code,
        reason=reason,
    )
