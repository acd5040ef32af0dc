"""Catalogs and schemas as Unity Catalog's REST has them (databricks-sdk)."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces.common import SETTLE, arguments, controller, flag, page, word
from jupyter_modelserve.controller.api.faces.table import UC
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import catalogs, grants
from jupyter_modelserve.controller.governance.securables import Securable, catalog, schema
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Catalog, Schema
from jupyter_modelserve.types import to_json

operations = Operations(UC, listed=False)


async def _read(request: Request, work: Any, *values: Any) -> Any:
    return await controller(request).governance.read(actor_of(request), work, *values)


async def _change(request: Request, work: Any, *values: Any) -> Any:
    found = await controller(request).governance.change(actor_of(request), work, *values)
    await controller(request).publication.settle(SETTLE)
    return found


def _catalog(found: Catalog, metastore: str) -> dict[str, Any]:
    more = {"full_name": found.name, "catalog_type": "MANAGED_CATALOG", "securable_type": "CATALOG"}
    return {**to_json(found), **more, "metastore_id": metastore}


def _schema(found: Schema, metastore: str) -> dict[str, Any]:
    own = found.name.partition(".")[2]
    more = {"full_name": found.name, "name": own, "catalog_name": found.catalog, "catalog_type": "MANAGED_CATALOG"}
    return {**to_json(found), **more, "metastore_id": metastore}


async def _metastore(request: Request) -> str:
    return str((await _read(request, catalogs.metastore)).id)


async def _update(request: Request, on: Securable) -> None:
    """Comment and owner; what else clients may send is refused rather than forgotten."""
    values = await arguments(request)
    unknown = sorted(set(values) - {"comment", "owner", "name", "full_name"})
    if unknown:
        raise InvalidParameter(f"{unknown[0]}: cannot be changed here; comment and owner can")
    if values.get("comment") is not None:
        await _change(request, catalogs.update_comment, on, str(values["comment"]))
    if values.get("owner"):
        await _change(request, grants.set_owner, on, word(values, "owner"))


# ---------------------------------------------------------------------------------------------------- catalogs
@operations.operation("GET", "/catalogs", Rule.USE)
async def list_catalogs(request: Request) -> JSONResponse:
    """Catalogs that the caller may see."""
    found, token = page(list(await _read(request, catalogs.list_catalogs)), await arguments(request))
    metastore = await _metastore(request)
    return JSONResponse({"catalogs": [_catalog(each, metastore) for each in found], "next_page_token": token})


@operations.operation("POST", "/catalogs", Rule.USE)
async def create_catalog(request: Request) -> JSONResponse:
    """Create a catalog: ``{"name", "comment"}``."""
    values = await arguments(request)
    found = await _change(request, catalogs.create_catalog, word(values, "name"), word(values, "comment", ""))
    return JSONResponse(_catalog(found, await _metastore(request)))


@operations.operation("GET", "/catalogs/{name}", Rule.USE)
async def get_catalog(request: Request, name: str) -> JSONResponse:
    """One catalog."""
    return JSONResponse(_catalog(await _read(request, catalogs.get_catalog, name), await _metastore(request)))


@operations.operation("PATCH", "/catalogs/{name}", Rule.USE)
async def update_catalog(request: Request, name: str) -> JSONResponse:
    """Change comment or owner."""
    await _update(request, catalog(name))
    answer: JSONResponse = await get_catalog(request, name)
    return answer


@operations.operation("DELETE", "/catalogs/{name}", Rule.USE)
async def delete_catalog(request: Request, name: str) -> JSONResponse:
    """Delete a catalog without models; with ``force`` its schemas go as well."""
    await _change(request, catalogs.remove, catalog(name), flag(await arguments(request), "force"))
    return JSONResponse({})


# ---------------------------------------------------------------------------------------------------- schemas
@operations.operation("GET", "/schemas", Rule.USE)
async def list_schemas(request: Request) -> JSONResponse:
    """Schemas of ``catalog_name`` that the caller may see."""
    values = await arguments(request)
    found, token = page(list(await _read(request, catalogs.list_schemas, word(values, "catalog_name"))), values)
    metastore = await _metastore(request)
    return JSONResponse({"schemas": [_schema(each, metastore) for each in found], "next_page_token": token})


@operations.operation("POST", "/schemas", Rule.USE)
async def create_schema(request: Request) -> JSONResponse:
    """Create a schema: ``{"catalog_name", "name", "comment"}``."""
    values = await arguments(request)
    name = f"{word(values, 'catalog_name')}.{word(values, 'name')}"
    found = await _change(request, catalogs.create_schema, name, word(values, "comment", ""))
    return JSONResponse(_schema(found, await _metastore(request)))


@operations.operation("GET", "/schemas/{name}", Rule.USE)
async def get_schema(request: Request, name: str) -> JSONResponse:
    """One schema."""
    return JSONResponse(_schema(await _read(request, catalogs.get_schema, name), await _metastore(request)))


@operations.operation("PATCH", "/schemas/{name}", Rule.USE)
async def update_schema(request: Request, name: str) -> JSONResponse:
    """Change comment or owner."""
    await _update(request, schema(name))
    answer: JSONResponse = await get_schema(request, name)
    return answer


@operations.operation("DELETE", "/schemas/{name}", Rule.USE)
async def delete_schema(request: Request, name: str) -> JSONResponse:
    """Delete a schema without models."""
    await _change(request, catalogs.remove, schema(name), flag(await arguments(request), "force"))
    return JSONResponse({})
