"""The processes of one loaded version, its lanes: their addresses, connections and health (internal-protocol, Lanes).

Lane 0 decides the version's state and is always there. The others are started by their first connection, which would
wait while the model loads: so the gateway wakes them beside its traffic and uses them once they have answered.
"""

from __future__ import annotations

import asyncio
import json
from typing import Final

from jupyter_modelserve.gateway.upstream import ConnectFailed, Connection, ConnectionLost, connect
from jupyter_modelserve.types import RouteTarget

LARGE: Final = 256 * 1024
"""Bytes of a body above which it goes to the lane for large ones (measured: it delays small ones by 20 ms, not 500)."""
MEDIUM: Final = 16 * 1024
"""Bytes of a body that is work enough for a process: sharing a batch saves it nothing, a second core halves it."""
_EJECTIONS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_WAKE_SECONDS: Final = 120.0
_WAKE_PAUSE: Final = 0.05


class Lane:
    """One process: where it listens, what it works on, and the kept connections to it."""

    __slots__ = (
        "_failures",
        "_waking",
        "address",
        "alone",
        "ejected_until",
        "head",
        "idle",
        "in_flight",
        "kept",
        "number",
    )

    def __init__(self, address: str, key: str, number: int | str, kept: int) -> None:
        self.address = address
        self.number = number
        self.kept = kept
        self.in_flight = 0
        self.alone = False
        self.ejected_until = 0.0
        self.idle: list[Connection] = []
        self.head = b"POST /invocations HTTP/1.1\r\nhost: worker\r\nx-modelserve-key: %b\r\n" % key.encode("ascii")
        self._failures = 0
        self._waking: asyncio.Task[None] | None = None

    @property
    def warm(self) -> bool:
        """Whether its process runs, as far as can be seen from here: it is lane 0, works, or keeps a connection."""
        return self.number == 0 or self.in_flight > 0 or self._live()

    def _live(self) -> bool:
        while self.idle and self.idle[-1].lost:
            self.idle.pop()
        return bool(self.idle)

    # ------------------------------------------------------------------------------------------------ connections
    def reuse(self) -> Connection | None:
        """A kept connection, the last used first."""
        if self._live():
            connection = self.idle.pop()
            connection.used = True
            return connection
        return None

    async def open(self) -> Connection:
        """A kept connection, or a new one.

        Raises:
            ConnectFailed: nobody listens there.
        """
        return self.reuse() or await connect(self.address)

    def put(self, connection: Connection) -> None:
        """Keep *connection* for the next request, or close it."""
        if connection.reusable and len(self.idle) < self.kept:
            self.idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Let go of everything."""
        if self._waking is not None:
            self._waking.cancel()
        self.kept = 0
        while self.idle:
            self.idle.pop().close()

    # ------------------------------------------------------------------------------------------------ health
    def fail(self, now: float) -> None:
        """Eject for 1, 2, 4 … 30 seconds: it could not be reached or lost a request."""
        if now < self.ejected_until:
            return
        self.ejected_until = now + _EJECTIONS[min(self._failures, len(_EJECTIONS) - 1)]
        self._failures += 1

    def succeed(self) -> None:
        """It answered: the next ejection is short again."""
        self._failures = 0
        self.ejected_until = 0.0

    def wake(self) -> None:
        """Have it started, and keep a connection once it is ready; returns at once."""
        if self._waking is None:
            self._waking = asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_WAKE_SECONDS):
                while not await self._ping():  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(_WAKE_PAUSE)
        except (ConnectFailed, ConnectionLost, TimeoutError):
            self.fail(loop.time())
        finally:
            self._waking = None

    async def _ping(self) -> bool:
        connection = await connect(self.address)
        try:
            connection.send([self.head.replace(b"POST /invocations", b"GET /ping", 1), b"\r\n"])
            await connection.head()
            body = b""
            while piece := await connection.read():
                body += piece
            ready = connection.status == 200 and json.loads(body)["ready"] is True
        except (ValueError, KeyError, TypeError):
            connection.close()
            raise ConnectionLost(True) from None
        except BaseException:
            connection.close()
            raise
        if ready:
            self.succeed()
            self.put(connection)
        else:
            connection.close()
        return ready


def lanes_of(target: RouteTarget) -> tuple[list[Lane], Lane | None]:
    """The ordinary lanes of a target and the one for large bodies."""
    bound = target.concurrency + target.queue
    stem = target.address.removesuffix(".sock")
    if stem == target.address:  # no unix socket of the usual name: there is one process
        return [Lane(target.address, target.key, 0, bound)], None
    lanes = [Lane(target.address, target.key, 0, bound)]
    lanes += [Lane(f"{stem}-{number}.sock", target.key, number, bound) for number in range(1, target.lanes)]
    return lanes, Lane(f"{stem}-large.sock", target.key, "large", bound) if target.large else None
