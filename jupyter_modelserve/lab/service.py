"""What the handlers do, free of tornado: find the instance, ask it, start it.

``connect`` and ``launch`` are the two seams to the daemons; everything heavy behind them is imported on first use and
off the event loop, because one slow import would stop every kernel message of the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Protocol, cast

from jupyter_modelserve.errors import ModelServeError, NotRunning, Unavailable
from jupyter_modelserve.lab.healing import HEAL_SECONDS, PAUSE_SECONDS, is_alive
from jupyter_modelserve.lab.upstream import find_running
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.traced import NotebookRun
from jupyter_modelserve.types import Endpoint, InstanceStatus, to_json

STOPPED: dict[str, Any] = {"running": False, "instance": None, "endpoints": []}
"""The answer while no instance runs: not an error, for the panel then offers to start one."""


class InstanceClient(Protocol):
    """The part of :class:`jupyter_modelserve.client.AsyncClient` that the panel needs."""

    async def status(self) -> InstanceStatus:
        """Both daemons as one thing."""

    async def endpoints(self) -> list[Endpoint]:
        """Everything that is served."""

    async def notebook_runs(self, after: int = 0, limit: int = 50) -> list[NotebookRun]:
        """Runs of notebooks that changed behind a number, the newest change first."""

    async def close(self) -> None:
        """Give the connections back."""


async def connect_to_instance() -> InstanceClient:
    """Connect to the running instance.

    Raises:
        NotRunning: no instance runs.
    """
    address = await asyncio.to_thread(find_running)
    client = await asyncio.to_thread(import_module, "jupyter_modelserve.client.aio")
    return cast(InstanceClient, client.AsyncClient(address))


def launch_instance() -> None:
    """Start the daemons and wait until they answer; blocks for seconds."""
    import_module("jupyter_modelserve.launcher").ensure()


def may_come_back() -> bool:
    """Whether the local instance heals by itself."""
    return is_alive(Paths.default())


class Service:
    """Answers for one Jupyter server; keeps one connection to the instance and renews it when the instance is new."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[InstanceClient]] = connect_to_instance,
        launch: Callable[[], object] = launch_instance,
        alive: Callable[[], bool] = may_come_back,
    ) -> None:
        self._connect = connect
        self._launch = launch
        self._alive = alive
        self._client: InstanceClient | None = None
        self._connecting = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._asked_at = float("-inf")

    def touch(self) -> None:
        """Note that somebody wants to know what is served."""
        self._asked_at = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since somebody asked last."""
        return time.monotonic() - self._asked_at

    async def status(self) -> dict[str, Any]:
        """What runs: ``{"running", "instance", "endpoints"}`` in plain JSON.

        While one daemon restarts the other, the answer waits: an instance that heals is not a stopped one.
        """
        give_up_at = time.monotonic() + HEAL_SECONDS
        while True:
            try:
                instance, endpoints = await self._ask()
                break
            except NotRunning:
                await self.close()
                if time.monotonic() > give_up_at or not self._alive():
                    return dict(STOPPED)
            await asyncio.sleep(PAUSE_SECONDS)
        return {"running": True, "instance": to_json(instance), "endpoints": to_json(endpoints)}

    async def start(self) -> dict[str, Any]:
        """Start the instance unless it runs; several callers at once start it once."""
        async with self._starting:
            current = await self.status()
            if not current["running"]:
                try:
                    await asyncio.to_thread(self._launch)
                except OSError as error:
                    raise Unavailable(f"Model serving could not be started: {error}") from error
                current = await self.status()
        if not current["running"]:
            raise Unavailable(
                "Model serving was started but does not answer yet.",
                details={"hint": "Run `jupyter-modelserve doctor` in a terminal to see why."},
            )
        return current

    async def notebook_runs(self, after: int) -> list[dict[str, Any]]:
        """Runs of notebooks that changed behind number *after*, the newest first; none while nothing runs."""
        client = self._client
        return [] if client is None else [to_json(each) for each in await client.notebook_runs(after)]

    async def close(self) -> None:
        """Forget the connection; the next call makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self) -> tuple[InstanceStatus, list[Endpoint]]:
        """Ask the instance; once more over a new connection, for it may have been restarted with another token."""
        known = self._client is not None
        try:
            return await self._ask_once()
        except ModelServeError:
            if not known:
                raise
        await self.close()
        return await self._ask_once()

    async def _ask_once(self) -> tuple[InstanceStatus, list[Endpoint]]:
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
            client = self._client
        instance, endpoints = await asyncio.gather(client.status(), client.endpoints())
        return instance, endpoints
