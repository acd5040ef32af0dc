"""The routes and token hashes the gateway works from, kept up to date by a long poll (architecture §4, §7).

The last good copy lies on disk, so that scoring goes on after a restart while the controller is away. A new snapshot
comes into force by one assignment; the next poll acknowledges it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Final

from jupyter_modelserve.errors import InvalidParameter, Unavailable
from jupyter_modelserve.gateway.upstream import ConnectFailed, ConnectionLost, call
from jupyter_modelserve.settings import Paths, write_private
from jupyter_modelserve.types import RouteTable, Snapshot, from_json

_WAIT: Final = 25
_MARGIN: Final = 10
_PAUSE: Final = 0.2
_LONG_PAUSE: Final = 1.0
_logger = logging.getLogger(__name__)


class Snapshots:
    """Holds the snapshot in force.

    Args:
        instance_id: snapshots of another instance are refused.
        adopt: called with each new route table, right after it came into force.
    """

    def __init__(self, paths: Paths, instance_id: str, adopt: Callable[[RouteTable], None]) -> None:
        self._paths = paths
        self._instance_id = instance_id
        self._adopt = adopt
        self._arrived = asyncio.Event()
        self.current: Snapshot | None = None
        self.answering = False

    @property
    def number(self) -> int:
        """Number of the table in force; -1 when there is none."""
        return -1 if self.current is None else self.current.routes.number

    def table(self) -> RouteTable:
        """The table in force (an empty one before the first)."""
        return RouteTable(-1) if self.current is None else self.current.routes

    async def ready(self, seconds: float) -> Snapshot:
        """The snapshot in force; waits for the first one.

        Raises:
            Unavailable: none came within *seconds*.
        """
        if self.current is None:
            try:
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            except TimeoutError as error:
                message = "the instance is still starting; see: jupyter modelserve status"
                raise Unavailable(message, retry_after_s=5) from error
        assert self.current is not None
        return self.current

    def load(self) -> None:
        """Take the last good copy from disk when there is one."""
        try:
            text = self._paths.routes_file.read_text(encoding="utf-8")
        except OSError:
            return
        try:
            self._swap(self._parse(text))
        except (InvalidParameter, ValueError) as error:
            _logger.warning("the stored routes are not usable and are left aside: %s", error)

    async def run(self) -> None:
        """Poll for ever.

        After a failure the controller may be a new process that counts anew, so the next poll asks for whatever it
        has (``after=-1``) instead of something newer than ours.
        """
        after = -1
        while True:
            try:
                new = await self._poll(after)
            except (ConnectFailed, ConnectionLost, TimeoutError):
                self.answering, after = False, -1
                await asyncio.sleep(_PAUSE)
            except (InvalidParameter, ValueError) as error:
                self.answering, after = False, -1
                _logger.warning("the controller sent routes that cannot be used: %s", error)
                await asyncio.sleep(_LONG_PAUSE)
            else:
                self.answering = True
                if new is not None:
                    after = new.routes.number

    async def _poll(self, after: int) -> Snapshot | None:
        target = f"/internal/snapshot?after={after}&wait={_WAIT}"
        status, body = await call(str(self._paths.controller_socket), "GET", target, seconds=_WAIT + _MARGIN)
        if status == 204:
            return None
        if status != 200:
            raise InvalidParameter(f"it answered {status}")
        text = body.decode("utf-8")
        snapshot = self._parse(text)
        self._swap(snapshot)
        try:
            await asyncio.to_thread(write_private, self._paths.routes_file, text)
        except OSError as error:
            _logger.warning("the routes could not be stored: %s", error)
        return snapshot

    def _parse(self, text: str) -> Snapshot:
        snapshot = from_json(Snapshot, json.loads(text))
        if snapshot.instance_id != self._instance_id:
            raise InvalidParameter("they belong to another instance")
        return snapshot

    def _swap(self, snapshot: Snapshot) -> None:
        self.current = snapshot
        self._adopt(snapshot.routes)
        self._arrived.set()
