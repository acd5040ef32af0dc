"""The controller's private operations: docs/reference/internal-protocol.md. Only our own socket carries them."""

from __future__ import annotations

import os
from typing import Any

from fastapi import Body, Request, Response
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.endpoints import _controller, _either
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.endpoints.scales import Load
from jupyter_modelserve.controller.store import tokens
from jupyter_modelserve.types import to_json

LONGEST_WAIT = 60.0
operations = Operations("/internal")


@operations.operation("GET", "/health", Rule.OPEN)
async def health(request: Request) -> JSONResponse:
    """Who answers here: the nonce proves the instance."""
    controller = _controller(request)
    return JSONResponse(
        {
            "daemon": "controller",
            "instance_id": controller.instance.instance_id,
            "nonce": controller.instance.nonce,
            "pid": os.getpid(),
            "started_at": controller.started_at,
            "state": "running",
            "mlflow": controller.mlflow.state,
        }
    )


@operations.operation("GET", "/snapshot", Rule.OPEN)
async def snapshot(request: Request, after: int = -1, wait: float = 0.0) -> Response:
    """Routes and token hashes as soon as they are newer than *after*; the question acknowledges *after*."""
    controller = _controller(request)
    publication = controller.publication
    publication.acknowledge(after)
    seen = publication.changed.count
    current = publication.snapshot()
    if current is None or current.routes.number <= after:
        await _either(publication.changed.wait(seen, min(wait, LONGEST_WAIT)), controller.stopping.wait())
        current = publication.snapshot()
    if current is None or current.routes.number <= after:
        return Response(status_code=204)
    return JSONResponse(to_json(current))


@operations.operation("POST", "/stop", Rule.OPEN)
async def stop(request: Request, body: dict[str, Any] = Body(default={})) -> JSONResponse:  # noqa: B008
    """End the controller; ``{"replicas": "stop"}`` ends what it serves as well (it stays wanted)."""
    controller = _controller(request)
    controller.stop_replicas = body.get("replicas") == "stop"
    controller.stopping.set()
    return JSONResponse({"state": "stopping"})


@operations.operation("POST", "/trouble", Rule.OPEN)
async def trouble(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """The gateway could not reach these workers: look at their endpoints now."""
    _controller(request).endpoints.wake_workers({str(each) for each in body.get("workers", [])})
    return JSONResponse({})


@operations.operation("POST", "/demand", Rule.OPEN)
async def demand(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """What is asked of targets whose number of replicas follows the load, and which requests wait for a return."""
    targets = {
        str(name): Load(float(each["load"]), float(each["idle"]), bool(each["used"]))
        for name, each in dict(body.get("targets", {})).items()
    }
    held = {(str(model), str(version)): int(count) for model, version, count in body.get("held", [])}
    _controller(request).endpoints.hear(targets, held)
    return JSONResponse({})


@operations.operation("POST", "/used", Rule.OPEN)
async def used(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """When tokens were last used."""
    seen = {str(name): int(at) for name, at in dict(body.get("tokens", {})).items()}
    await _controller(request).database.run(tokens.used, seen)
    return JSONResponse({})
