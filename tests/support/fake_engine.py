"""An engine in memory that passes the same contract suite as the real ones, with knobs for what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from jupyter_modelserve.controller.digests import digest as digest_of
from jupyter_modelserve.controller.engines.base import (
    Capabilities,
    EngineConflict,
    EngineError,
    EngineRejected,
    ObservedReplica,
    ReplicaSpec,
)
from jupyter_modelserve.controller.engines.pushing import check_name
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import ReplicaState


@dataclass
class FakeEngine:
    """Replicas are entries of a dictionary; ``failures`` makes the next call of an operation raise.

    ``initial`` is the state right after ``ensure``; :meth:`become` and :meth:`crash` change it later.
    """

    initial: ReplicaState = ReplicaState.READY
    replicas: dict[str, ObservedReplica] = field(default_factory=dict)
    pushed: dict[tuple[str, str], str] = field(default_factory=dict)
    printed: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, EngineError] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    starts: int = 0
    closed: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(name="fake", isolation="None: nothing runs at all.", shared_files=True)

    async def ensure(self, spec: ReplicaSpec) -> None:
        self._called("ensure", spec.id)
        check_name("replica", spec.id)
        found = self.replicas.get(spec.id)
        alive = found is not None and found.state not in {ReplicaState.FAILED, ReplicaState.STOPPED}
        if found is not None and alive:
            if found.spec_hash != spec.spec_hash:
                raise EngineConflict(f"replica {spec.id} runs with another specification")
            return
        if not Path(spec.interpreter).is_file():
            raise EngineRejected(f"interpreter {spec.interpreter} does not exist")
        self.starts += 1
        self.replicas[spec.id] = ObservedReplica(
            id=spec.id,
            endpoint=spec.endpoint,
            environment_key=spec.environment_key,
            state=self.initial,
            spec_hash=spec.spec_hash,
            control=f"unix:/fake/{spec.id}/control.sock",
            key=f"key-{spec.id}-{self.starts}",
            nonce=f"nonce-{self.starts}",
            pid=1_000_000 + self.starts,
            started_at=float(self.starts),
        )

    async def observe(self) -> tuple[ObservedReplica, ...]:
        self._called("observe", "")
        return tuple(self.replicas.values())

    async def stop(self, replica: str, grace: float) -> None:
        self._called("stop", replica)
        check_name("replica", replica)
        self.replicas.pop(replica, None)
        self.pushed = {key: value for key, value in self.pushed.items() if key[0] != replica}

    async def push(self, replica: str, worker: str, directory: Path, digest: str) -> str:
        self._called("push", replica)
        check_name("replica", replica)
        check_name("worker", worker)
        if replica not in self.replicas:
            raise EngineConflict(f"replica {replica} does not exist")
        try:
            digest_of(directory)
        except InvalidParameter as error:
            raise EngineRejected(error.message) from None
        self.pushed[replica, worker] = digest
        return str(directory)

    async def discard(self, replica: str, worker: str) -> None:
        self._called("discard", replica)
        self.pushed.pop((replica, worker), None)

    async def logs(self, replica: str, tail: int) -> AsyncIterator[str]:
        for line in self.printed.get(replica, [])[-tail:]:
            yield line

    async def changed(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True

    # ---------------------------------------------------------------------------------------------- knobs
    def become(self, replica: str, state: ReplicaState, *, reason: str = "") -> None:
        """Put a replica into *state*."""
        self.replicas[replica] = replace(self.replicas[replica], state=state, reason=reason)

    def crash(self, replica: str, code: int = -9) -> None:
        """End a replica with an exit code; it stays visible until it is retired."""
        found = self.replicas[replica]
        self.replicas[replica] = replace(found, state=ReplicaState.FAILED, pid=None, exit_code=code, reason="crashed")

    def _called(self, operation: str, replica: str) -> None:
        self.calls.append((operation, replica))
        failure = self.failures.pop(operation, None)
        if failure is not None:
            raise failure
