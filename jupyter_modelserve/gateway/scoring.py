"""The way of a scoring request: route, read, wait for a slot, send, and try elsewhere when a worker is lost.

A prediction may be repeated, so a request whose connection ended before any byte of the answer is sent once more,
alone (``balance``), and once again if the version that it was lost with twice is replaced in that moment. One that
could not be delivered at all is delivered elsewhere, or to the same worker for as long as it restarts. What needs none
of this takes the straight way (``express``) and comes here only when something happens.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from jupyter_modelserve.errors import BadGateway, DeadlineExceeded, ModelServeError, Unavailable, UnsupportedMediaType
from jupyter_modelserve.gateway import routing
from jupyter_modelserve.gateway.balance import Rerouted, Worker, Workers
from jupyter_modelserve.gateway.express import Flight
from jupyter_modelserve.gateway.lanes import Lane
from jupyter_modelserve.gateway.limits import BodyReader
from jupyter_modelserve.gateway.request import Headers, Request, header_value, join
from jupyter_modelserve.gateway.returning import Returning
from jupyter_modelserve.gateway.routing import Route, ScoringAddress
from jupyter_modelserve.gateway.upstream import ConnectFailed, Connection, ConnectionLost, connect
from jupyter_modelserve.gateway.waking import WaitingRoom
from jupyter_modelserve.types import RouteTable

_PASSED: Final = frozenset({b"content-type", b"x-modelserve-format", b"warning", b"retry-after"})
_PATIENCE: Final = 1.0
_PATIENCE_AFTER_LOSS: Final = 30.0
"""Seconds for which a request that was lost with its worker waits for the next one; a new request may try again."""
_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.2
_DYING: Final = 0.05
_ROLL_BACK: Final = 1.0
"""Seconds for which a request that was lost twice waits for another version at its address (REQ-129, REQ-131)."""
_MISDIRECTED: Final = 421
_REFUSALS: Final = frozenset({_MISDIRECTED, 503})
_NOT_STARTED: Final = b"x-modelserve-not-started"
"""A worker that has not taken the request says so: nothing was computed, it may go elsewhere."""
_ALONE: Final = b"x-modelserve-alone: 1\r\n"
_PLANS: Final = 1024
_PLACES: Final = 1000

Plan = tuple[tuple[int, Route], ...]


class AnswerBroken(Exception):
    """The answer broke off after its head had been sent: the connection is closed, nothing else can be said."""


@dataclass(slots=True)
class _Trial:
    """One request, where it goes, and what has been tried for it."""

    request: Request
    address: ScoringAddress
    route: Route
    table: RouteTable
    pieces: list[bytes]
    size: int = 0
    tried: set[str] = field(default_factory=set)
    replayed: bool = False
    lost: bool = False
    doomed: BadGateway | None = None
    give_up_at: float = 0.0
    pause: float = _PAUSE
    held: bool = False
    paused: bool = False


class _Slot:
    """A slot that is given back once, as early as possible."""

    __slots__ = ("_lane", "_worker")

    def __init__(self, worker: Worker | None, lane: Lane) -> None:
        self._worker = worker
        self._lane = lane

    def free(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.release(self._lane)


class Scorer:
    """Carries scoring requests to workers.

    Args:
        table: gives the newest route table.
        body_limit: bytes a body may have.
        timeout: seconds for the whole request where the target names none (REQ-130).
        trouble: told the id of a worker that could not be reached or lost a request.
        recheck: refuses a request whose caller may not score what now answers at its address.
        room: where requests wait for a version at zero.
        returning: knows which versions are started again, and where requests wait for one.
    """

    def __init__(
        self,
        table: Callable[[], RouteTable],
        body_limit: int,
        timeout: float,
        rng: random.Random | None = None,
        trouble: Callable[[str], None] = lambda _: None,
        recheck: Callable[[Request], None] = lambda _: None,
        room: WaitingRoom | None = None,
        returning: Returning | None = None,
    ) -> None:
        self.table = table
        self._trouble = trouble
        self._recheck = recheck
        self._rng = rng or random.Random()  # noqa: S311 - splits traffic, guards nothing
        self._planned: RouteTable | None = None
        self._plans: dict[ScoringAddress, Plan] = {}
        self.timeout = timeout
        self.bodies = BodyReader(body_limit)
        self.workers = Workers(self._rng)
        self.room = room or WaitingRoom(_PLACES, timeout)
        self.returning = returning or Returning(0.0, _PLACES)

    def adopt(self, table: RouteTable) -> None:
        """A new table is in force: forget what it does not name."""
        self.workers.sync(table)
        self.returning.adopt(table)
        self.room.changed()

    # ------------------------------------------------------------------------------------------------ routes
    def _route(self, table: RouteTable, address: ScoringAddress) -> Route:
        if table is not self._planned or len(self._plans) >= _PLANS:
            self._planned, self._plans = table, {}
        plan = self._plans.get(address)
        if plan is None:
            plan = self._plans[address] = routing.plan(table, address, self.returning.coming())
        route = plan[0][1] if len(plan) == 1 else routing.split(plan, self._rng)
        if route.returning and self.returning.left(route.returning) <= 0:
            del self._plans[address]
            return routing.resolve(table, address, self._rng, self.returning.coming())
        return route

    def known_route(self, address: ScoringAddress) -> Route | None:
        """The route of an address, or nothing where there is something to explain."""
        try:
            return self._route(self.table(), address)
        except ModelServeError:
            return None

    # ------------------------------------------------------------------------------------------------ ways in
    async def handle(self, request: Request, address: ScoringAddress) -> None:
        """Answer one scoring request.

        Raises:
            ModelServeError: what the caller is told instead of a prediction.
            AnswerBroken: the worker died in the middle of its answer.
        """
        self.bodies.check(request)
        _check_encoding(request)
        table = self.table()
        route = self._route(table, address)
        _label(request, route)
        seconds = self._seconds(route)
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(seconds) as limit:
                pieces = await self.bodies.read(request)
                await self._deliver(_Trial(request, address, route, table, pieces, sum(map(len, pieces))), limit)
        except TimeoutError as error:
            if request.started:
                raise AnswerBroken from error
            raise _too_late(request, seconds) from error
        finally:
            self.bodies.release(pieces)

    async def resume(self, flight: Flight) -> None:
        """Go on with a request whose straight way ended; raises what :meth:`handle` raises."""
        request, pieces = flight.request, flight.body[:]
        trial = _Trial(request, flight.address, flight.route, flight.table, pieces, request.buffered)
        self.bodies.held += trial.size
        try:
            async with asyncio.timeout_at(flight.deadline) as limit:
                if not await self._settle(trial, flight.worker, flight.lane, flight.connection):
                    await self._deliver(trial, limit)
        except TimeoutError as error:
            if request.started:
                raise AnswerBroken from error
            raise _too_late(request, flight.seconds) from error
        finally:
            self.bodies.release(pieces)

    async def overdue(self, flight: Flight) -> None:
        """Give up a request that was not answered in time.

        Raises:
            DeadlineExceeded: always.
        """
        flight.connection.close()
        flight.worker.release(flight.lane)
        raise _too_late(flight.request, flight.seconds)

    # ------------------------------------------------------------------------------------------------ trials
    async def _deliver(self, trial: _Trial, limit: asyncio.Timeout) -> None:
        while True:
            if trial.lost:
                trial.lost = False
                if trial.doomed is not None:
                    await self._replaced(trial, trial.doomed)
                elif all(each.id in trial.tried for each in trial.route.targets):
                    # A process that is just dying accepts for some milliseconds more: the replay must not go there.
                    await asyncio.sleep(_DYING)
            self._look_again(trial)
            while not trial.route.targets:
                await (self._return(trial) if trial.route.returning else self._hold(trial, limit))
            worker = self.workers.pick(trial.route.targets, trial.tried)
            try:
                lane = await self._acquire(trial, worker)
            except Rerouted:
                continue
            if await self._attempt(trial, worker, lane):
                return

    async def _replaced(self, trial: _Trial, doomed: BadGateway) -> None:
        """Wait a moment for another version at this address: the processes of one that is being rolled back die one
        after the other, and the requests in their hands shall not pay for it.

        Raises:
            BadGateway: there is none.
        """
        loop, before = asyncio.get_running_loop(), routing.versions_behind(trial.table, trial.address)
        until = loop.time() + _ROLL_BACK
        # Not one that answered beside it all the time, where traffic is split: that is no replacement.
        while (found := self.known_route(trial.address)) is None or (found.model, found.version) in before:
            if loop.time() >= until:
                raise doomed
            await asyncio.sleep(_PAUSE)
        self._recheck(trial.request)
        self._turn(trial, self.table(), found)
        trial.give_up_at = 0.0
        trial.tried.clear()

    def _look_again(self, trial: _Trial) -> None:
        """Follow a new table."""
        newest = self.table()
        if newest is not trial.table:
            self._recheck(trial.request)
            self._turn(trial, newest, self._route(newest, trial.address))

    @staticmethod
    def _turn(trial: _Trial, table: RouteTable, route: Route) -> None:
        """Go on by another table's route."""
        trial.table, trial.route = table, route
        _label(trial.request, route)

    async def _hold(self, trial: _Trial, limit: asyncio.Timeout) -> None:
        """Wait while the version that answers is at zero; the time of the request begins when it is there (REQ-135)."""
        loop = asyncio.get_running_loop()
        limit.reschedule(None)
        until = loop.time() + self.room.patience
        while not trial.route.targets and not trial.route.returning:
            await self._sit(trial, self.room, until)
        limit.reschedule(loop.time() + self._seconds(trial.route))

    async def _return(self, trial: _Trial) -> None:
        """Wait while the version that answers is started again; the time of the request goes on."""
        left = self.returning.left(_waits_for(trial.route))
        await self._sit(trial, self.returning.room, asyncio.get_running_loop().time() + left)

    async def _sit(self, trial: _Trial, room: WaitingRoom, until: float) -> None:
        """Wait in *room* until there is a target, or the request has to do with another version or another room."""
        back, who = trial.route.returning is not None, _waits_for(trial.route)
        with room.place(*who):
            while not trial.route.targets and (trial.route.returning is not None, _waits_for(trial.route)) == (
                back,
                who,
            ):
                await room.wait(*who, until)
                self._look_again(trial)
        trial.held = True

    def _seconds(self, route: Route) -> float:
        named = route.targets[0].timeout if route.targets else self.returning.timeout(_waits_for(route))
        return named or self.timeout

    async def _acquire(self, trial: _Trial, worker: Worker) -> Lane:
        if trial.replayed:
            return await worker.acquire_alone()
        return await worker.acquire(trial.size, admitted=trial.held)

    async def _attempt(self, trial: _Trial, worker: Worker, lane: Lane) -> bool:
        """One try on an acquired lane; whether the request is answered."""
        try:
            connection = await (connect(lane.address) if trial.replayed else lane.open())
        except ConnectFailed:
            worker.release(lane)
            await self._undelivered(trial, worker, lane)
            return False
        except BaseException:
            worker.release(lane)
            raise
        head = self.head(lane, trial.request, trial.size, _ALONE if trial.replayed else b"")
        return await self._settle(trial, worker, lane, connection, [head, *trial.pieces])

    async def _settle(
        self, trial: _Trial, worker: Worker, lane: Lane, connection: Connection, message: list[bytes] | None = None
    ) -> bool:
        """Send *message* unless that was done, and pass the answer on; whether the request is answered."""
        slot = _Slot(worker, lane)
        try:
            if message is not None:
                connection.send(message)
            await connection.head()
            if self.usable(connection):
                lane.succeed()
                await self._answer(trial.request, trial.route, connection, slot)
                return True
        except ConnectionLost as lost:
            loop = asyncio.get_running_loop()
            if not connection.used:
                lane.fail(loop.time())
            # A process that is just dying accepts for some milliseconds more: nobody may inherit the lane meanwhile.
            loop.call_later(_DYING, slot.free)
            slot = _Slot(None, lane)
            self._lost(trial, worker, lost)
            return False
        finally:
            lane.put(connection)
            slot.free()
        await self._undelivered(trial, worker, lane)
        return False

    def usable(self, connection: Connection) -> bool:
        """Whether the worker took the request: anything else is no answer, and it may go elsewhere."""
        if connection.status not in _REFUSALS:
            return True
        return connection.status != _MISDIRECTED and not any(name == _NOT_STARTED for name, _ in connection.headers)

    async def _answer(self, request: Request, route: Route, connection: Connection, slot: _Slot) -> None:
        if connection.complete:
            slot.free()
            request.answer(connection.status, self.lines(connection, route), connection.take())
            await request.link.drain()
            return
        headers = [each for each in connection.headers if each[0] in _PASSED or each[0] == b"content-length"]
        await request.start(connection.status, headers + _names(route))
        while piece := await connection.read():
            await request.write(piece, more=True)
        slot.free()
        await request.write(b"")

    def lines(self, connection: Connection, route: Route) -> bytes:
        """The header lines of an answer, without its length."""
        return join([each for each in connection.headers if each[0] in _PASSED]) + _name_lines(
            route.entity, route.model, route.version
        )

    def head(self, lane: Lane, request: Request, size: int, more: bytes = b"") -> bytes:
        """The whole head is ours: nothing of the caller's but a checked id and content type."""
        kind = request.fields.get(b"content-type")
        return b"%bx-request-id: %b\r\n%b%bcontent-length: %d\r\n\r\n" % (
            lane.head,
            request.number,
            b"content-type: %b\r\n" % kind if kind else b"",
            more,
            size,
        )

    # ------------------------------------------------------------------------------------------------ accidents
    def _lost(self, trial: _Trial, worker: Worker, lost: ConnectionLost) -> None:
        """Allow one replay when no byte of an answer came, and one more with another version."""
        self._trouble(worker.target.id)
        request = trial.request
        if request.started:
            raise AnswerBroken from lost
        who = f"the worker of version {request.version} of {request.model!r}"
        if lost.answered:
            raise BadGateway(f"{who} broke off its answer", retry_after_s=1) from lost
        if trial.doomed is not None:
            raise trial.doomed
        if trial.replayed:
            trial.doomed = BadGateway(
                f"{who} died twice while it worked on this request, the second time on nothing else: the request "
                "itself may be what ends it; see the version's log",
                retry_after_s=1,
            )
        trial.replayed = trial.lost = True
        trial.tried.add(worker.target.id)

    async def _undelivered(self, trial: _Trial, worker: Worker, lane: Lane) -> None:
        """Nothing was sent: go on with another lane or target, or wait a moment for a restart."""
        now = asyncio.get_running_loop().time()
        self._trouble(worker.target.id)
        lane.fail(now)
        if lane.number != 0:
            return
        trial.tried.add(worker.target.id)
        if any(each.id not in trial.tried for each in trial.route.targets):
            return
        room = self.returning.room
        patience = _PATIENCE_AFTER_LOSS if trial.replayed else max(_PATIENCE, room.patience)
        trial.give_up_at = trial.give_up_at or now + patience
        if now >= trial.give_up_at:
            raise Unavailable(
                f"version {trial.route.version} of {trial.route.model!r} cannot be reached; its worker is being "
                "restarted",
                retry_after_s=1,
            )
        trial.tried.clear()
        with room.place(trial.route.model, trial.route.version, again=trial.paused):
            trial.paused = True
            await asyncio.sleep(trial.pause)
        trial.pause = min(trial.pause * 2, _LONGEST_PAUSE)


def _names(route: Route) -> Headers:
    return [
        (b"served-model-name", header_value(route.entity)),
        (b"x-modelserve-model", header_value(route.model)),
        (b"x-modelserve-version", route.version.encode("ascii")),
    ]


@lru_cache(256)
def _name_lines(entity: str, model: str, version: str) -> bytes:
    return join(_names(Route((), model, version, entity)))


def _waits_for(route: Route) -> routing.Key:
    return route.returning or (route.model, route.version)


def _label(request: Request, route: Route) -> None:
    request.endpoint, request.model, request.version = route.endpoint, route.model, route.version


def _too_late(request: Request, seconds: float) -> DeadlineExceeded:
    who = f"version {request.version} of {request.model!r}"
    what = f"{who} did not answer" if request.body_done else "the body did not arrive completely"
    return DeadlineExceeded(f"{what} within {seconds:g} seconds", details={"timeout": seconds})


def _check_encoding(request: Request) -> None:
    coding = request.fields.get(b"content-encoding", b"identity").strip().lower()
    if coding != b"identity":
        raise UnsupportedMediaType("compressed bodies are not read here; send the body without content-encoding")
