"""Who the caller is, and tokens, as databricks-sdk asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces import scim_words
from jupyter_modelserve.controller.api.faces.common import SETTLE, arguments, controller, word
from jupyter_modelserve.controller.api.faces.table import SCIM, TOKEN, TOKENS
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.api.tokens import LONGEST_LIFETIME
from jupyter_modelserve.controller.governance import principals, tokens
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import PrincipalKind
from jupyter_modelserve.types import Scope, TokenInfo

identity = Operations(SCIM, listed=False)
own = Operations(TOKEN, listed=False)
others = Operations(TOKENS, listed=False)


@identity.operation("GET", "/Me", Rule.USE)
async def me(request: Request) -> JSONResponse:
    """The caller in SCIM's words; the group ``admins`` means that it administers the metastore."""
    found = await controller(request).governance.read(actor_of(request), principals.get, actor_of(request).principal)
    return JSONResponse(scim_words.resource(replace(found, kind=PrincipalKind.USER)))


def _info(info: TokenInfo) -> dict[str, Any]:
    return {
        "token_id": info.id,
        "comment": info.comment,
        "creation_time": info.created_at,
        "expiry_time": info.expires_at or -1,
        "scopes": [each.value for each in info.scopes],
    }


async def _make(request: Request, values: dict[str, Any], principal: str) -> JSONResponse:
    lifetime = values.get("lifetime_seconds")
    if lifetime is not None and not (type(lifetime) is int and 0 < lifetime <= LONGEST_LIFETIME):
        raise InvalidParameter(
            "lifetime_seconds: must be a number of seconds, or nothing for ever", details={"field": "lifetime_seconds"}
        )
    asked = values.get("scopes") or [Scope.ALL]
    if not isinstance(asked, list) or not all(each in list(Scope) for each in asked):
        raise InvalidParameter(f"scopes: must be a list of {', '.join(Scope)}", details={"field": "scopes"})
    parts, actor = controller(request), actor_of(request)
    scopes, comment = tuple(Scope(each) for each in asked), word(values, "comment", "")[:200]
    token, info = await parts.governance.change(
        actor, tokens.create, principal or actor.principal, comment, scopes, lifetime
    )
    await parts.publication.settle(SETTLE)
    return JSONResponse({"token_value": token, "token_info": _info(info)}, headers={"cache-control": "no-store"})


@own.operation("POST", "/create", Rule.MANAGE)
async def create_token(request: Request) -> JSONResponse:
    """A token of one's own: ``{"comment", "lifetime_seconds"}``; the secret is shown this once (REQ-019, REQ-020)."""
    return await _make(request, await arguments(request), "")


@own.operation("GET", "/list", Rule.MANAGE)
async def list_tokens(request: Request) -> JSONResponse:
    """One's own tokens, without their secrets."""
    actor = actor_of(request)
    found = await controller(request).governance.read(actor, tokens.listing)
    mine = [_info(each) for each in found if each.principal == actor.principal]
    return JSONResponse({"token_infos": mine})


@own.operation("POST", "/delete", Rule.MANAGE)
async def delete_token(request: Request) -> JSONResponse:
    """End a token: ``{"token_id"}``; refused within a second."""
    token_id = word(await arguments(request), "token_id")
    await controller(request).governance.change(actor_of(request), tokens.revoke, token_id)
    await controller(request).publication.settle(SETTLE)
    return JSONResponse({})


@others.operation("POST", "/on-behalf-of/tokens", Rule.MANAGE)
async def create_for_service_principal(request: Request) -> JSONResponse:
    """A token for a service principal, by an admin: ``{"application_id", "lifetime_seconds", "comment"}`` (REQ-021)."""
    values = await arguments(request)
    return await _make(request, values, word(values, "application_id"))
