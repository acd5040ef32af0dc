"""The straight way of a scoring request: no task, no timer and no second look at what was checked a moment ago.

Most requests on a kept connection are alike: same address, same token, body in one piece, a slot free, a connection to
the worker at hand. Such a one is sent at once and answered when the worker's answer arrives (15 µs instead of 40).
Whatever is not as usual, also later, goes the ordinary way (``scoring``), which knows every case.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_modelserve.gateway.request import GONE, Request
from jupyter_modelserve.gateway.routing import Route, ScoringAddress
from jupyter_modelserve.types import Snapshot, TokenGrant

if TYPE_CHECKING:
    from jupyter_modelserve.gateway.balance import Worker
    from jupyter_modelserve.gateway.lanes import Lane
    from jupyter_modelserve.gateway.scoring import Scorer
    from jupyter_modelserve.gateway.upstream import Connection

_LOOK: Final = 0.1
_JOINED: Final = 16 * 1024
"""Bytes of a body up to which copying costs less than a write of two pieces."""
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"content-encoding", b"upgrade"})

Work = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the last scoring request of a connection was, and who was allowed to send it, under one snapshot."""

    snapshot: Snapshot
    url: bytes
    host: bytes | None
    authorization: bytes | None
    origin: bytes | None
    grant: TokenGrant
    path: str
    address: ScoringAddress

    @classmethod
    def of(cls, request: Request, snapshot: Snapshot, grant: TokenGrant, address: ScoringAddress) -> Ticket:
        """After every check was passed."""
        get = request.fields.get
        return cls(
            snapshot,
            request.raw_path,
            get(b"host"),
            get(b"authorization"),
            get(b"origin"),
            grant,
            request.path,
            address,
        )

    def covers(self, request: Request, snapshot: Snapshot | None) -> bool:
        """Whether *request* would pass the same checks with the same result."""
        form = request.form
        if self.snapshot is not snapshot or (self.grant.expires_at and time.time() * 1000 >= self.grant.expires_at):
            return False
        if form is not None and form.ticket is self:
            return True
        same = self._matches(request)
        if form is not None and same:
            form.ticket = self
        return same

    def _matches(self, request: Request) -> bool:
        fields = request.fields
        return (
            request.raw_path == self.url
            and not request.query
            and request.method == "POST"
            and fields.get(b"authorization") == self.authorization
            and fields.get(b"host") == self.host
            and fields.get(b"origin") == self.origin
            and len(fields) == len(request.headers)
            and _UNUSUAL.isdisjoint(fields)
        )


class Flight:
    """A request on its straight way: what it holds until it is answered."""

    __slots__ = (
        "address",
        "body",
        "connection",
        "deadline",
        "express",
        "lane",
        "owned",
        "request",
        "route",
        "seconds",
        "table",
        "worker",
    )

    def __init__(
        self,
        express: Express,
        request: Request,
        address: ScoringAddress,
        route: Route,
        worker: Worker,
        lane: Lane,
        connection: Connection,
    ) -> None:
        self.express = express
        self.request = request
        self.address = address
        self.route = route
        self.table = express.scorer.table()
        self.worker = worker
        self.lane = lane
        self.connection = connection
        self.body = request.pieces
        self.seconds = 0.0
        self.deadline = 0.0
        self.owned = False

    def wake(self) -> None:
        """Something came from the worker, or it hung up."""
        connection = self.connection
        if connection.complete and self.express.scorer.usable(connection):
            self.express.land(self)
        elif connection.lost or connection.complete or connection.headed:
            self.express.hand_over(self, self.express.scorer.resume)

    def cancel(self) -> None:
        """The caller hung up."""
        self.express.cancel(self)


class Express:
    """Sends what can go the straight way.

    Args:
        ordinary: lets *work* answer a request from here on.
        conclude: told each request that was answered here, or whose caller left.
    """

    def __init__(
        self,
        scorer: Scorer,
        ordinary: Callable[[Request, Work], asyncio.Task[None]],
        conclude: Callable[[Request], None],
    ) -> None:
        self.scorer = scorer
        self._ordinary = ordinary
        self._conclude = conclude
        self._flights: dict[Flight, None] = {}
        self._looking: asyncio.TimerHandle | None = None

    def take(self, request: Request, address: ScoringAddress) -> bool:
        """Send *request*, which is complete and may be sent; false when it must go the ordinary way."""
        scorer = self.scorer
        size = request.buffered
        route = scorer.known_route(address)
        if route is None or not route.targets or not scorer.bodies.fits(size):
            return False
        worker = scorer.workers.pick(route.targets)
        lane = worker.take(size)
        if lane is None:
            return False
        connection = lane.reuse()
        if connection is None:
            worker.release(lane)
            return False
        flight = Flight(self, request, address, route, worker, lane, connection)
        flight.seconds = worker.target.timeout or scorer.timeout
        flight.deadline = connection.loop.time() + flight.seconds
        request.body_done = True
        request.endpoint, request.model, request.version = route.endpoint, route.model, route.version
        scorer.bodies.held += size
        self._flights[flight] = None
        request.on_gone = flight.cancel
        head = scorer.head(lane, request, size)
        connection.send((b"".join((head, *flight.body)),) if size <= _JOINED else (head, *flight.body))
        connection.listener = flight.wake
        if self._looking is None:
            self._looking = connection.loop.call_later(_LOOK, self._look)
        return True

    def land(self, flight: Flight) -> None:
        """The whole answer is there."""
        connection, request = flight.connection, flight.request
        connection.listener = None
        flight.lane.succeed()
        self._forget(flight)
        lines, status, body = self.scorer.lines(connection, flight.route), connection.status, connection.take()
        flight.lane.put(connection)
        flight.worker.release(flight.lane)
        request.on_gone = None
        request.answer(status, lines, body)
        self._conclude(request)

    def hand_over(self, flight: Flight, work: Callable[[Flight], Awaitable[None]]) -> None:
        """Let *work* go on with it the ordinary way: it then owns slot, connection and body."""
        flight.connection.listener = None
        self._forget(flight)

        def begin(_: Request) -> Awaitable[None]:
            flight.owned = True
            return work(flight)

        task = self._ordinary(flight.request, begin)
        task.add_done_callback(lambda _: None if flight.owned else self._abandon(flight))

    @staticmethod
    def _abandon(flight: Flight) -> None:
        """The caller hung up between the hand-over and the first step of the task, which then never began."""
        flight.connection.close()
        flight.worker.release(flight.lane)

    def cancel(self, flight: Flight) -> None:
        """The caller hung up: nobody waits for the answer."""
        flight.connection.listener = None
        flight.connection.close()
        self._forget(flight)
        flight.worker.release(flight.lane)
        flight.request.status = GONE
        self._conclude(flight.request)

    def _forget(self, flight: Flight) -> None:
        del self._flights[flight]
        self.scorer.bodies.held -= flight.request.buffered

    def _look(self) -> None:
        """Ten times a second while anything is under way: one timer instead of one for each request."""
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_LOOK, self._look) if self._flights else None
        now = loop.time()
        for flight in [each for each in self._flights if each.deadline <= now]:
            self.hand_over(flight, self.scorer.overdue)
