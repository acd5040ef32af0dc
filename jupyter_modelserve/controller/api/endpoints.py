"""Operations on endpoints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from fastapi import Body, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.conditions import expected, tagged
from jupyter_modelserve.controller.api.operations import Operations, admit, caller_of
from jupyter_modelserve.controller.api.rules import actor_of, manages, require_endpoint, require_models, visible
from jupyter_modelserve.controller.endpoints.logs import LogWish
from jupyter_modelserve.controller.endpoints.manager import Change
from jupyter_modelserve.controller.endpoints.variables import check_secret
from jupyter_modelserve.controller.governance import history
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.errors import InvalidParameter, NotFound, PermissionDenied
from jupyter_modelserve.types import EndpointSpec, MergedLog, from_json, to_json

PING = 10.0
"""Seconds between signs of life on a stream, so that proxies keep it open."""
operations = Operations(f"{API}/endpoints")


def _controller(request: Request) -> Controller:
    controller: Controller = request.app.state.controller
    return controller


@operations.operation("GET", "", Rule.USE)
async def list_endpoints(request: Request) -> JSONResponse:
    """Every endpoint, by name."""
    admit(Rule.USE, caller_of(request))
    state, actor = await _controller(request).governance.state(), actor_of(request)
    found = [each for each in await _controller(request).endpoints.listing() if visible(state, actor, each.spec)]
    return JSONResponse({"endpoints": to_json(found), "next_page_token": ""})


@operations.operation("PUT", "/{name}", Rule.MANAGE, status_code=202)
async def put_endpoint(
    request: Request,
    name: str,
    body: dict[str, Any] = Body(),  # noqa: B008
    dry_run: bool = False,
) -> JSONResponse:
    """Create or change an endpoint (REQ-002, REQ-129). Answers at once; follow its events.

    ``secret_values`` sets secrets (REQ-140); no answer ever holds them. A body without ``secrets`` keeps those that
    the endpoint has, one with ``secrets`` forgets those that it does not name. ``If-Match`` with the ``ETag`` of an
    earlier answer (or ``"<generation>"``): 412 when somebody else changed it since; ``If-None-Match: *``: 412 when it
    exists. With ``dry_run`` everything is checked and nothing is stored: the answer (200) has the specification and
    the generation that it would have, which is that of now when nothing would change; the status is that of now.
    Values of secrets always count as a change there: trying tells nothing about those that are set.
    """
    caller = caller_of(request)
    admit(Rule.MANAGE, caller)
    values = _secret_values(body.pop("secret_values", None))
    if body.setdefault("name", name) != name:
        raise InvalidParameter(f"name: the address says {name!r}, the body {body['name']!r}", details={"field": "name"})
    spec = from_json(EndpointSpec, body)
    controller, actor = _controller(request), actor_of(request)
    # Whoever has no right on the models is told nothing else; what is stored is judged where it is written.
    require_models(await controller.governance.state(), actor, Operation.ENDPOINT_MANAGE, spec)
    judge, keep = manages(controller, actor, spec), "secrets" not in body
    expect = expected(request)
    stored = await controller.endpoints.put(
        spec, caller.name, actor, values, judge=judge, expect=expect, keep_secrets=keep, rehearse=dry_run
    )
    return JSONResponse(to_json(stored)) if dry_run else tagged(stored, 202)


def _secret_values(found: Any) -> dict[str, str]:
    """Values of secrets by name. Raises InvalidParameter, which never holds a value."""
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise InvalidParameter("secret_values: must map names to text", details={"field": "secret_values"})
    for index, name in enumerate(found):
        check_secret(f"secret_values.{index}", name)
    return dict(found)


@operations.operation("GET", "/{name}", Rule.USE)
async def get_endpoint(request: Request, name: str) -> JSONResponse:
    """One endpoint with its status. ``ETag`` names what was asked for, not how far that is."""
    admit(Rule.USE, caller_of(request))
    return tagged(await _controller(request).endpoints.get(name))


@operations.operation("DELETE", "/{name}", Rule.MANAGE, status_code=202)
async def delete_endpoint(request: Request, name: str) -> JSONResponse:
    """End an endpoint (REQ-005). Answers at once; it is gone when it is no longer found. ``If-Match`` as for PUT."""
    caller = caller_of(request)
    admit(Rule.MANAGE, caller)
    controller, actor = _controller(request), actor_of(request)
    judge, expect = manages(controller, actor), expected(request)
    return tagged(await controller.endpoints.delete(name, caller.name, actor, judge=judge, expect=expect), 202)


@operations.operation("PUT", "/{name}/secrets/{secret}", Rule.MANAGE, status_code=202)
async def put_secret(request: Request, name: str, secret: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Set a secret to ``{"value"}`` (REQ-140): versions start anew with it, without a gap, and drop the old one."""
    check_secret("secret", secret)
    values = _secret_values({secret: body.get("value")})
    return await _change_secrets(request, name, lambda known: known | {secret}, values)


@operations.operation("DELETE", "/{name}/secrets/{secret}", Rule.MANAGE, status_code=202)
async def delete_secret(request: Request, name: str, secret: str) -> JSONResponse:
    """Take a secret away; 404 when the endpoint has none of that name."""

    def change(known: set[str]) -> set[str]:
        if secret not in known:
            has = f"its secrets: {', '.join(sorted(known))}" if known else "it has none"
            raise NotFound(f"endpoint {name} has no such secret ({has})", details={"endpoint": name})
        return known - {secret}

    return await _change_secrets(request, name, change, {})


async def _change_secrets(
    request: Request, name: str, change: Callable[[set[str]], set[str]], values: dict[str, str]
) -> JSONResponse:
    caller = caller_of(request)
    admit(Rule.MANAGE, caller)
    controller, actor = _controller(request), actor_of(request)

    def edit(before: EndpointSpec | None) -> EndpointSpec:
        if before is None:
            raise NotFound(f"endpoint {name!r} does not exist", details={"endpoint": name})
        return replace(before, secrets=tuple(sorted(change(set(before.secrets)))))

    asked = Change(name, edit, caller.name, actor, values, manages(controller, actor), expected(request))
    return tagged(await controller.endpoints.change(asked), 202)


@operations.operation("GET", "/{name}/logs", Rule.USE)
async def get_logs(
    request: Request, name: str, version: str = "", model: str = "", replica: str = "", tail: int = 200, after: str = ""
) -> JSONResponse:
    """Last lines that versions printed, those of all replicas merged by time (REQ-046, REQ-197)."""
    admit(Rule.USE, caller_of(request))
    if not 1 <= tail <= 10_000:
        raise InvalidParameter("tail: must be 1 to 10000 lines", details={"field": "tail"})
    found = await _controller(request).endpoints.log(name, LogWish(model, version, replica, tail, after))
    return JSONResponse(to_json(MergedLog(found.text, found.lines, found.cursor)))


@operations.operation("GET", "/{name}/events", Rule.USE)
async def get_events(request: Request, name: str, after: int = 0) -> Response:
    """History of an endpoint (REQ-045, REQ-046); a stream when ``text/event-stream`` is accepted."""
    admit(Rule.USE, caller_of(request))
    controller = _controller(request)
    if "text/event-stream" not in request.headers.get("accept", ""):
        found = await controller.governance.read(actor_of(request), history.events, name, after)
        return JSONResponse({"events": to_json(found)})
    await controller.endpoints.get(name)
    last = request.headers.get("last-event-id", "")
    number = int(last) if last.isdigit() else after
    return StreamingResponse(
        _stream(controller, actor_of(request), name, number),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


async def _stream(controller: Controller, actor: Actor, name: str, number: int) -> AsyncIterator[str]:
    """Status first, then whatever happens, until the endpoint is gone, may no longer be seen, or the caller leaves."""
    changed, rights = controller.endpoints.signal(name), controller.governance.signal
    seen = -1
    while not controller.stopping.is_set():
        judged = rights.count
        try:
            await require_endpoint(controller, actor, Operation.ENDPOINT_VIEW, name)
            endpoint = await controller.endpoints.get(name)
        except (NotFound, PermissionDenied):
            yield "event: gone\ndata: {}\n\n"
            return
        if changed.count != seen:
            seen = changed.count
            yield f"event: status\ndata: {json.dumps(to_json(endpoint))}\n\n"
        for event in await controller.governance.read(actor, history.events, name, number):
            number = event.number
            yield f"id: {number}\nevent: {event.kind}\ndata: {json.dumps(to_json(event))}\n\n"
        if not await _either(changed.wait(seen, PING), rights.wait(judged, PING * 2), controller.stopping.wait()):
            yield ": ping\n\n"


async def _either(*waits: Any) -> bool:
    """Whether what ended first gave something true."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return any(bool(task.result()) for task in done)
    finally:
        for task in tasks:
            task.cancel()
