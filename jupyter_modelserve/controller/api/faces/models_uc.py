"""Registered models as Unity Catalog's REST has them: databricks-sdk, and the native dialect of ``databricks-uc``."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces import files, reading
from jupyter_modelserve.controller.api.faces.common import (
    SETTLE,
    arguments,
    controller,
    flag,
    full_name,
    number,
    page,
    word,
    writer,
)
from jupyter_modelserve.controller.api.faces.models_mlflow import make_model, make_version, rename
from jupyter_modelserve.controller.api.faces.table import UC
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of, require
from jupyter_modelserve.controller.governance import catalogs, grants
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.errors import InvalidParameter, ModelServeError

operations = Operations(UC, listed=False)


async def _model(request: Request, name: str) -> JSONResponse:
    return JSONResponse(reading.uc_model(await reading.one(request, full_name(name))))


async def _version(request: Request, name: str, version: str) -> JSONResponse:
    shown = await reading.one(request, full_name(name))
    return JSONResponse(reading.uc_version(shown, shown.version(number(version))))


def _three(values: dict[str, Any], last: str) -> str:
    return full_name(".".join(word(values, field) for field in ("catalog_name", "schema_name", last)))


# ---------------------------------------------------------------------------------------------------- models
@operations.operation("GET", "/models", Rule.USE)
async def list_models(request: Request) -> JSONResponse:
    """Models that the caller may see: all, or those of ``catalog_name`` and ``schema_name`` (REQ-102, REQ-112)."""
    values = await arguments(request)
    named = [word(values, field, "") for field in ("catalog_name", "schema_name")]
    if bool(named[0]) != bool(named[1]):
        raise InvalidParameter("catalog_name and schema_name: give both or neither", details={"field": "schema_name"})
    found, token = page(await reading.visible(request, ".".join(each for each in named if each)), values)
    return JSONResponse({"registered_models": [reading.uc_model(each) for each in found], "next_page_token": token})


@operations.operation("POST", "/models", Rule.USE)
async def create_model(request: Request) -> JSONResponse:
    """Create a model: ``{"catalog_name", "schema_name", "name", "comment", "tags"}`` (REQ-057)."""
    values = await arguments(request)
    name = _three(values, "name")
    await make_model(request, name, word(values, "comment", ""), values.get("tags") or [])
    return await _model(request, name)


@operations.operation("GET", "/models/{name}", Rule.USE)
async def get_model(request: Request, name: str) -> JSONResponse:
    """One model with aliases and tags."""
    return await _model(request, name)


@operations.operation("PATCH", "/models/{name}", Rule.USE)
async def update_model(request: Request, name: str) -> JSONResponse:
    """Describe it, give it to another owner, rename it: ``{"comment", "owner", "new_name"}``; each has its own rule."""
    values, name = await arguments(request), full_name(name)
    actor = actor_of(request)
    if values.get("comment") is not None:
        described = {"name": name, "description": str(values["comment"])}
        await writer(request).call(actor, "PATCH", "registered-models/update", described)
    if values.get("owner"):
        await controller(request).governance.change(actor, grants.set_owner, model_of(name), word(values, "owner"))
        await controller(request).publication.settle(SETTLE)
    if values.get("new_name"):
        name = await rename(request, name, word(values, "new_name"))
    return await _model(request, name)


@operations.operation("DELETE", "/models/{name}", Rule.USE)
async def delete_model(request: Request, name: str) -> JSONResponse:
    """Delete a model for good (REQ-093); one in use only with ``force``, or when asked twice."""
    asked, sent = flag(await arguments(request), "force"), {"name": full_name(name)}
    try:
        await writer(request).call(actor_of(request), "DELETE", "registered-models/delete", sent)
    except ModelServeError as error:
        if not asked or "is in use" not in error.message:
            raise
        await writer(request).call(actor_of(request), "DELETE", "registered-models/delete", sent)
    return JSONResponse({})


# ---------------------------------------------------------------------------------------------------- versions
@operations.operation("POST", "/models/versions", Rule.USE)
async def create_version(request: Request) -> JSONResponse:
    """Begin to register a version; its files follow, then ``finalize`` (the native dialect of ``databricks-uc``)."""
    values = await arguments(request)
    name = _three(values, "model_name")
    return await _version(request, name, await make_version(request, name, values, word(values, "comment", "")))


@operations.operation("PATCH", "/models/{name}/versions/{version}/finalize", Rule.USE)
async def finalize_version(request: Request, name: str, version: str) -> JSONResponse:
    """End a registration: the version becomes READY."""
    await files.finalize(request, full_name(name), number(version))
    return await _version(request, name, version)


@operations.operation("GET", "/models/{name}/versions", Rule.USE)
async def list_versions(request: Request, name: str) -> JSONResponse:
    """Versions of a model, newest first."""
    shown = await reading.one(request, full_name(name))
    found, token = page(list(shown.model.versions), await arguments(request))
    return JSONResponse(
        {"model_versions": [reading.uc_version(shown, each) for each in found], "next_page_token": token}
    )


@operations.operation("GET", "/models/{name}/versions/{version}", Rule.USE)
async def get_version(request: Request, name: str, version: str) -> JSONResponse:
    """One version."""
    return await _version(request, name, version)


@operations.operation("PATCH", "/models/{name}/versions/{version}", Rule.USE)
async def update_version(request: Request, name: str, version: str) -> JSONResponse:
    """Describe a version: ``{"comment"}`` (REQ-100)."""
    values = await arguments(request)
    sent = {"name": full_name(name), "version": number(version), "description": str(values.get("comment") or "")}
    await writer(request).call(actor_of(request), "PATCH", "model-versions/update", sent)
    return await _version(request, name, version)


@operations.operation("DELETE", "/models/{name}/versions/{version}", Rule.USE)
async def delete_version(request: Request, name: str, version: str) -> JSONResponse:
    """Delete a version for good (REQ-093)."""
    force = flag(await arguments(request), "force")
    await writer(request).delete_version(actor_of(request), full_name(name), number(version), force)
    return JSONResponse({})


# ---------------------------------------------------------------------------------------------------- aliases
@operations.operation("GET", "/models/{name}/aliases/{alias}", Rule.USE)
async def get_by_alias(request: Request, name: str, alias: str) -> JSONResponse:
    """The version behind an alias."""
    shown = await reading.one(request, full_name(name))
    return JSONResponse(reading.uc_version(shown, shown.aliased(alias)))


@operations.operation("PUT", "/models/{name}/aliases/{alias}", Rule.USE)
async def set_alias(request: Request, name: str, alias: str) -> JSONResponse:
    """Set or move an alias: ``{"version_num": 3}`` (REQ-071, REQ-072, REQ-074)."""
    version = number(word(await arguments(request), "version_num"))
    await writer(request).set_alias(actor_of(request), full_name(name), alias, version)
    return JSONResponse(reading.uc_alias(name, alias, version))


@operations.operation("DELETE", "/models/{name}/aliases/{alias}", Rule.USE)
async def delete_alias(request: Request, name: str, alias: str) -> JSONResponse:
    """Delete an alias."""
    await writer(request).delete_alias(actor_of(request), full_name(name), alias)
    return JSONResponse({})


# ---------------------------------------------------------------------------------------------------- tags
async def _tags(request: Request, kind: str, on: dict[str, str], operation: str) -> JSONResponse:
    if kind.upper() not in {"FUNCTION", "MODEL", "REGISTERED_MODEL"}:
        raise InvalidParameter(f"{kind[:40]!r} has no tags here; registered models are FUNCTION (REQ-085)")
    changes = (await arguments(request)).get("changes")
    if not isinstance(changes, dict):
        raise InvalidParameter("changes: must be an object with add_tags and remove", details={"field": "changes"})
    actor, child = actor_of(request), writer(request)
    for each in changes.get("add_tags") or []:
        tag = {"key": word(each, "key"), "value": word(each, "value", "")}
        await child.call(actor, "POST", f"{operation}/set-tag", {**on, **tag})
    for each in changes.get("remove") or []:
        await child.call(actor, "DELETE", f"{operation}/delete-tag", {**on, "key": str(each)})
    return JSONResponse({})


@operations.operation("PATCH", "/securable-tags/{kind}/{name}", Rule.USE)
async def model_tags(request: Request, kind: str, name: str) -> JSONResponse:
    """``{"changes": {"add_tags": [{"key", "value"}], "remove": [key]}}`` of a model (REQ-095, REQ-098)."""
    return await _tags(request, kind, {"name": full_name(name)}, "registered-models")


@operations.operation("PATCH", "/subentity-tags/{kind}/{name}/{version}", Rule.USE)
async def version_tags(request: Request, kind: str, name: str, version: str) -> JSONResponse:
    """The same of a version."""
    return await _tags(request, kind, {"name": full_name(name), "version": number(version)}, "model-versions")


# ---------------------------------------------------------------------------------------------------- metastore
@operations.operation("GET", "/current-metastore-assignment", Rule.USE)
async def metastore_assignment(request: Request) -> JSONResponse:
    """Metastore and default catalog of this workspace (REQ-055, REQ-061)."""
    found = await controller(request).governance.read(actor_of(request), catalogs.metastore)
    return JSONResponse({"metastore_id": found.id, "default_catalog_name": found.default_catalog})


@operations.operation("GET", "/metastore_summary", Rule.USE)
async def metastore_summary(request: Request) -> JSONResponse:
    """Name and owner of the metastore."""
    await require(request, Operation.METASTORE_VIEW)
    found = await controller(request).governance.read(actor_of(request), catalogs.metastore)
    return JSONResponse({"metastore_id": found.id, "name": found.name, "owner": found.owner})
