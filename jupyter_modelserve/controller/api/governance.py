"""Operations on metastore, catalogs, schemas and principals."""

from __future__ import annotations

from typing import Any

from fastapi import Body, Request, Response
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import catalogs, principals, tags
from jupyter_modelserve.controller.governance.securables import catalog, schema
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import PrincipalKind
from jupyter_modelserve.types import to_json

operations = Operations(API)
SETTLE = 2.0
"""Seconds to wait until the gateway knows a change of rights, so that it holds when the answer is there."""


def text(body: dict[str, Any], field: str, default: str | None = None) -> str:
    """A text field of a body. Raises InvalidParameter, naming the field."""
    value = body.get(field, default)
    if not isinstance(value, str):
        raise InvalidParameter(f"{field}: must be a text", details={"field": field})
    return value


async def changed(request: Request, work: Any, *args: Any, status: int = 200) -> JSONResponse:
    """Change something and answer with what came out of it, once the gateway knows."""
    controller = _controller(request)
    found = await controller.governance.change(actor_of(request), work, *args)
    await controller.publication.settle(SETTLE)
    return JSONResponse(to_json(found), status)


async def read(request: Request, work: Any, *args: Any) -> Any:
    """Read something as plain JSON values."""
    return to_json(await _controller(request).governance.read(actor_of(request), work, *args))


@operations.operation("GET", "/metastore", Rule.USE)
async def get_metastore(request: Request) -> JSONResponse:
    """Metastore, workspaces and default catalog (REQ-055, REQ-061, REQ-079)."""
    return JSONResponse(await read(request, catalogs.metastore))


@operations.operation("PATCH", "/metastore", Rule.MANAGE)
async def update_metastore(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Choose the default catalog: ``{"default_catalog"}`` (REQ-061)."""
    return await changed(request, catalogs.set_default_catalog, text(body, "default_catalog"))


@operations.operation("GET", "/catalogs", Rule.USE)
async def list_catalogs(request: Request) -> JSONResponse:
    """Catalogs that the caller may see."""
    return JSONResponse({"catalogs": await read(request, catalogs.list_catalogs)})


@operations.operation("POST", "/catalogs", Rule.USE, status_code=201)
async def create_catalog(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Create a catalog: ``{"name", "comment"}``."""
    return await changed(request, catalogs.create_catalog, text(body, "name"), text(body, "comment", ""), status=201)


@operations.operation("GET", "/catalogs/{name}", Rule.USE)
async def get_catalog(request: Request, name: str) -> JSONResponse:
    """One catalog."""
    return JSONResponse(await read(request, catalogs.get_catalog, name))


@operations.operation("PATCH", "/catalogs/{name}", Rule.USE)
async def update_catalog(request: Request, name: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Change a catalog's comment: ``{"comment"}``."""
    await changed(request, catalogs.update_comment, catalog(name), text(body, "comment"))
    answer: JSONResponse = await get_catalog(request, name)
    return answer


@operations.operation("DELETE", "/catalogs/{name}", Rule.USE, status_code=204)
async def delete_catalog(request: Request, name: str, force: bool = False) -> Response:
    """Delete a catalog that holds no models; with ``force`` its schemas go as well."""
    await changed(request, catalogs.remove, catalog(name), force)
    return Response(status_code=204)


@operations.operation("GET", "/schemas", Rule.USE)
async def list_schemas(request: Request, catalog: str = "") -> JSONResponse:
    """Schemas that the caller may see, of one ``catalog`` or of all."""
    return JSONResponse({"schemas": await read(request, catalogs.list_schemas, catalog)})


@operations.operation("POST", "/schemas", Rule.USE, status_code=201)
async def create_schema(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Create a schema: ``{"name": "catalog.schema", "comment"}``."""
    return await changed(request, catalogs.create_schema, text(body, "name"), text(body, "comment", ""), status=201)


@operations.operation("GET", "/schemas/{name}", Rule.USE)
async def get_schema(request: Request, name: str) -> JSONResponse:
    """One schema."""
    return JSONResponse(await read(request, catalogs.get_schema, name))


@operations.operation("PATCH", "/schemas/{name}", Rule.USE)
async def update_schema(request: Request, name: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Change a schema's comment: ``{"comment"}``."""
    await changed(request, catalogs.update_comment, schema(name), text(body, "comment"))
    answer: JSONResponse = await get_schema(request, name)
    return answer


@operations.operation("DELETE", "/schemas/{name}", Rule.USE, status_code=204)
async def delete_schema(request: Request, name: str) -> Response:
    """Delete a schema that holds no models."""
    await changed(request, catalogs.remove, schema(name))
    return Response(status_code=204)


@operations.operation("GET", "/principals", Rule.USE)
async def list_principals(request: Request) -> JSONResponse:
    """Users, groups with their members, and service principals."""
    return JSONResponse({"principals": await read(request, principals.listing)})


@operations.operation("GET", "/principals/me", Rule.USE)
async def get_me(request: Request) -> JSONResponse:
    """Who the caller is."""
    return JSONResponse(await read(request, principals.get, actor_of(request).principal))


@operations.operation("POST", "/principals", Rule.MANAGE, status_code=201)
async def create_principal(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Add a user, group or service principal: ``{"name", "kind", "display_name"}`` (REQ-021, REQ-080)."""
    kind = next((each for each in PrincipalKind if each.value == body.get("kind", "user")), None)
    if kind is None:
        raise InvalidParameter(f"kind: must be one of {', '.join(PrincipalKind)}", details={"field": "kind"})
    arguments = (text(body, "name"), kind, text(body, "display_name", ""))
    return await changed(request, principals.create, *arguments, status=201)


@operations.operation("DELETE", "/principals/{name}", Rule.MANAGE, status_code=204)
async def delete_principal(request: Request, name: str) -> Response:
    """Remove a principal with its grants and tokens; one that owns objects stays."""
    await changed(request, principals.remove, name)
    return Response(status_code=204)


@operations.operation("PUT", "/groups/{name}/members/{member}", Rule.MANAGE)
async def add_member(request: Request, name: str, member: str) -> JSONResponse:
    """Put a user or service principal into a group."""
    return await changed(request, principals.add_member, name, member)


@operations.operation("DELETE", "/groups/{name}/members/{member}", Rule.MANAGE)
async def remove_member(request: Request, name: str, member: str) -> JSONResponse:
    """Take a member out of a group."""
    return await changed(request, principals.remove_member, name, member)


@operations.operation("GET", "/tag-policies", Rule.USE)
async def list_policies(request: Request) -> JSONResponse:
    """Governed tags and the values that they may have (REQ-097)."""
    found = await _controller(request).database.run(tags.policies)
    limits = {"tags": tags.MOST_TAGS, "key": tags.LONGEST_KEY, "value": tags.LONGEST_VALUE}
    return JSONResponse({"policies": to_json(found), "limits": limits})


@operations.operation("PUT", "/tag-policies/{name}", Rule.MANAGE)
async def set_policy(request: Request, name: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Govern a tag: ``{"allowed": ["pending", "approved"], "comment"}``."""
    allowed = body.get("allowed")
    if not isinstance(allowed, list) or not all(isinstance(each, str) for each in allowed):
        raise InvalidParameter("allowed: must be a list of texts", details={"field": "allowed"})
    await changed(request, tags.set_policy, name, tuple(allowed), text(body, "comment", ""))
    answer: JSONResponse = await list_policies(request)
    return answer


@operations.operation("DELETE", "/tag-policies/{name}", Rule.MANAGE, status_code=204)
async def delete_policy(request: Request, name: str) -> Response:
    """Any value is allowed again."""
    await changed(request, tags.remove_policy, name)
    return Response(status_code=204)
