"""The parent's address: status, start, drain, logs, stop (docs/reference/internal-protocol.md)."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Callable, Dict, Mapping, Optional

from ..connection import Listener, Respond
from ..wire import Request, Response, error_response, json_response
from .changes import Changes
from .launching import Launcher
from .specs import WORKER_ID, BadSpec, read_spec
from .worker import Worker

_BODY_LIMIT = 1024 * 1024
_DEFAULT_GRACE = 30.0
_LONGEST_WAIT = 60.0


class Control:
    """Holds the workers and answers the operations of the contract."""

    def __init__(self, directory: str, replica: Mapping[str, Any], launcher: Launcher) -> None:
        self._directory = directory
        self._replica = replica
        self._sockets = str(replica["sockets"])
        self._log_limit = int(replica.get("log_limit", 10 * 1024 * 1024))
        self._started_at = time.time()
        self._launcher = launcher
        self._changes = Changes()
        self._workers: Dict[str, Worker] = {}
        self._tasks: set[asyncio.Future[Any]] = set()
        self.stopped = asyncio.Event()
        self.listener = Listener(str(replica["key"]), _BODY_LIMIT, self._handle)

    def _handle(self, request: Request, respond: Respond) -> None:
        parts = request.path.strip("/").split("/")
        operation = self._find(request, parts)
        if operation is None:
            respond(error_response(404, "RESOURCE_DOES_NOT_EXIST", "there is no such operation"))
            return
        self._spawn(self._answer(operation, request, parts, respond))

    def _find(self, request: Request, parts: list[str]) -> Optional[Callable[..., Any]]:
        shape = (request.method, parts[0], len(parts), *tuple(parts[2:]))
        table: Dict[Any, Callable[..., Any]] = {
            ("GET", "status", 1): self._status,
            ("PUT", "workers", 2): self._put,
            ("DELETE", "workers", 2): self._delete,
            ("GET", "workers", 3, "log"): self._log,
            ("POST", "stop", 1): self._stop,
        }
        return table.get(shape)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, operation: Callable[..., Any], request: Request, parts: list[str], respond: Respond
    ) -> None:
        try:
            response = await operation(request, parts[1] if len(parts) > 1 else "")
        except BadSpec as error:
            response = error_response(400, "INVALID_PARAMETER_VALUE", str(error), details={"field": error.field})
        except Exception as error:  # noqa: BLE001 - the parent must answer whatever happens to one operation
            message = "the operation failed (%s)" % type(error).__name__
            response = error_response(500, "INTERNAL_ERROR", message)
        respond(response)

    async def _status(self, request: Request, _: str) -> Response:
        wait = _seconds(request, "wait", 0.0, _LONGEST_WAIT)
        if wait and request.query.get("after") == str(self._changes.revision):
            await self._changes.wait(wait)
        revision, workers = self._changes.revision, dict(self._workers)
        counts = [0] * len(workers)
        if request.query.get("in_flight") != "no":
            counts = await asyncio.gather(*(worker.in_flight() for worker in workers.values()))
        document = {
            "replica_id": self._replica["replica_id"], "nonce": self._replica["nonce"], "pid": os.getpid(),
            "started_at": self._started_at, "revision": revision, "start_method": self._launcher.method,
            "workers": {name: worker.document(count) for (name, worker), count in zip(workers.items(), counts)},
        }  # fmt: skip
        return json_response(200, document)

    async def _put(self, request: Request, worker_id: str) -> Response:
        if WORKER_ID.fullmatch(worker_id) is None:
            raise BadSpec("id", "must be letters, digits, - and _")
        spec = read_spec(request.body)
        there = self._workers.get(worker_id)
        if there is not None:
            if there.spec == spec and there.status.state != "UNLOADING":
                return json_response(202, {})
            what = "is being unloaded" if there.status.state == "UNLOADING" else "runs with another specification"
            return error_response(409, "RESOURCE_CONFLICT", "the worker %s %s" % (worker_id, what))
        key = str(self._replica["key"])
        self._workers[worker_id] = Worker(
            worker_id, spec, self._directory, self._sockets, key, self._log_limit, self._launcher, self._changes.note
        )
        return json_response(202, {})

    async def _delete(self, request: Request, worker_id: str) -> Response:
        worker = self._workers.get(worker_id)
        if worker is None:
            return Response(204)
        if worker.status.state != "UNLOADING":
            grace = _seconds(request, "grace", _DEFAULT_GRACE, 86400)
            self._spawn(self._forget(worker, grace))
            # Lets the task begin, so that the next status already shows it.
            await asyncio.sleep(0)
        return json_response(202, {})

    async def _forget(self, worker: Worker, grace: float) -> None:
        await worker.stop(grace)
        self._workers.pop(worker.id, None)
        self._changes.note()

    async def _log(self, request: Request, worker_id: str) -> Response:
        worker = self._workers.get(worker_id)
        if worker is None:
            return error_response(404, "RESOURCE_DOES_NOT_EXIST", "there is no worker %s" % ascii(worker_id[:80]))
        text = request.query.get("tail", "100")
        if not text.isdigit() or int(text) > 100000:
            raise BadSpec("tail", "must be a number of lines up to 100000")
        lines = "".join(line + "\n" for line in worker.log.tail(int(text), times=request.query.get("times") == "yes"))
        return Response(200, lines.encode("utf-8"), "text/plain; charset=utf-8")

    async def _stop(self, request: Request, _: str) -> Response:
        self._spawn(self.stop(_seconds(request, "grace", _DEFAULT_GRACE, 86400)))
        return json_response(202, {})

    async def stop(self, grace: float) -> None:
        """Drain every worker and let the process end."""
        await asyncio.gather(*(self._forget(worker, grace) for worker in list(self._workers.values())))
        self.stopped.set()


def _seconds(request: Request, name: str, default: float, most: float) -> float:
    try:
        seconds = float(request.query.get(name, default))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= most:
        raise BadSpec(name, "must be a number of seconds up to %g" % most)
    return seconds
