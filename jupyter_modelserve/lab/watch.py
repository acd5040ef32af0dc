"""Follows what is served and tells the browser to look again, so that a panel is in step without asking all the time.

It sends hints only: names and a number, never state. They may get lost (the event stream has no replay), so the panel
still looks by itself now and then; and nobody here acts on an event that comes in, because any client may send one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from jupyter_modelserve.errors import ModelServeError

SCHEMA_ID: Final = "urn:jupyter-modelserve:endpoint-changed:v1"
LOOK_SECONDS: Final = 2.0
INTEREST_SECONDS: Final = 150.0
"""Longer than the panel's slowest own look (60 s), so that an open panel keeps the hints coming."""
INSTANCE: Final = ""
"""In place of an endpoint's name: the instance itself started or ended."""


class Watched(Protocol):
    """The part of the service that is followed."""

    @property
    def idle_seconds(self) -> float:
        """Seconds since somebody asked last."""

    async def status(self) -> dict[str, Any]:
        """``{"running", "instance", "endpoints"}``."""


class Watcher:
    """Looks every two seconds while somebody is interested; emits one hint for each endpoint that differs.

    Args:
        service: what is followed.
        emit: called with ``{"endpoint", "revision"}``.
        sleep: waits (replaced in tests).
        also: told every status that was seen.
    """

    def __init__(
        self,
        service: Watched,
        emit: Callable[[dict[str, Any]], object],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        also: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None,
    ) -> None:
        self._service = service
        self._emit = emit
        self._sleep = sleep
        self._also = also
        self._seen: dict[str, str] | None = None
        self._revision = 0

    async def run(self) -> None:
        """Go on until cancelled; a look that fails is a look that tells nothing."""
        while True:
            if self._service.idle_seconds < INTEREST_SECONDS:
                await self.look()
            await self._sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once and hint at what differs from the look before; the first one only remembers."""
        try:
            status = await self._service.status()
        except (ModelServeError, OSError):
            return
        if self._also is not None:
            await self._also(status)
        now = fingerprints(status)
        before, self._seen = self._seen, now
        if before is None:
            return
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                self._revision += 1
                self._emit({"endpoint": name, "revision": self._revision})


def fingerprints(status: Mapping[str, Any]) -> dict[str, str]:
    """Every endpoint's name with its state as one text; the instance itself goes by the empty name.

    The instance counts by what it is, whether its parts run and which change of the registry is the newest.
    """
    found = {each["spec"]["name"]: json.dumps(each, sort_keys=True) for each in status["endpoints"]}
    instance = status["instance"] or {}
    parts = {name: (instance.get(name) or {}).get("state") for name in ("gateway", "controller", "mlflow")}
    found[INSTANCE] = json.dumps(
        [
            status["running"],
            instance.get("instance_id"),
            parts,
            instance.get("registry"),
            instance.get("notebook_runs"),
        ],
        sort_keys=True,
    )
    return found
