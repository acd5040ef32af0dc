"""What the handlers do, free of tornado: find the instance, ask it, start it.

``connect`` and ``launch`` are the two seams to the daemons; everything heavy behind them is imported on first use and
off the event loop, because one slow import would stop every kernel message of the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Protocol, cast

from jupyter_modelserve.errors import ModelServeError, NotRunning, Unavailable
from jupyter_modelserve.types import Endpoint, InstanceStatus, to_json

STOPPED: dict[str, Any] = {"running": False, "instance": None, "endpoints": []}
"""The answer while no instance runs: not an error, for the panel then offers to start one."""


class InstanceClient(Protocol):
    """The part of :class:`jupyter_modelserve.client.AsyncClient` that the panel needs."""

    async def status(self) -> InstanceStatus:
        """Both daemons as one thing."""

    async def endpoints(self) -> list[Endpoint]:
        """Everything that is served."""

    async def close(self) -> None:
        """Give the connections back."""


async def connect_to_instance() -> InstanceClient:
    """Connect to the running instance.

    Raises:
        NotRunning: no instance runs.
    """
    client = await asyncio.to_thread(import_module, "jupyter_modelserve.client")
    return cast(InstanceClient, await client.AsyncClient.discover(start=False))


def launch_instance() -> None:
    """Start the daemons and wait until they answer; blocks for seconds."""
    import_module("jupyter_modelserve.launcher").ensure()


class Service:
    """Answers for one Jupyter server; keeps one connection to the instance and renews it when the instance is new."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[InstanceClient]] = connect_to_instance,
        launch: Callable[[], object] = launch_instance,
    ) -> None:
        self._connect = connect
        self._launch = launch
        self._client: InstanceClient | None = None
        self._connecting = asyncio.Lock()
        self._starting = asyncio.Lock()

    async def status(self) -> dict[str, Any]:
        """What runs: ``{"running", "instance", "endpoints"}`` in plain JSON."""
        try:
            instance, endpoints = await self._ask()
        except NotRunning:
            await self.close()
            return dict(STOPPED)
        return {"running": True, "instance": to_json(instance), "endpoints": to_json(endpoints)}

    async def endpoints(self) -> list[Any]:
        """Everything that is served, in plain JSON; nothing while no instance runs."""
        return cast(list[Any], (await self.status())["endpoints"])

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
