"""Grants as Unity Catalog's REST has them; a registered model is a FUNCTION (REQ-085, REQ-086)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces.common import SETTLE, arguments, controller, flag, page, word
from jupyter_modelserve.controller.api.faces.table import UC
from jupyter_modelserve.controller.api.governance_rights import apply_changes, changes_of
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import grants
from jupyter_modelserve.controller.governance.securables import securable

operations = Operations(UC, listed=False)


async def _direct(request: Request, kind: str, name: str, principal: str) -> list[dict[str, Any]]:
    on = securable(kind, name)
    found = await controller(request).governance.read(actor_of(request), grants.listing, on, principal)
    by_principal: dict[str, list[str]] = defaultdict(list)
    for each in found:
        by_principal[each.principal].append(each.privilege)
    return [{"principal": who, "privileges": sorted(rights)} for who, rights in sorted(by_principal.items())]


async def _effective(request: Request, kind: str, name: str, principal: str) -> list[dict[str, Any]]:
    on = securable(kind, name)
    found = await controller(request).governance.read(actor_of(request), grants.effective, on, principal)
    by_principal: dict[str, list[dict[str, str]]] = defaultdict(list)
    for each in found:
        held = {"privilege": each.privilege}
        if (each.inherited_from_type, each.inherited_from_name) != (on.type, on.name):
            held["inherited_from_type"] = each.inherited_from_type.value
            held["inherited_from_name"] = each.inherited_from_name
        by_principal[each.principal].append(held)
    return [{"principal": who, "privileges": rights} for who, rights in sorted(by_principal.items())]


async def _answer(request: Request, key: str, work: Any, kind: str, name: str) -> JSONResponse:
    values = await arguments(request)
    values.setdefault("max_results", values.get("page_size"))
    found, token = page(await work(request, kind, name, word(values, "principal", "")), values)
    return JSONResponse({key: found, "next_page_token": token})


@operations.operation("GET", "/permissions/{kind}/{name}", Rule.USE)
async def get_permissions(request: Request, kind: str, name: str) -> JSONResponse:
    """Grants on this very object, of all or of one ``principal``."""
    return await _answer(request, "privilege_assignments", _direct, kind, name)


@operations.operation("PATCH", "/permissions/{kind}/{name}", Rule.USE)
async def update_permissions(request: Request, kind: str, name: str) -> JSONResponse:
    """All or none of ``{"changes": [{"principal", "add": […], "remove": […]}]}`` (REQ-086)."""
    values, on = await arguments(request), securable(kind, name)
    await controller(request).governance.change(actor_of(request), apply_changes, on, changes_of(values))
    await controller(request).publication.settle(SETTLE)
    if flag(values, "omit_permissions_in_response"):
        return JSONResponse({})
    return JSONResponse({"privilege_assignments": await _direct(request, kind, name, "")})


@operations.operation("GET", "/effective-permissions/{kind}/{name}", Rule.USE)
async def get_effective(request: Request, kind: str, name: str) -> JSONResponse:
    """Rights on an object with where they are inherited from."""
    return await _answer(request, "privilege_assignments", _effective, kind, name)


@operations.operation("GET", "/privilege-assignments/{kind}/{name}", Rule.USE)
async def list_permissions(request: Request, kind: str, name: str) -> JSONResponse:
    """Grants on this very object, as newer clients ask."""
    return await _answer(request, "privilege_assignments", _direct, kind, name)


@operations.operation("GET", "/effective-privilege-assignments/{kind}/{name}", Rule.USE)
async def list_effective(request: Request, kind: str, name: str) -> JSONResponse:
    """The same with inherited rights."""
    return await _answer(request, "effective_privilege_assignments", _effective, kind, name)
