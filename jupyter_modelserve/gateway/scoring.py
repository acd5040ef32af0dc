"""The way of a scoring request: route, read, wait for a slot, send, and try elsewhere when a worker is lost.

A prediction may be repeated, so a request whose connection ended before any byte of the answer is sent once more;
one that could not be delivered at all is delivered elsewhere, or to the same worker for as long as it restarts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jupyter_modelserve.errors import BadGateway, DeadlineExceeded, Unavailable, UnsupportedMediaType
from jupyter_modelserve.gateway import routing
from jupyter_modelserve.gateway.balance import Lane, Lanes, Rerouted
from jupyter_modelserve.gateway.limits import BodyReader
from jupyter_modelserve.gateway.request import Headers, Request, header_value
from jupyter_modelserve.gateway.routing import Route, ScoringAddress
from jupyter_modelserve.gateway.upstream import ConnectFailed, Connection, ConnectionLost, Pool, connect
from jupyter_modelserve.types import RouteTable

_PASSED: Final = frozenset({b"content-type", b"x-modelserve-format", b"warning", b"retry-after"})
_PATIENCE: Final = 1.0
_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2
_DYING: Final = 0.05
_MISDIRECTED: Final = 421
_NOT_STARTED: Final = b"x-modelserve-not-started"
"""A worker that has not taken the request says so: nothing was computed, it may go elsewhere."""


class AnswerBroken(Exception):
    """The answer broke off after its head had been sent: the connection is closed, nothing else can be said."""


@dataclass(slots=True)
class _Trial:
    """What has been tried for one request."""

    tried: set[str]
    replayed: bool = False
    lost: bool = False
    give_up_at: float = 0.0
    pause: float = _PAUSE


class _Slot:
    """A lane's slot that is given back once, as early as possible."""

    __slots__ = ("_lane",)

    def __init__(self, lane: Lane) -> None:
        self._lane: Lane | None = lane

    def free(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.release()


class Scorer:
    """Carries scoring requests to workers.

    Args:
        table: gives the newest route table.
        body_limit: bytes a body may have.
        timeout: seconds for the whole request where the target names none (REQ-130).
        trouble: told the id of a worker that could not be reached or lost a request.
    """

    def __init__(
        self,
        table: Callable[[], RouteTable],
        body_limit: int,
        timeout: float,
        rng: random.Random | None = None,
        trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._table = table
        self._trouble = trouble
        self._timeout = timeout
        self._rng = rng or random.Random()  # noqa: S311 - splits traffic, guards nothing
        self.bodies = BodyReader(body_limit)
        self.lanes = Lanes(self._rng)
        self.pool = Pool()

    def adopt(self, table: RouteTable) -> None:
        """A new table is in force: forget what it does not name."""
        self.lanes.sync(table)
        self.pool.keep_only({each.address for each in table.targets.values()})

    async def handle(self, request: Request) -> None:
        """Answer one scoring request.

        Raises:
            ModelServeError: what the caller is told instead of a prediction.
            AnswerBroken: the worker died in the middle of its answer.
        """
        address = routing.parse(request.path, request.method)
        self.bodies.check(request)
        _check_encoding(request)
        table = self._table()
        route = routing.resolve(table, address, self._rng)
        _label(request, route)
        seconds = route.targets[0].timeout or self._timeout
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(seconds):
                pieces = await self.bodies.read(request)
                await self._deliver(request, address, table, route, pieces)
        except TimeoutError as error:
            if request.started:
                raise AnswerBroken from error
            raise self._too_late(request, seconds) from error
        finally:
            self.bodies.release(pieces)

    def _too_late(self, request: Request, seconds: float) -> DeadlineExceeded:
        who = f"version {request.version} of {request.model!r}"
        what = f"{who} did not answer" if request.body_done else "the body did not arrive completely"
        return DeadlineExceeded(f"{what} within {seconds:g} seconds", details={"timeout": seconds})

    async def _deliver(
        self, request: Request, address: ScoringAddress, table: RouteTable, route: Route, pieces: list[bytes]
    ) -> None:
        trial = _Trial(set())
        while True:
            newest = self._table()
            if newest is not table:
                table, route = newest, routing.resolve(newest, address, self._rng)
                _label(request, route)
            lane = self.lanes.pick(route.targets, asyncio.get_running_loop().time(), trial.tried)
            try:
                await lane.acquire()
            except Rerouted:
                continue
            if await self._attempt(request, route, lane, pieces, trial):
                return
            if trial.lost:
                trial.lost = False
                if all(each.id in trial.tried for each in route.targets):
                    # A process that is just dying accepts for some milliseconds more: the replay must not go there.
                    await asyncio.sleep(_DYING)

    async def _attempt(self, request: Request, route: Route, lane: Lane, pieces: list[bytes], trial: _Trial) -> bool:
        """One try on an acquired lane; whether the request is answered."""
        try:
            connection = await self._open(lane, trial)
        except ConnectFailed:
            lane.release()
            await self._undelivered(route, lane, trial)
            return False
        except BaseException:
            lane.release()
            raise
        slot = _Slot(lane)
        try:
            connection.send([_head(lane, request, pieces), *pieces])
            await connection.head()
            if connection.status != _MISDIRECTED and not any(name == _NOT_STARTED for name, _ in connection.headers):
                lane.succeed()
                await self._answer(request, route, connection, slot)
                return True
        except ConnectionLost as lost:
            if not connection.used:
                lane.fail(asyncio.get_running_loop().time())
            self._lost(request, lane, lost, trial)
            return False
        finally:
            slot.free()
            self.pool.put(lane.target.address, connection)
        await self._undelivered(route, lane, trial)
        return False

    async def _open(self, lane: Lane, trial: _Trial) -> Connection:
        address = lane.target.address
        return await (connect(address) if trial.replayed else self.pool.get(address))

    async def _answer(self, request: Request, route: Route, connection: Connection, slot: _Slot) -> None:
        headers = _headers(connection.headers, route)
        if connection.complete:
            slot.free()
            await request.reply(connection.status, headers, connection.take())
            return
        length = next((value for name, value in connection.headers if name == b"content-length"), None)
        if length is not None:
            headers.append((b"content-length", length))
        await request.start(connection.status, headers)
        while piece := await connection.read():
            await request.write(piece, more=True)
        slot.free()
        await request.write(b"")

    def _lost(self, request: Request, lane: Lane, lost: ConnectionLost, trial: _Trial) -> None:
        """Allow one replay when no byte of an answer came."""
        self._trouble(lane.target.id)
        if request.started:
            raise AnswerBroken from lost
        if lost.answered or trial.replayed:
            how = "broke off its answer" if lost.answered else "died twice while it worked on this request"
            message = f"the worker of version {request.version} of {request.model!r} {how}"
            raise BadGateway(message, retry_after_s=1) from lost
        trial.replayed = trial.lost = True
        trial.tried.add(lane.target.id)

    async def _undelivered(self, route: Route, lane: Lane, trial: _Trial) -> None:
        """Nothing was sent: go on with another target, or wait a moment for a restart."""
        now = asyncio.get_running_loop().time()
        self._trouble(lane.target.id)
        lane.fail(now)
        trial.tried.add(lane.target.id)
        if any(each.id not in trial.tried for each in route.targets):
            return
        trial.give_up_at = trial.give_up_at or now + _PATIENCE
        if now >= trial.give_up_at:
            raise Unavailable(
                f"version {route.version} of {route.model!r} cannot be reached; its worker is being restarted",
                retry_after_s=1,
            )
        trial.tried.clear()
        await asyncio.sleep(trial.pause)
        trial.pause = min(trial.pause * 2, _LONGEST_PAUSE)


def _head(lane: Lane, request: Request, pieces: list[bytes]) -> bytes:
    """The whole head is ours: nothing of the caller's but a checked id and content type."""
    kind = request.fields.get(b"content-type")
    return b"%b\r\nx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n" % (
        lane.head,
        request.id.encode("ascii"),
        b"content-type: %b\r\n" % kind if kind else b"",
        sum(map(len, pieces)),
    )


def _headers(found: Headers, route: Route) -> Headers:
    headers = [each for each in found if each[0] in _PASSED]
    headers.append((b"served-model-name", header_value(route.entity)))
    headers.append((b"x-modelserve-model", header_value(route.model)))
    headers.append((b"x-modelserve-version", route.version.encode("ascii")))
    return headers


def _label(request: Request, route: Route) -> None:
    request.endpoint, request.model, request.version = route.endpoint, route.model, route.version


def _check_encoding(request: Request) -> None:
    coding = request.fields.get(b"content-encoding", b"identity").strip().lower()
    if coding != b"identity":
        raise UnsupportedMediaType("compressed bodies are not read here; send the body without content-encoding")
