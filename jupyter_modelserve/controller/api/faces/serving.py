"""Serverless real-time inference of the sources (``endpoints-v2``): enable, configure, watch and disable by model name.

The read operations take the model's name as a query or, as the sources print it, in the body of a GET.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from jupyter_modelserve import names
from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces import stage_endpoints as stages
from jupyter_modelserve.controller.api.faces.common import arguments, controller, number, word
from jupyter_modelserve.controller.api.faces.table import COMPUTE, ENDPOINTS
from jupyter_modelserve.controller.api.operations import Operations, caller_of
from jupyter_modelserve.controller.api.rules import actor_of, manages, require
from jupyter_modelserve.controller.endpoints.manager import Change, Edit, Judge
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.errors import NotFound
from jupyter_modelserve.types import Endpoint, EndpointSpec

operations = Operations(ENDPOINTS, listed=False)
compute = Operations(COMPUTE, listed=False)


async def _asked(request: Request, operation: Operation) -> tuple[dict[str, Any], str]:
    """What was sent, and the model that it names, once the caller's right on it is judged."""
    values = await arguments(request)
    name = stages.check_model(word(values, "registered_model_name"))
    await require(request, operation, model_of(name))
    return values, name


async def _find(request: Request, model: str) -> Endpoint:
    return stages.find(await controller(request).endpoints.listing(), model)


async def _change(request: Request, name: str, edit: Edit, judge: Judge) -> Endpoint:
    asked = Change(name, edit, caller_of(request).name, actor_of(request), judge=judge)
    return await controller(request).endpoints.change(asked)


def _still(request: Request, model: str) -> Judge:
    """Judges where it is written, and that the endpoint which was found is the model's still."""
    manage = manages(controller(request), actor_of(request))

    def judge(connection: Connection, before: EndpointSpec | None) -> None:
        manage(connection, before)
        if before is None or not stages.is_serverless(before, model):
            raise stages.not_enabled(model)

    return judge


@operations.operation("POST", "/enable", Rule.MANAGE)
async def enable(request: Request) -> JSONResponse:
    """Serve the model's Staging and Production versions (REQ-164). A model that is served in the classic way moves
    over without a gap (REQ-011) and keeps its variables, secrets, tags and engine; one that is enabled already stays
    as it is.
    """
    _, model = await _asked(request, Operation.ENDPOINT_MANAGE)
    known = await controller(request).endpoints.listing()
    try:
        found = stages.find(known, model)
    except NotFound:
        by = caller_of(request).name
        judge = manages(controller(request), actor_of(request), stages.enabled(model, by))
        found = await _change(
            request, names.endpoint_for(model), lambda before: stages.enabled(model, by, before), judge
        )
    return JSONResponse({"endpoint_status": stages.endpoint_status(found, model)})


@operations.operation("POST", "/disable", Rule.MANAGE)
async def disable(request: Request) -> JSONResponse:
    """End it (REQ-195); the model stays registered."""
    _, model = await _asked(request, Operation.ENDPOINT_MANAGE)
    found, judge = await _find(request, model), _still(request, model)
    await controller(request).endpoints.delete(found.spec.name, caller_of(request).name, actor_of(request), judge=judge)
    return JSONResponse({})


@operations.operation("GET", "/get-status", Rule.USE)
async def get_status(request: Request) -> JSONResponse:
    """State of the whole endpoint (REQ-187, REQ-191)."""
    _, model = await _asked(request, Operation.ENDPOINT_VIEW)
    return JSONResponse({"endpoint_status": stages.endpoint_status(await _find(request, model), model)})


@operations.operation("GET", "/list-versions", Rule.USE)
async def list_versions(request: Request) -> JSONResponse:
    """State of every version that is served or prepared (REQ-188, REQ-192)."""
    _, model = await _asked(request, Operation.ENDPOINT_VIEW)
    return JSONResponse({"endpoint_statuses": stages.version_statuses(await _find(request, model), model)})


@operations.operation("GET", "/get-version-status", Rule.USE)
async def get_version_status(request: Request) -> JSONResponse:
    """State of one version: ``endpoint_version_name`` is its number (REQ-189, REQ-193)."""
    values, model = await _asked(request, Operation.ENDPOINT_VIEW)
    version = number(word(values, "endpoint_version_name"))
    for each in stages.version_statuses(await _find(request, model), model):
        if each["endpoint_version_name"] == version:
            return JSONResponse({"endpoint_status": each})
    raise NotFound(
        f"version {version} of {model} is not served: it is in neither Staging nor Production (REQ-182)",
        details={"registered_model_name": model, "endpoint_version_name": version},
    )


@operations.operation("GET", "/list-version-aliases", Rule.USE)
async def list_version_aliases(request: Request) -> JSONResponse:
    """Which version answers for Staging and for Production (REQ-190)."""
    _, model = await _asked(request, Operation.ENDPOINT_VIEW)
    return JSONResponse({"aliases": stages.version_aliases(await _find(request, model))})


@compute.operation("PUT", "/update-compute-config", Rule.MANAGE)
async def update_compute_config(request: Request) -> JSONResponse:
    """``{"registered_model_name", "stage", "desired_workload_config_spec"}`` (REQ-166); followed by
    ``config_update_status`` (REQ-167).
    """
    values, model = await _asked(request, Operation.ENDPOINT_MANAGE)
    found = await _find(request, model)
    stage = stages.check_stage(word(values, "stage"))
    wanted = values.get("desired_workload_config_spec")

    def edit(before: EndpointSpec | None) -> EndpointSpec:
        return stages.reconfigured(before or found.spec, stage, wanted, caller_of(request).name)

    if edit(None) != found.spec:
        found = await _change(request, found.spec.name, edit, _still(request, model))
    return JSONResponse({"endpoint_status": stages.endpoint_status(found, model)})
