"""Operations that change registered models: aliases, copies, safe deletion; and a proposed description."""

from __future__ import annotations

from typing import Any

from fastapi import Body, Request, Response
from fastapi.responses import JSONResponse

from jupyter_modelserve import names
from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api import registry
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.governance import text
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import grants, proposal
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.governance.writing import Writer
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import to_json

operations = Operations(API)


def _writer(request: Request) -> Writer:
    return Writer(_controller(request).paths)


@operations.operation("PUT", "/models/{name}/aliases/{alias}", Rule.USE)
async def set_alias(request: Request, name: str, alias: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Set or move an alias to ``{"version": "3"}`` (REQ-072, REQ-074); at most ten per model (REQ-071)."""
    version = str(body.get("version", ""))
    if not version.isascii() or not version.isdigit():
        raise InvalidParameter("version: must be a version number", details={"field": "version"})
    await _writer(request).set_alias(actor_of(request), name, alias, version)
    return JSONResponse({"model": name, "alias": alias, "version": version})


@operations.operation("DELETE", "/models/{name}/aliases/{alias}", Rule.USE, status_code=204)
async def delete_alias(request: Request, name: str, alias: str) -> Response:
    """Delete an alias."""
    await _writer(request).delete_alias(actor_of(request), name, alias)
    return Response(status_code=204)


@operations.operation("POST", "/models/{name}/versions/{version}/copy", Rule.USE, status_code=201)
async def copy_version(request: Request, name: str, version: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Copy a version with its bytes, tags and description: ``{"to", "aliases", "description"}`` (REQ-091, REQ-106)."""
    aliases = body.get("aliases", [])
    if not isinstance(aliases, list):
        raise InvalidParameter("aliases: must be a list", details={"field": "aliases"})
    description = None if body.get("description") is None else text(body, "description")
    to, wanted = text(body, "to"), tuple(str(each) for each in aliases)
    await _controller(request).governance.read(actor_of(request), _may_alias, to, wanted)
    found = await _writer(request).copy(actor_of(request), name, version, to, wanted, description)
    return JSONResponse(to_json(found), 201)


def _may_alias(session: Session, to: str, aliases: tuple[str, ...]) -> None:
    """Refuse aliases before anything is copied; who makes the model with the copy will own it. Raises PermissionDenied.

    Who may not add versions is refused for that, and is not told here whether the model exists.
    """
    on = model_of(names.check_model(to))
    if grants.model_exists(session, to) and session.may(Operation.VERSION_CREATE, on):
        for each in aliases:
            session.require(Operation.MODEL_ALIAS, on, each)


@operations.operation("DELETE", "/models/{name}/versions/{version}", Rule.USE, status_code=204)
async def delete_version(request: Request, name: str, version: str, force: bool = False) -> Response:
    """Delete a version for good (REQ-093); one with an alias or an endpoint only with ``force``."""
    await _writer(request).delete_version(actor_of(request), name, version, force)
    return Response(status_code=204)


@operations.operation("GET", "/models/{name}/versions/{version}/proposal", Rule.USE)
async def propose_description(request: Request, name: str, version: str) -> JSONResponse:
    """A description to edit, made from signature, metrics and origin (REQ-101)."""
    controller = _controller(request)
    found, address = await reader.when_ready(
        lambda: controller.database.run(registry._version, name, version), controller.settings.hold
    )
    detail = await registry._detail(controller, found, address)
    metrics, params = await controller.database.run(proposal.of_run, found.run_id)
    return JSONResponse({"description": proposal.propose(detail, metrics, params)})
