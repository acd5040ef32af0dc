"""Users, groups and service principals in SCIM's words, as databricks-sdk asks for them (REQ-021, REQ-080).

A small part of SCIM: list with one simple filter, get, create, delete, and members of groups. What it cannot keep
(entitlements, roles, an inactive user) is refused rather than forgotten.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces import scim_words as words
from jupyter_modelserve.controller.api.faces.common import SETTLE, arguments, controller, word
from jupyter_modelserve.controller.api.faces.table import SCIM
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import principals
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.governed import Principal, PrincipalKind

operations = Operations(SCIM, listed=False)
USER, GROUP, SERVICE = PrincipalKind.USER, PrincipalKind.GROUP, PrincipalKind.SERVICE_PRINCIPAL
_REFUSED = ("entitlements", "roles")


# ---------------------------------------------------------------------------------------------------- in a transaction
def _known(session: Session, kind: PrincipalKind | None = None) -> list[Principal]:
    return [each for each in principals.listing(session) if kind is None or each.kind is kind]


def _find(session: Session, kind: PrincipalKind | None, number: str) -> Principal:
    """By SCIM's id. Raises NotFound."""
    found = next((each for each in _known(session, kind) if words.id_of(each.name) == number), None)
    if found is None:
        what = kind.value.replace("_", " ") if kind else "principal"
        raise NotFound(f"there is no {what} with the id {number[:40]!r}", details={"id": number[:40]})
    return found


def _create(session: Session, kind: PrincipalKind, name: str, display: str, members: list[str]) -> Principal:
    made = principals.create(session, name, kind, "" if display == name else display)
    for each in members:
        made = principals.add_member(session, name, _find(session, None, each).name)
    return made


def _delete(session: Session, kind: PrincipalKind, number: str) -> None:
    principals.remove(session, _find(session, kind, number).name)


def _patch(session: Session, number: str, changes: list[words.Members]) -> None:
    """Change the members of a group, all or nothing."""
    group = _find(session, GROUP, number)
    for change in changes:
        wanted = {_find(session, None, each).name for each in change.ids}
        before = set(principals.get(session, group.name).members)
        for name in sorted(wanted - before if change.op != "remove" else ()):
            principals.add_member(session, group.name, name)
        gone = {"add": set[str](), "remove": wanted & before, "replace": before - wanted}[change.op]
        for name in sorted(before if change.every else gone):
            principals.remove_member(session, group.name, name)


# ---------------------------------------------------------------------------------------------------- requests
async def _change(request: Request, work: Any, *values: Any) -> Any:
    found = await controller(request).governance.change(actor_of(request), work, *values)
    await controller(request).publication.settle(SETTLE)
    return found


async def _listed(request: Request, kind: PrincipalKind) -> JSONResponse:
    values = await arguments(request)
    found = await controller(request).governance.read(actor_of(request), _known, kind)
    return JSONResponse(words.page([words.resource(each) for each in found], values))


async def _one(request: Request, kind: PrincipalKind, number: str) -> JSONResponse:
    found = await controller(request).governance.read(actor_of(request), _find, kind, number)
    return JSONResponse(words.resource(found))


async def _made(request: Request, kind: PrincipalKind, *named_by: str) -> JSONResponse:
    values = await arguments(request)
    for each in _REFUSED:
        if values.get(each):
            raise InvalidParameter(f"{each}: there are none here; grant rights on objects", details={"field": each})
    if values.get("active") is False:
        raise InvalidParameter("active: nobody is kept inactive; delete instead", details={"field": "active"})
    name = next((word(values, each) for each in named_by if values.get(each)), "")
    if not name:
        raise InvalidParameter(f"{named_by[0]}: must be a text", details={"field": named_by[0]})
    members = words.ids(values.get("members") or [])
    found = await _change(request, _create, kind, name, word(values, "displayName", ""), members)
    return JSONResponse(words.resource(found), 201)


async def _gone(request: Request, kind: PrincipalKind, number: str) -> Response:
    await _change(request, _delete, kind, number)
    return Response(status_code=204)


# ---------------------------------------------------------------------------------------------------- users
@operations.operation("GET", "/Users", Rule.USE)
async def list_users(request: Request) -> JSONResponse:
    """Users, by name; ``filter``, ``startIndex`` and ``count`` as in SCIM."""
    return await _listed(request, USER)


@operations.operation("POST", "/Users", Rule.MANAGE, status_code=201)
async def create_user(request: Request) -> JSONResponse:
    """Add a user: ``{"userName", "displayName"}``."""
    return await _made(request, USER, "userName")


@operations.operation("GET", "/Users/{number}", Rule.USE)
async def get_user(request: Request, number: str) -> JSONResponse:
    """One user."""
    return await _one(request, USER, number)


@operations.operation("DELETE", "/Users/{number}", Rule.MANAGE, status_code=204)
async def delete_user(request: Request, number: str) -> Response:
    """Remove a user with grants and tokens."""
    return await _gone(request, USER, number)


# ---------------------------------------------------------------------------------------- service principals
@operations.operation("GET", "/ServicePrincipals", Rule.USE)
async def list_service_principals(request: Request) -> JSONResponse:
    """Service principals, by name."""
    return await _listed(request, SERVICE)


@operations.operation("POST", "/ServicePrincipals", Rule.MANAGE, status_code=201)
async def create_service_principal(request: Request) -> JSONResponse:
    """Add a service principal: ``{"applicationId", "displayName"}``; without the one, the other is its name."""
    return await _made(request, SERVICE, "applicationId", "displayName")


@operations.operation("GET", "/ServicePrincipals/{number}", Rule.USE)
async def get_service_principal(request: Request, number: str) -> JSONResponse:
    """One service principal."""
    return await _one(request, SERVICE, number)


@operations.operation("DELETE", "/ServicePrincipals/{number}", Rule.MANAGE, status_code=204)
async def delete_service_principal(request: Request, number: str) -> Response:
    """Remove a service principal with grants and tokens."""
    return await _gone(request, SERVICE, number)


# ---------------------------------------------------------------------------------------------------- groups
@operations.operation("GET", "/Groups", Rule.USE)
async def list_groups(request: Request) -> JSONResponse:
    """Groups with their members, by name."""
    return await _listed(request, GROUP)


@operations.operation("POST", "/Groups", Rule.MANAGE, status_code=201)
async def create_group(request: Request) -> JSONResponse:
    """Add a group: ``{"displayName", "members": [{"value": id}]}``."""
    return await _made(request, GROUP, "displayName")


@operations.operation("GET", "/Groups/{number}", Rule.USE)
async def get_group(request: Request, number: str) -> JSONResponse:
    """One group with its members."""
    return await _one(request, GROUP, number)


@operations.operation("PATCH", "/Groups/{number}", Rule.MANAGE, status_code=204)
async def patch_group(request: Request, number: str) -> Response:
    """Add, remove or replace members: SCIM's ``{"Operations": [{"op", "path": "members", "value"}]}``."""
    await _change(request, _patch, number, words.members(await arguments(request)))
    return Response(status_code=204)


@operations.operation("DELETE", "/Groups/{number}", Rule.MANAGE, status_code=204)
async def delete_group(request: Request, number: str) -> Response:
    """Remove a group; its members stay."""
    return await _gone(request, GROUP, number)
