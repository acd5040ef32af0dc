"""Operations on checks before serving: of a registered version, and of a logged model that is to become one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from fastapi import Body, Request
from fastapi.responses import JSONResponse

from jupyter_modelserve import names
from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.checked import CheckRequest, Overrides
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.registry import _version
from jupyter_modelserve.controller.api.rules import actor_of, require
from jupyter_modelserve.controller.checking.reading import readable
from jupyter_modelserve.controller.checking.trial import Trial
from jupyter_modelserve.controller.governance.decide import decide, denied
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import ModelVersion, from_json, to_json

operations = Operations(API)
LONGEST_WAIT: Final = 20.0


@operations.operation("POST", "/models/{name}/versions/{version}/check", Rule.USE, status_code=202)
async def check_version(
    request: Request,
    name: str,
    version: str,
    body: dict[str, Any] = Body(default={}),  # noqa: B008
) -> JSONResponse:
    """Run a version in a clean environment of its own and let it predict its input example (REQ-125, REQ-127).

    Answers at once; the verdict is kept with the version. ``overrides`` try other requirements or another Python
    without changing the model; they need the right to bring code to it as well (``version.try``). A principal may have
    one check running and four waiting.
    """
    controller = _controller(request)
    overrides = from_json(Overrides, body.get("overrides") or {})
    if overrides:
        # Whatever they name is installed and run: more than the version's maker has chosen.
        await require(request, Operation.VERSION_TRY, model_of(name))
    found = await _find(request, name, version)
    check = controller.checks.of_version(actor_of(request).principal, found, overrides)
    return JSONResponse({"check": to_json(check)}, 202)


@operations.operation("GET", "/models/{name}/versions/{version}/check", Rule.USE)
async def get_version_checks(request: Request, name: str, version: str) -> JSONResponse:
    """The latest check of a version as it is, and the latest one with overrides; with their logs (REQ-127)."""
    found = await _find(request, name, version)
    return JSONResponse(to_json(await _controller(request).checks.version(found)))


@operations.operation("POST", "/checks", Rule.USE, status_code=202)
async def check_source(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Check a logged model before it becomes a version of ``model`` (REQ-125, REQ-127).

    Needs the right to add that version, and to read the logged model. Answers at once.
    """
    asked = from_json(CheckRequest, body)
    names.check_model(asked.model)
    controller, actor = _controller(request), actor_of(request)
    await _require_create(request, asked.model)
    hold = controller.settings.hold
    address = await readable(controller.database, controller.paths, actor, asked.source, hold)
    check = controller.checks.of_source(actor.principal, asked.model, asked.source, address, asked.overrides)
    return JSONResponse({"check": to_json(check)}, 202)


@operations.operation("GET", "/checks/{check}", Rule.USE)
async def get_check(request: Request, check: str, wait: float = 0.0) -> JSONResponse:
    """One check of one's own: its state, verdict and log; waits up to ``wait`` (at most 20) seconds for its end."""
    if not 0 <= wait <= LONGEST_WAIT:
        raise InvalidParameter(f"wait: must be 0 to {LONGEST_WAIT:g} seconds", details={"field": "wait"})
    trial = await _own(request, check)
    with suppress(TimeoutError):
        await asyncio.wait_for(trial.ended.wait(), wait)
    return JSONResponse({"check": to_json(trial.show())})


@operations.operation("DELETE", "/checks/{check}", Rule.USE, status_code=202)
async def cancel_check(request: Request, check: str) -> JSONResponse:
    """End a check of one's own that nobody waits for any more."""
    await _own(request, check)
    return JSONResponse({"check": to_json(_controller(request).checks.cancel(check))}, 202)


async def _find(request: Request, name: str, version: str) -> ModelVersion:
    controller = _controller(request)
    found, _ = await reader.when_ready(
        lambda: controller.database.run(_version, name, version), controller.settings.hold
    )
    return found


async def _own(request: Request, check: str) -> Trial:
    """A check of the caller's; the metastore admin sees all. Raises NotFound, as for one that there is not."""
    controller, who = _controller(request), actor_of(request).principal
    trial = controller.checks.find(check)
    if trial.owner != who and not (await controller.governance.state()).is_admin(who):
        raise NotFound(f"there is no check {check[:40]!r} of yours", details={"check": check[:40]})
    return trial


async def _require_create(request: Request, model: str) -> None:
    """The right to add a version, or to create the model where there is none. A refusal does not tell which."""
    controller, who = _controller(request), actor_of(request).principal
    state = await controller.governance.state()
    decision = decide(state, who, Operation.VERSION_CREATE, model_of(model))
    if decision.allowed:
        return
    known = await reader.when_ready(
        lambda: controller.database.run(reader.read_models, [model]), controller.settings.hold
    )
    if known or not decide(state, who, Operation.MODEL_CREATE, model_of(model)).allowed:
        raise denied(decision)
