"""Operations that look at the registry as a person does: the whole of it in short, and one version in full."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.operations import Operations, admit, caller_of
from jupyter_modelserve.controller.api.rules import seen
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.registry import detail, files, outline, reader
from jupyter_modelserve.errors import NotFound
from jupyter_modelserve.types import ModelVersion, to_json

operations = Operations(API)


@operations.operation("GET", "/outline", Rule.USE)
async def get_outline(request: Request) -> JSONResponse:
    """Every registered model in short: versions, aliases, stages, and the registry's revision."""
    admit(Rule.USE, caller_of(request))
    controller = _controller(request)
    found = await reader.when_ready(lambda: controller.database.run(outline.read_outline), controller.settings.hold)
    names = await seen(request, [each.name for each in found.models])
    found = replace(found, models=tuple(each for each in found.models if each.name in names))
    return JSONResponse(await asyncio.to_thread(to_json, found))


@operations.operation("GET", "/models/{name}/versions/{version}", Rule.USE)
async def get_version(request: Request, name: str, version: str) -> JSONResponse:
    """One version with signature, input example, requirements and MLmodel file (REQ-146)."""
    admit(Rule.USE, caller_of(request))
    controller = _controller(request)
    found, address = await reader.when_ready(
        lambda: controller.database.run(_version, name, version), controller.settings.hold
    )
    return JSONResponse(to_json(await _detail(controller, found, address)))


def _version(connection: Connection, name: str, number: str) -> tuple[ModelVersion, str]:
    model = reader.read_models(connection, [name]).get(name)
    found = next((each for each in model.versions if each.version == number), None) if model else None
    if found is None:
        what = f"{name} has no version {number}" if model else f"{name} is not registered; `%models` lists what is"
        raise NotFound(what, details={"model": name, "version": number})
    try:
        return found, files.artifact_address(connection, found)
    except files.FilesMissing:
        return found, ""


async def _detail(controller: Controller, version: ModelVersion, address: str) -> detail.VersionDetail:
    try:
        directory = files.local_directory(address, controller.paths) if address else None
    except ValueError:
        directory = None
    if directory is None:
        where = "its run or logged model was deleted" if not address else "they lie in another artifact store"
        return detail.VersionDetail(version, problem=f"the files of this version cannot be shown: {where}")
    return await asyncio.to_thread(detail.read_detail, version, directory)
