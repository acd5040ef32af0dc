"""The gateway's parts joined: who may do what, and which part answers (architecture §4).

Everything that goes wrong ends here and becomes the one error shape; what nobody expected is logged with its traceback
and told to the caller as a request id only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from jupyter_modelserve.addresses import Owner, Rule, find
from jupyter_modelserve.errors import MethodNotAllowed, ModelServeError, NotFound
from jupyter_modelserve.gateway import routing
from jupyter_modelserve.gateway.auth import (
    authenticate,
    authenticate_ticket,
    authorize,
    authorize_scoring,
    read_token,
    shows,
)
from jupyter_modelserve.gateway.demand import Demand
from jupyter_modelserve.gateway.express import Express, Ticket, Work
from jupyter_modelserve.gateway.guard import HostGuard, decode_path
from jupyter_modelserve.gateway.hints import Hints
from jupyter_modelserve.gateway.log import AccessLog
from jupyter_modelserve.gateway.metrics import CONTENT_TYPE, Metrics
from jupyter_modelserve.gateway.proxy import Proxy
from jupyter_modelserve.gateway.request import GONE, Request
from jupyter_modelserve.gateway.returning import Returning
from jupyter_modelserve.gateway.scoring import AnswerBroken, Scorer
from jupyter_modelserve.gateway.snapshot import Snapshots
from jupyter_modelserve.gateway.streams import Streams
from jupyter_modelserve.gateway.usage import Usage
from jupyter_modelserve.gateway.waking import WaitingRoom
from jupyter_modelserve.launcher.partner import Partner
from jupyter_modelserve.launcher.spawning import spawn_controller
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Instance, RouteTable, TokenGrant

_DISCOVERY: Final = {"oidc_endpoint": "", "account_id": None, "workspace_id": None, "cloud": None}
_UNEXPECTED: Final = ModelServeError("something went wrong here; the log has more under the request id")
_logger = logging.getLogger(__name__)


class Gateway:
    """All parts of the data plane of one instance."""

    def __init__(self, paths: Paths, settings: Settings, instance: Instance, pid: int) -> None:
        self._paths = paths
        self._settings = settings
        self._instance = instance
        self._pid = pid
        self._started_at = time.time()
        self._last_used = time.monotonic()
        self.stop = asyncio.Event()
        self.partner = Partner(paths, "controller", spawn_controller)
        self.usage = Usage(str(paths.controller_socket))
        self.log = AccessLog(paths.logs / "gateway-access.log", settings.log_limit)
        self.metrics = Metrics(self._started_at)
        self.hints = Hints(str(paths.controller_socket))
        self.scorer = Scorer(
            self._table,
            settings.body_limit,
            settings.request_timeout,
            trouble=self.hints.trouble,
            recheck=self._recheck,
            room=WaitingRoom(settings.wake_queue, settings.wake_hold),
            returning=Returning(settings.restart_hold, settings.wake_queue),
        )
        self.demand = Demand(str(paths.controller_socket), self.scorer.workers.all, self.scorer.room)
        self.express = Express(self.scorer, self._ordinary, self._conclude)
        self._tasks: set[asyncio.Task[None]] = set()
        self.snapshots = Snapshots(paths, instance.instance_id, self._adopt)
        self.streams = Streams(lambda: self.snapshots.current)
        self._guard = HostGuard(instance.port, settings.allowed_hosts)
        self._proxy = Proxy(settings.hold, f"127.0.0.1:{instance.port}")

    def _table(self) -> Any:
        return self.snapshots.table()

    def _adopt(self, table: RouteTable) -> None:
        self.scorer.adopt(table)
        self.streams.look()

    # ------------------------------------------------------------------------------------------------ requests
    def begin(self, request: Request) -> None:
        """Start to answer a request; never raises."""
        self.metrics.in_flight += 1
        request.began = time.perf_counter()
        if not self._express(request):
            self._ordinary(request, self._route)

    def _express(self, request: Request) -> bool:
        ticket = request.link.ticket
        if ticket is None or not request.complete or not ticket.covers(request, self.snapshots.current):
            return False
        request.path, request.owner, request.grant_id = ticket.path, Owner.WORKER.value, ticket.grant.id
        if not self.express.take(request, ticket.address):
            return False
        self.usage.note(ticket.grant.id)
        return True

    def _ordinary(self, request: Request, work: Work) -> asyncio.Task[None]:
        """Let a task answer."""
        task = asyncio.get_running_loop().create_task(self._guarded(request, work))
        self._tasks.add(task)
        request.on_gone = task.cancel
        task.add_done_callback(partial(self._end, request))
        return task

    def _end(self, request: Request, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        request.on_gone = None
        if task.cancelled():
            request.status = GONE
        if not request.finished:
            request.link.abort()
        self._conclude(request)

    def _conclude(self, request: Request) -> None:
        """A request is over: count it and write it down."""
        self.metrics.in_flight -= 1
        if not request.link.private:
            if request.path != "/health":
                self._last_used = time.monotonic()
            seconds = time.perf_counter() - request.began
            self.metrics.observe(request, seconds)
            self.log.add(request, seconds)

    async def _guarded(self, request: Request, work: Work) -> None:
        try:
            await work(request)
        except ModelServeError as error:
            await self._explain(request, error)
        except AnswerBroken:
            request.link.abort()
        except Exception:
            _logger.exception("request %s failed", request.id)
            await self._explain(request, _UNEXPECTED)

    async def _route(self, request: Request) -> None:
        if request.link.private:
            await self._private(request)
        else:
            await self._public(request)

    async def _explain(self, request: Request, error: ModelServeError) -> None:
        if request.started:
            request.link.abort()
        else:
            await request.reply_error(error)

    # ------------------------------------------------------------------------------------------------ public face
    async def _public(self, request: Request) -> None:
        self._guard.check(request)
        request.check()
        request.path = decode_path(request.raw_path, request.query)
        row = find(request.path)
        if row is None:
            raise NotFound("there is nothing at this address")
        request.owner = row.owner.value
        if row.rule is Rule.OPEN:
            await self._own(request)
            return
        authorization = request.fields.get(b"authorization")
        snapshot = self.snapshots.current
        if snapshot is None:
            read_token(authorization)
            snapshot = await self.snapshots.ready(self._settings.hold)
        grant = authenticate_ticket(request, self._instance.nonce, snapshot.tokens)
        grant = grant or authenticate(authorization, snapshot.tokens)
        request.grant_id = grant.id
        authorize(grant, row.rule)
        self.usage.note(grant.id)
        if row.owner is Owner.WORKER:
            authorize_scoring(grant, snapshot, request.path, request.method)
            address = routing.parse(request.path, request.method)
            request.link.ticket = Ticket.of(request, snapshot, grant, address)
            await self.scorer.handle(request, address)
        elif row.owner is Owner.GATEWAY:
            await self._own(request, partial(shows, snapshot, grant))
        else:
            await self._forward(request, row.owner, grant)

    async def _forward(self, request: Request, owner: Owner, grant: TokenGrant) -> None:
        behind = {
            Owner.CONTROLLER: (self._paths.controller_socket, "controller"),
            Owner.MLFLOW: (self._paths.mlflow_socket, "MLflow server"),
        }
        socket, who = behind[owner]
        with self.streams.held(request, grant):
            await self._proxy.handle(request, str(socket), who, grant)

    def _recheck(self, request: Request) -> None:
        """Refuse a request whose address changed hands while it waited, when its caller may not score the new model."""
        ticket, snapshot = request.link.ticket, self.snapshots.current
        if ticket is not None and snapshot is not None:
            grant = authenticate(request.fields.get(b"authorization"), snapshot.tokens)
            authorize(grant, Rule.SCORE)
            authorize_scoring(grant, snapshot, request.path, request.method)

    async def _own(self, request: Request, shown: Callable[[str], bool] = lambda _: False) -> None:
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed("this address takes GET only", details={"allow": ["GET", "HEAD"]})
        if request.path == "/health":
            await request.reply_json(self._health())
        elif request.path == "/metrics":
            await request.reply(200, [(b"content-type", CONTENT_TYPE)], self._metrics(shown))
        else:
            await request.reply_json(_DISCOVERY)

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "instance_id": self._instance.instance_id,
            "gateway": "stopping" if self.stop.is_set() else "running",
            "controller": self._controller(),
            "routes": self.snapshots.number,
        }

    def _controller(self) -> str:
        if self.snapshots.answering:
            return "running"
        return "starting" if self.partner.alive else "stopped"

    def _metrics(self, shown: Callable[[str], bool]) -> bytes:
        gauges = {
            "modelserve_route_table": ("Number of the route table in force.", float(self.snapshots.number)),
            "modelserve_controller_up": ("1 while the controller answers.", float(self.snapshots.answering)),
            "modelserve_body_bytes_held": ("Bytes of scoring bodies in memory.", float(self.scorer.bodies.held)),
        }
        room = self.scorer.room
        gauges["modelserve_requests_held"] = ("Requests that wait for a version at zero.", float(room.held.total()))
        counters = {
            "modelserve_requests_held_total": ("Requests that waited for a version at zero.", float(room.entered)),
            "modelserve_requests_held_restart_total": (
                "Requests that waited for a version whose process was started again.",
                float(self.scorer.returning.room.entered),
            ),
            "modelserve_activations_total": ("Times a version at zero was asked for.", float(room.activations)),
        }
        return self.metrics.render(self.scorer.workers.all(), gauges, shown, counters)

    # ------------------------------------------------------------------------------------------------ private face
    def _idle(self) -> float:
        """Seconds without a request; the one that asks is in flight itself."""
        return 0.0 if self.metrics.in_flight > 1 else round(time.monotonic() - self._last_used, 3)

    async def _private(self, request: Request) -> None:
        address = (request.method, request.raw_path)
        if address == ("GET", b"/internal/health"):
            await request.reply_json(
                {
                    "daemon": "gateway",
                    "instance_id": self._instance.instance_id,
                    "nonce": self._instance.nonce,
                    "pid": self._pid,
                    "started_at": int(self._started_at * 1000),
                    "state": "stopping" if self.stop.is_set() else "running",
                    "idle": self._idle(),
                }
            )
        elif address == ("POST", b"/internal/stop"):
            await request.reply_json({"state": "stopping"}, 202)
            self.stop.set()
        else:
            raise NotFound("the private socket knows GET /internal/health and POST /internal/stop")
