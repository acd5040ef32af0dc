"""Operations on grants, owners and the audit log; and why something is refused."""

from __future__ import annotations

from typing import Any

from fastapi import Body, Request
from fastapi.responses import JSONResponse

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.governance import changed, read, text
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.governance import grants, history, statements
from jupyter_modelserve.controller.governance.decide import explain
from jupyter_modelserve.controller.governance.securables import Right, Securable, right, securable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Decision, Grant
from jupyter_modelserve.types import from_json

operations = Operations(API)
MOST_RECORDS = 1000


@operations.operation("GET", "/grants/{kind}/{name}", Rule.USE)
async def list_grants(request: Request, kind: str, name: str, principal: str = "") -> JSONResponse:
    """Grants on this very object."""
    return JSONResponse({"grants": await read(request, grants.listing, securable(kind, name), principal)})


@operations.operation("PATCH", "/grants/{kind}/{name}", Rule.USE)
async def change_grants(request: Request, kind: str, name: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """All or none of ``{"changes": [{"principal", "add": [...], "remove": [...]}]}``."""
    on = securable(kind, name)
    await changed(request, apply_changes, on, changes_of(body))
    return JSONResponse({"grants": await read(request, grants.listing, on)})


def _list(body: dict[str, Any], field: str) -> list[Any]:
    found = body.get(field, [])
    if not isinstance(found, list):
        raise InvalidParameter(f"{field}: must be a list", details={"field": field})
    return found


def _one(change: Any) -> tuple[str, list[Right], list[Right]]:
    if not isinstance(change, dict):
        raise InvalidParameter("changes: each one is an object", details={"field": "changes"})
    rights = [[right(str(each)) for each in _list(change, field)] for field in ("add", "remove")]
    return text(change, "principal"), rights[0], rights[1]


def changes_of(body: dict[str, Any]) -> list[tuple[str, list[Right], list[Right]]]:
    """Principal, rights to add and rights to remove of each of a body's changes. Raises InvalidParameter."""
    return [_one(each) for each in _list(body, "changes")]


def apply_changes(
    session: Session, on: Securable, changes: list[tuple[str, list[Right], list[Right]]]
) -> tuple[Grant, ...]:
    """Grant and revoke, all or nothing. Raises as :func:`grants.grant`."""
    for principal, added, removed in changes:
        for each in added:
            grants.grant(session, principal, each, on)
        for each in removed:
            grants.revoke(session, principal, each, on)
    return ()


@operations.operation("PUT", "/owner/{kind}/{name}", Rule.USE)
async def set_owner(request: Request, kind: str, name: str, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Give an object to ``{"owner"}``: a user, a service principal or a group (REQ-080)."""
    await changed(request, grants.set_owner, securable(kind, name), text(body, "owner"))
    return JSONResponse({"owner": text(body, "owner")})


@operations.operation("GET", "/effective/{kind}/{name}", Rule.USE)
async def list_effective(request: Request, kind: str, name: str, principal: str = "") -> JSONResponse:
    """Rights that somebody (or everybody) holds on an object, inherited ones included."""
    return JSONResponse({"privileges": await read(request, grants.effective, securable(kind, name), principal)})


@operations.operation("GET", "/why/{kind}/{name}", Rule.USE)
async def why(
    request: Request, kind: str, name: str, operation: str, principal: str = "", detail: str = ""
) -> JSONResponse:
    """Whether an operation is allowed; if not, which right on which object is missing and who can grant it."""
    found = await read(request, grants.why, operation, securable(kind, name), principal, detail)
    return JSONResponse({"decision": found, "text": explain(from_json(Decision, found))})


@operations.operation("POST", "/statements", Rule.USE)
async def run_statements(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """Run ``{"statement": "GRANT …"}``: all statements in it or none."""
    answer = await changed(request, statements.run, text(body, "statement"))
    return JSONResponse({"results": _plain(answer)})


def _plain(answer: JSONResponse) -> Any:
    import json

    return json.loads(bytes(answer.body))


@operations.operation("GET", "/audit", Rule.USE)
async def list_audit(
    request: Request, kind: str = "", name: str = "", principal: str = "", action: str = "",
    after: int = 0, limit: int = 200,
) -> JSONResponse:  # fmt: skip
    """Who changed what, when, from what to what and with which client; oldest first behind record ``after``."""
    if not 1 <= limit <= MOST_RECORDS:
        raise InvalidParameter(f"limit: must be 1 to {MOST_RECORDS}", details={"field": "limit"})
    on = (kind.upper(), name) if kind else None
    return JSONResponse({"records": await read(request, history.listing, on, principal, action, after, limit)})
