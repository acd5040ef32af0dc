"""One piece of work for everybody who needs it at the same time, ended when the last of them has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass
class _Work(Generic[T]):
    task: asyncio.Task[T]
    listeners: list[Tell] = field(default_factory=list)


class Shared(Generic[T]):
    """Work under way, by key."""

    def __init__(self) -> None:
        self._work: dict[str, _Work[T]] = {}

    async def run(self, key: str, start: Callable[[Tell], Awaitable[T]], listener: Tell) -> T:
        """Result of the work called *key*; begun by *start* when nobody has. *listener* hears what it tells."""
        work = self._work.get(key)
        if work is None:
            work = self._work[key] = self._begin(key, start)
        work.listeners.append(listener)
        try:
            return await asyncio.shield(work.task)
        except asyncio.CancelledError:
            if len(work.listeners) == 1 and not work.task.done():
                self._forget(key, work)
                work.task.cancel()
                await asyncio.gather(work.task, return_exceptions=True)
            raise
        finally:
            work.listeners.remove(listener)

    async def close(self) -> None:
        """End everything."""
        tasks = [each.task for each in self._work.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: str, start: Callable[[Tell], Awaitable[T]]) -> _Work[T]:
        listeners: list[Tell] = []

        def tell(line: str) -> None:
            for each in tuple(listeners):
                each(line)

        async def begin() -> T:
            return await start(tell)

        work = _Work(asyncio.create_task(begin()), listeners)
        work.task.add_done_callback(lambda _: self._forget(key, work))
        return work

    def _forget(self, key: str, work: _Work[T]) -> None:
        if self._work.get(key) is work:
            del self._work[key]
