"""Several engines behind the one seam: each replica belongs to one of them, and what is away hurts only its own.

The reconciler keeps asking one engine. Which of them a new replica goes to is said by its specification (an image means
containers); where an existing one is, is what was seen or written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from jupyter_modelserve.controller.engines.base import (
    Capabilities,
    Engine,
    EngineUnavailable,
    ObservedReplica,
    ReplicaSpec,
)

PROCESS: Final = "process"
DOCKER: Final = "docker"


@runtime_checkable
class Remembering(Protocol):
    """An engine that can say something about its replicas while it cannot be asked."""

    async def recall(self) -> tuple[ObservedReplica, ...]:
        """What is known without the engine; UNKNOWN where nothing is."""
        ...


class Engines:
    """The engines of an instance by name, as one.

    Args:
        engines: by name; the first is the one that the capabilities of the whole are those of.
    """

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = dict(engines)
        self._where: dict[str, str] = {}

    @property
    def capabilities(self) -> Capabilities:
        """Those of the first engine."""
        return next(iter(self._engines.values())).capabilities

    def engine(self, name: str) -> Engine:
        """One engine by its name."""
        return self._engines[name]

    async def ensure(self, spec: ReplicaSpec) -> None:
        """Have the replica running on the engine that its specification means."""
        name = DOCKER if spec.image else PROCESS
        self._where[spec.id] = name
        await self._engines[name].ensure(spec)

    async def observe(self) -> tuple[ObservedReplica, ...]:
        """What all engines see. Of one that is away, what it remembers; its replicas are then READY or UNKNOWN.

        Raises:
            EngineUnavailable: an engine is away and remembers nothing.
        """
        seen = await asyncio.gather(*(self._observe(name) for name in self._engines))
        return tuple(each for replicas in seen for each in replicas)

    async def _observe(self, name: str) -> tuple[ObservedReplica, ...]:
        engine = self._engines[name]
        try:
            found = await engine.observe()
        except EngineUnavailable:
            if not isinstance(engine, Remembering):
                raise
            found = tuple(replace(each, remembered=True) for each in await engine.recall())
        for each in found:
            self._where[each.id] = name
        return found

    async def stop(self, replica: str, grace: float) -> None:
        """End the replica on its engine."""
        await self._of(replica).stop(replica, grace)
        self._where.pop(replica, None)

    async def push(self, replica: str, worker: str, directory: Path, digest: str) -> str:
        """Bring files to the replica on its engine."""
        return await self._of(replica).push(replica, worker, directory, digest)

    async def discard(self, replica: str, worker: str) -> None:
        """Remove pushed files from the replica on its engine."""
        await self._of(replica).discard(replica, worker)

    def logs(self, replica: str, tail: int) -> AsyncIterator[str]:
        """The replica's own log from its engine."""
        return self._of(replica).logs(replica, tail)

    async def changed(self) -> None:
        """Return when any engine hints that something happened."""
        tasks = [asyncio.ensure_future(each.changed()) for each in self._engines.values()]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def close(self) -> None:
        """Let go of all."""
        await asyncio.gather(*(each.close() for each in self._engines.values()))

    def _of(self, replica: str) -> Engine:
        return self._engines[self._where.get(replica, next(iter(self._engines)))]
