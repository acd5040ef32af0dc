"""The ``databricks-uc`` registry of MLflow's clients, in its default dialect: ``/api/2.0/mlflow/unity-catalog/…``.

Unity Catalog's limits hold here (REQ-110, REQ-111); the address of the instance itself, as a plain MLflow registry,
knows more.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve import names
from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces import files, reading
from jupyter_modelserve.controller.api.faces.common import (
    arguments,
    controller,
    flag,
    full_name,
    number,
    page,
    word,
    writer,
)
from jupyter_modelserve.controller.api.faces.table import MLFLOW_UC
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of, require
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.lineage import databricks, keeper
from jupyter_modelserve.errors import InvalidParameter

operations = Operations(MLFLOW_UC, listed=False)
log = logging.getLogger(__name__)
_ENABLED: Final = "is_databricks_sdk_models_artifact_repository_enabled"
_BY_NAME: Final = re.compile(r"""^\s*name\s*=\s*(?:'(?P<one>[^']+)'|"(?P<two>[^"]+)")\s*$""")
_LIMITS: Final = (
    "catalog models: versions are found by `name = '<catalog>.<schema>.<model>'` only, models cannot be filtered, and "
    "nothing can be ordered (REQ-111); use get_registered_model, or this address itself as registry URI, which filters "
    "by name, tags and LIKE and orders"
)


async def _values(request: Request) -> tuple[dict[str, Any], str]:
    """Body or query, and the model that it names."""
    values = await arguments(request)
    return values, full_name(word(values, "name"))


async def _change(request: Request, method: str, operation: str, values: dict[str, Any]) -> dict[str, Any]:
    return await writer(request).call(actor_of(request), method, operation, values)


async def _seen(request: Request, name: str, operation: Operation = Operation.MODEL_VIEW) -> reading.Shown:
    await require(request, operation, model_of(name))
    return await reading.one(request, name)


async def shown_model(request: Request, name: str) -> JSONResponse:
    """One model in this dialect."""
    return JSONResponse({"registered_model": reading.mlflow_model(await reading.one(request, name))})


async def shown_version(request: Request, name: str, version: str) -> JSONResponse:
    """One version in this dialect."""
    shown = await reading.one(request, name)
    return JSONResponse({"model_version": reading.mlflow_version(shown, shown.version(version))})


# ---------------------------------------------------------------------------------------------------- models
@operations.operation("POST", "/registered-models/create", Rule.USE)
async def create_model(request: Request) -> JSONResponse:
    """Create a model: ``{"name", "description", "tags"}`` (REQ-057, REQ-067)."""
    values, name = await _values(request)
    await make_model(request, name, word(values, "description", ""), values.get("tags") or [])
    return await shown_model(request, name)


async def make_model(request: Request, name: str, description: str, tags: list[Any]) -> None:
    """Create a model.

    Raises:
        AlreadyExists, PermissionDenied, InvalidParameter.
    """
    values = {"name": name, "description": description, "tags": tags}
    await _change(request, "POST", "registered-models/create", values)


@operations.operation("PATCH", "/registered-models/update", Rule.USE)
async def update_model(request: Request) -> JSONResponse:
    """Describe or rename a model: ``{"name", "description", "new_name"}`` (REQ-089, REQ-100)."""
    values, name = await _values(request)
    if values.get("description") is not None:
        await _change(
            request, "PATCH", "registered-models/update", {"name": name, "description": str(values["description"])}
        )
    if values.get("new_name"):
        name = await rename(request, name, word(values, "new_name"))
    return await shown_model(request, name)


async def rename(request: Request, name: str, new: str) -> str:
    """Rename a model; *new* may be its last word only (REQ-088). Returns the full new name."""
    new = full_name(new if names.is_three_level(new) else f"{name.rpartition('.')[0]}.{new}")
    if new != name:
        await _change(request, "POST", "registered-models/rename", {"name": name, "new_name": new})
    return new


@operations.operation("DELETE", "/registered-models/delete", Rule.USE)
async def delete_model(request: Request) -> JSONResponse:
    """Delete a model with its versions and files, for good (REQ-093, REQ-094)."""
    _, name = await _values(request)
    await _change(request, "DELETE", "registered-models/delete", {"name": name})
    return JSONResponse({})


@operations.operation("GET", "/registered-models/get", Rule.USE)
async def get_model(request: Request) -> JSONResponse:
    """One model with aliases and tags (REQ-102)."""
    _, name = await _values(request)
    await require(request, Operation.MODEL_VIEW, model_of(name))
    return await shown_model(request, name)


@operations.operation("GET", "/registered-models/search", Rule.USE)
async def search_models(request: Request) -> JSONResponse:
    """Models that the caller may see, by name (REQ-102); no filter, no order (REQ-111)."""
    values = await arguments(request)
    _refuse(values, "filter", "filter_string", "order_by")
    found, token = page(await reading.visible(request), values)
    return JSONResponse({"registered_models": [reading.mlflow_model(each) for each in found], "next_page_token": token})


def _refuse(values: dict[str, Any], *fields: str) -> None:
    for each in fields:
        if values.get(each):
            raise InvalidParameter(f"{each} is not supported for {_LIMITS}", details={"field": each})


@operations.operation("GET", f"/registered-models:{_ENABLED.replace('_', '-')}", Rule.USE)
async def files_api() -> JSONResponse:
    """Yes: clients send and fetch files below ``/api/2.0/fs``."""
    return JSONResponse({_ENABLED: True})


# ---------------------------------------------------------------------------------------------------- aliases, tags
@operations.operation("POST", "/registered-models/alias", Rule.USE)
async def set_alias(request: Request) -> JSONResponse:
    """Set or move an alias: ``{"name", "alias", "version"}`` (REQ-072, REQ-074)."""
    values, name = await _values(request)
    await writer(request).set_alias(actor_of(request), name, word(values, "alias"), number(word(values, "version")))
    return JSONResponse({})


@operations.operation("GET", "/registered-models/alias", Rule.USE)
async def get_by_alias(request: Request) -> JSONResponse:
    """The version behind an alias (REQ-074)."""
    values, name = await _values(request)
    shown = await _seen(request, name)
    return JSONResponse({"model_version": reading.mlflow_version(shown, shown.aliased(word(values, "alias")))})


@operations.operation("DELETE", "/registered-models/alias", Rule.USE)
async def delete_alias(request: Request) -> JSONResponse:
    """Delete an alias (REQ-074)."""
    values, name = await _values(request)
    await writer(request).delete_alias(actor_of(request), name, word(values, "alias"))
    return JSONResponse({})


@operations.operation("POST", "/registered-models/set-tag", Rule.USE)
async def set_model_tag(request: Request) -> JSONResponse:
    """``{"name", "key", "value"}`` (REQ-098)."""
    values, name = await _values(request)
    tag = {"name": name, "key": word(values, "key"), "value": word(values, "value", "")}
    await _change(request, "POST", "registered-models/set-tag", tag)
    return JSONResponse({})


@operations.operation("DELETE", "/registered-models/delete-tag", Rule.USE)
async def delete_model_tag(request: Request) -> JSONResponse:
    """``{"name", "key"}`` (REQ-098)."""
    values, name = await _values(request)
    await _change(request, "DELETE", "registered-models/delete-tag", {"name": name, "key": word(values, "key")})
    return JSONResponse({})


@operations.operation("POST", "/model-versions/set-tag", Rule.USE)
async def set_version_tag(request: Request) -> JSONResponse:
    """``{"name", "version", "key", "value"}`` (REQ-098)."""
    values, name = await _values(request)
    tag = {"name": name, "version": number(word(values, "version")), "key": word(values, "key")}
    await _change(request, "POST", "model-versions/set-tag", {**tag, "value": word(values, "value", "")})
    return JSONResponse({})


@operations.operation("DELETE", "/model-versions/delete-tag", Rule.USE)
async def delete_version_tag(request: Request) -> JSONResponse:
    """``{"name", "version", "key"}`` (REQ-098)."""
    values, name = await _values(request)
    tag = {"name": name, "version": number(word(values, "version")), "key": word(values, "key")}
    await _change(request, "DELETE", "model-versions/delete-tag", tag)
    return JSONResponse({})


# ---------------------------------------------------------------------------------------------------- versions
@operations.operation("POST", "/model-versions/create", Rule.USE)
async def create_version(request: Request) -> JSONResponse:
    """Begin to register a version: ``{"name", "source", "run_id", …}``; its files follow, then ``finalize``."""
    values, name = await _values(request)
    made = await make_version(request, name, values, word(values, "description", ""))
    return await shown_version(request, name, made)


async def make_version(request: Request, name: str, values: dict[str, Any], description: str) -> str:
    """Number of a new version in status PENDING_REGISTRATION, whose files the caller uploads.

    Raises:
        PermissionDenied, NotFound: no such model. InvalidParameter: a tag that the policy refuses.
    """
    source = word(values, "source")
    asked = {"source": source[:500], "run_id": word(values, "run_id", "")[:32]}
    tags = [each for each in values.get("tags") or [] if isinstance(each, dict)]
    model_id = word(values, "model_id", "")
    if model_id and model_id not in source:
        tags.append({"key": "mlflow.modelId", "value": model_id})
    sent = {"name": name, "source": "upload:/files", "description": description, "tags": tags}
    found = await writer(request).call(actor_of(request), "POST", "model-versions/create", sent, asked)
    made = str(found["model_version"]["version"])
    told = request.headers.get(databricks.HEADER)
    if told:
        await _tell(request, name, made, told)
    return made


async def _tell(request: Request, name: str, version: str, told: str) -> None:
    """The version is there: what its header says of its origin, readable or not, must not make the call fail."""
    try:
        await keeper.up_to_date(controller(request).database)
        await controller(request).database.run(databricks.registered, name, version, told)
    except Exception:
        log.exception("lineage leaves out what the header of %s version %s says", name, version)


@operations.operation("POST", "/model-versions/finalize", Rule.USE)
async def finalize_version(request: Request) -> JSONResponse:
    """End a registration: the version becomes READY."""
    values, name = await _values(request)
    version = number(word(values, "version"))
    await files.finalize(request, name, version)
    return await shown_version(request, name, version)


@operations.operation("PATCH", "/model-versions/update", Rule.USE)
async def update_version(request: Request) -> JSONResponse:
    """Describe a version: ``{"name", "version", "description"}`` (REQ-100)."""
    values, name = await _values(request)
    version = number(word(values, "version"))
    sent = {"name": name, "version": version, "description": str(values.get("description") or "")}
    await _change(request, "PATCH", "model-versions/update", sent)
    return await shown_version(request, name, version)


@operations.operation("DELETE", "/model-versions/delete", Rule.USE)
async def delete_version(request: Request) -> JSONResponse:
    """Delete a version and its files, for good (REQ-093, REQ-094)."""
    values, name = await _values(request)
    await writer(request).delete_version(
        actor_of(request), name, number(word(values, "version")), flag(values, "force")
    )
    return JSONResponse({})


@operations.operation("GET", "/model-versions/get", Rule.USE)
async def get_version(request: Request) -> JSONResponse:
    """One version."""
    values, name = await _values(request)
    await require(request, Operation.MODEL_VIEW, model_of(name))
    return await shown_version(request, name, number(word(values, "version")))


@operations.operation("GET", "/model-versions/search", Rule.USE)
async def search_versions(request: Request) -> JSONResponse:
    """Versions of one model, newest first: ``filter=name='c.s.m'`` (REQ-102, REQ-111)."""
    values = await arguments(request)
    _refuse(values, "order_by")
    found = _BY_NAME.match(word(values, "filter", ""))
    if found is None:
        raise InvalidParameter(f"filter is not supported for {_LIMITS}", details={"field": "filter"})
    name = full_name(found["one"] or found["two"])
    shown = await reading.searched(request, name)
    everything = [reading.mlflow_version(each, version) for each in shown for version in each.model.versions]
    versions, token = page(everything, values)
    return JSONResponse({"model_versions": versions, "next_page_token": token})


@operations.operation("GET", "/model-versions/get-download-uri", Rule.USE)
async def download_address(request: Request) -> JSONResponse:
    """Where the files are, below ``/api/2.0/fs/files``."""
    values, name = await _values(request)
    shown = await _seen(request, name, Operation.VERSION_READ)
    return JSONResponse({"artifact_uri": reading.location(shown.version(number(word(values, "version"))))})


@operations.operation("POST", "/model-versions/emit-lineage", Rule.USE)
async def emit_lineage(request: Request) -> JSONResponse:
    """Clients say here which notebook or job of theirs loads a version, or made it; lineage keeps it (REQ-082)."""
    values, name = await _values(request)
    await require(request, Operation.MODEL_VIEW, model_of(name))
    version, info = number(word(values, "version")), values.get("model_version_lineage_info") or {}
    if not isinstance(info, dict):
        raise InvalidParameter(
            "model_version_lineage_info: must be an object", details={"field": "model_version_lineage_info"}
        )
    # Who may load a version may say that they did; what it came from is its maker's to say.
    downstream = info.get("direction") == databricks.DOWNSTREAM
    await require(request, Operation.VERSION_READ if downstream else Operation.VERSION_CREATE, model_of(name))
    await keeper.up_to_date(controller(request).database)
    await controller(request).database.run(databricks.emitted, name, version, info)
    return JSONResponse({})


@operations.operation("POST", "/model-versions/transition-stage", Rule.USE)
async def no_stages() -> JSONResponse:
    """Refused: catalog models have no stages (REQ-110)."""
    raise InvalidParameter("catalog models have no stages (REQ-110); set an alias, for example Champion")
