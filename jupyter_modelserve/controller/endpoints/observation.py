"""Sees what runs of one endpoint: replicas from the engine, workers from their parents.

What cannot be seen now is kept as it was last seen, unless the engine says that its replica is gone: unknown is not
gone (architecture §5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_modelserve.controller.endpoints.view import CRASH_LOOP, GONE, Worker, place
from jupyter_modelserve.controller.engines.base import Engine, EngineError, EngineUnavailable, ObservedReplica
from jupyter_modelserve.controller.replicas import ReplicaClient, ReplicaStatus, WorkerStatus
from jupyter_modelserve.types import Cause, Failure, ReplicaState, VersionState

WATCH_WAIT = 30.0
"""Seconds for which a parent is asked to say nothing when nothing changes."""
WATCH_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. ``known`` is false when the engine could not be asked at all."""

    known: bool
    replicas: dict[str, ObservedReplica] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)

    @property
    def away(self) -> frozenset[str]:
        """Replicas whose engine does not answer."""
        return frozenset(each.id for each in self.replicas.values() if each.remembered)


class Observer:
    """Looks at one endpoint's replicas; keeps a connection to each parent."""

    def __init__(
        self, endpoint: str, engine: Engine, connect: Callable[[str, str], ReplicaClient] = ReplicaClient
    ) -> None:
        self._endpoint = endpoint
        self._engine = engine
        self._connect = connect
        self._clients: dict[tuple[str, str], ReplicaClient] = {}
        self._last = Sight(known=False)
        self._heard: Callable[[], None] | None = None
        self._watches: dict[tuple[str, str], asyncio.Task[None]] = {}

    def watch(self, heard: Callable[[], None]) -> None:
        """From now on call *heard* as soon as a parent says that something changed, or does not answer any more."""
        self._heard = heard

    def hears(self, sight: Sight) -> bool:
        """Whether every change of the replicas in *sight* will be heard of."""
        return bool(sight.replicas) and all(
            (each.control, each.key) in self._watches and each.state is ReplicaState.READY
            for each in sight.replicas.values()
        )

    async def look(self) -> Sight:
        """Everything of the endpoint, as far as it can be seen."""
        try:
            seen = await self._engine.observe()
        except EngineUnavailable:
            self._last = Sight(False, self._last.replicas, self._last.workers)
            return self._last
        replicas = {each.id: each for each in seen if each.endpoint == self._endpoint}
        workers: dict[str, Worker] = {}
        for replica in replicas.values():
            workers |= await self._workers(replica)
        await self._forget(replicas)
        # Who has never been heard of says nothing about what runs: an engine away, a parent that does not answer.
        silent = [each.id for each in replicas.values() if each.state is ReplicaState.UNKNOWN]
        known = all(any(worker.replica == each for worker in workers.values()) for each in silent)
        self._last = Sight(known, replicas, workers)
        return self._last

    def client(self, replica: str) -> ReplicaClient:
        """The connection to a replica's parent.

        Raises:
            EngineUnavailable: it was not seen, or has no address yet.
        """
        found = self._last.replicas.get(replica)
        if found is None or not found.control:
            raise EngineUnavailable(f"replica {replica} has no address")
        key = (found.control, found.key)
        if key not in self._clients:
            self._clients[key] = self._connect(*key)
        return self._clients[key]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._forget({})

    async def _workers(self, replica: ObservedReplica) -> dict[str, Worker]:
        if replica.state in GONE:
            return {}
        before = {name: each for name, each in self._last.workers.items() if each.replica == replica.id}
        if replica.state is not ReplicaState.READY or not replica.control:
            return before
        key = (replica.control, replica.key)
        if key not in self._clients:
            self._clients[key] = self._connect(*key)
        try:
            status = await self._clients[key].status()
        except EngineUnavailable:
            return before
        if self._heard is not None and key not in self._watches:
            self._watches[key] = asyncio.create_task(self._listen(self._clients[key], status.revision, self._heard))
        return read(replica, status)

    async def _listen(self, client: ReplicaClient, revision: int, heard: Callable[[], None]) -> None:
        while True:
            try:
                found = (await client.changed(revision, WATCH_WAIT)).revision
            except EngineError:
                # Whether it is gone is the engine's word; the next look hears it.
                heard()
                await asyncio.sleep(WATCH_PAUSE)
                continue
            if found != revision:
                revision = found
                heard()

    async def _forget(self, replicas: dict[str, ObservedReplica]) -> None:
        kept = {(each.control, each.key) for each in replicas.values()}
        for key in [key for key in self._watches if key not in kept]:
            self._watches.pop(key).cancel()
        for key in [key for key in self._clients if key not in kept]:
            await self._clients.pop(key).close()


def _looping(worker: WorkerStatus) -> Failure | None:
    """The cause shown while a version dies again and again."""
    if worker.crashes < CRASH_LOOP or worker.state is VersionState.READY:
        return None
    message = f"its process ended {worker.crashes} times in a row: {worker.last_exit}"
    return Failure(Cause.CRASHED, message, "read its log; it is started again with growing pauses")


def read(replica: ObservedReplica, status: ReplicaStatus) -> dict[str, Worker]:
    """Workers of a replica as the planner sees them."""
    return {
        place(replica.id, name): Worker(
            id=place(replica.id, name),
            replica=replica.id,
            model=each.model,
            version=each.version,
            state=each.state,
            address=each.address,
            key=replica.key,
            verdict=each.verdict,
            failure=each.failure or _looping(each),
            restarts=each.restarts,
            crashes=each.crashes,
            last_exit=each.last_exit,
            in_flight=each.in_flight,
            phases=each.phases,
            lanes=each.lanes,
            large=each.large,
            batches=each.batches,
        )
        for name, each in status.workers.items()
    }
