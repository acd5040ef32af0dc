"""What the engine tells by itself: hints to look now, never data.

A lost event costs nothing, because the controller looks again in any case; so a broken stream is simply opened again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

from jupyter_modelserve.controller.engines.base import EngineError
from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.docker.client import DockerClient

_KINDS: Final = ("start", "die", "oom", "pause", "unpause", "destroy")
_PAUSE: Final = 2.0


class Events:
    """Listens in a thread of its own from the first :meth:`wait` on."""

    def __init__(self, client: DockerClient, instance_id: str) -> None:
        self._client = client
        self._filters = {"type": "container", "event": list(_KINDS), "label": f"{labels.INSTANCE}={instance_id}"}
        self._happened = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._stream: Any = None

    async def wait(self) -> None:
        """Return when something happened since the last time, also when the engine came back."""
        if self._thread is None:
            loop = asyncio.get_running_loop()

            def tell() -> None:
                if not self._ended.is_set():
                    loop.call_soon_threadsafe(self._happened.set)

            self._thread = threading.Thread(target=self._listen, args=(tell,), name="docker-events", daemon=True)
            self._thread.start()
        await self._happened.wait()
        self._happened.clear()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._stream is not None:
            self._stream.close()

    def _listen(self, tell: Callable[[], None]) -> None:
        def follow(api: Any) -> None:
            self._stream = api.events(filters=self._filters)
            tell()
            for _ in self._stream:
                tell()

        while not self._ended.is_set():
            try:
                self._client.blocking(follow)
            except (EngineError, RuntimeError):
                # RuntimeError: the loop has ended before us.
                self._stream = None
            self._ended.wait(_PAUSE)
