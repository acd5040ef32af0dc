"""Operations on tokens: everybody's own, and for the metastore admin those of others (REQ-019 to REQ-021)."""

from __future__ import annotations

from typing import Any

from fastapi import Body, Request, Response
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import tokens
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import Scope, to_json

SETTLE = 2.0
"""Seconds to wait until the gateway knows a change of tokens, so that a new one works when it is shown."""
LONGEST_LIFETIME = 10 * 365 * 24 * 3600
operations = Operations(API)


@operations.operation("GET", "/tokens", Rule.MANAGE)
async def list_tokens(request: Request) -> JSONResponse:
    """Tokens without their secrets: one's own, for the metastore admin everybody's."""
    found = await _controller(request).governance.read(actor_of(request), tokens.listing)
    return JSONResponse({"tokens": to_json(found)})


@operations.operation("POST", "/tokens", Rule.MANAGE)
async def create_token(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """A fresh token of the caller's; the secret is shown this once (REQ-019, REQ-020).

    An admin names another ``principal``, above all a service principal (REQ-021).
    """
    lifetime = body.get("lifetime")
    if lifetime is not None and not (type(lifetime) is int and 0 < lifetime <= LONGEST_LIFETIME):
        raise InvalidParameter("lifetime: must be a number of seconds, or null for ever", details={"field": "lifetime"})
    asked = body.get("scopes", [Scope.ALL])
    if not isinstance(asked, list) or not asked or not all(each in list(Scope) for each in asked):
        known = ", ".join(Scope)
        raise InvalidParameter(f"scopes: must be a list of one or more of {known}", details={"field": "scopes"})
    controller, actor = _controller(request), actor_of(request)
    principal = str(body.get("principal") or actor.principal)
    scopes, comment = tuple(Scope(each) for each in asked), str(body.get("comment", ""))[:200]
    token, info = await controller.governance.change(actor, tokens.create, principal, comment, scopes, lifetime)
    await controller.publication.settle(SETTLE)
    return JSONResponse({"token": token, "info": to_json(info)}, headers={"cache-control": "no-store"})


@operations.operation("DELETE", "/tokens/{token_id}", Rule.MANAGE, status_code=204)
async def revoke_token(request: Request, token_id: str) -> Response:
    """End a token; the gateway refuses it within a second."""
    controller = _controller(request)
    await controller.governance.change(actor_of(request), tokens.revoke, token_id)
    await controller.publication.settle(SETTLE)
    return Response(status_code=204)
