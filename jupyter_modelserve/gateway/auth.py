"""Who calls: token checks against the snapshot's hashes (REQ-019, REQ-020, REQ-178)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace

from jupyter_modelserve import tickets
from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.errors import NotFound, PermissionDenied, Unauthenticated
from jupyter_modelserve.gateway import routing
from jupyter_modelserve.gateway.request import Request
from jupyter_modelserve.types import Scope, Snapshot, TokenGrant

_HOW = "send 'Authorization: Bearer <token>', or Basic with user name 'token'"


def read_token(authorization: bytes | None) -> bytes:
    """The token in an ``Authorization`` header: ``Bearer``, ``Basic`` with user ``token``, or Jupyter's ``token``.

    Raises:
        Unauthenticated: there is none, or not in one of these forms.
    """
    if authorization is None:
        raise Unauthenticated(f"no token; {_HOW}")
    scheme, _, rest = authorization.strip().partition(b" ")
    token = rest.strip()
    kind = scheme.lower()
    if kind in {b"bearer", b"token"}:
        pass
    elif kind == b"basic":
        token = _from_basic(token)
    else:
        raise Unauthenticated(f"this kind of authorization is not known; {_HOW}")
    if not token:
        raise Unauthenticated(f"the token is empty; {_HOW}")
    return token


def _from_basic(encoded: bytes) -> bytes:
    try:
        user, colon, token = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated(f"the Basic authorization is not base64; {_HOW}") from error
    if not colon or user != b"token":
        raise Unauthenticated("with Basic authorization the user name is the word 'token' and the password a token")
    return token


def authenticate(authorization: bytes | None, tokens: Mapping[str, TokenGrant], now: float | None = None) -> TokenGrant:
    """The grant behind an ``Authorization`` header. *now* is seconds since 1970.

    Raises:
        Unauthenticated: no token, or one that is unknown, revoked or expired.
    """
    grant = tokens.get(hashlib.sha256(read_token(authorization)).hexdigest())
    if grant is None:
        raise Unauthenticated("the token is not known here; it may have been revoked or belong to another instance")
    if grant.expires_at and (time.time() if now is None else now) * 1000 >= grant.expires_at:
        raise Unauthenticated("the token has expired; make a new one with: jupyter modelserve token create")
    return grant


def authenticate_ticket(request: Request, secret: str, tokens: Mapping[str, TokenGrant]) -> TokenGrant | None:
    """The grant behind a ticket: that of the token which asked for it. ``None`` when the request has no ticket.

    Raises:
        Unauthenticated: it was not made here, has ended, is for another address, or its token is no longer valid.
    """
    scheme, _, text = request.fields.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not text.startswith(tickets.PREFIX.encode()):
        return None
    now = time.time() * 1000
    ticket = tickets.read(secret, text.decode("latin-1").strip(), now)
    if ticket is not None and request.method in {"GET", "HEAD"} and request.path == ticket.path:
        for grant in tokens.values():
            if grant.id == ticket.token and not 0 < grant.expires_at <= now:
                return replace(grant, delegates=False)
    raise Unauthenticated("this ticket is for another address, or it has ended; ask for the file's address again")


def authorize(grant: TokenGrant, rule: Rule) -> None:
    """Refuse what the token's scopes do not cover: ``score`` covers scoring addresses only.

    Raises:
        PermissionDenied: the token may only score.
    """
    if Scope.ALL in grant.scopes or (rule is Rule.SCORE and Scope.SCORE in grant.scopes):
        return
    raise PermissionDenied("this token may only score; use one with the scope 'all' here", details={"scope": "all"})


def authorize_scoring(grant: TokenGrant, snapshot: Snapshot, path: str, method: str) -> None:
    """Refuse who may not score the models behind an address (EXECUTE, REQ-024).

    What the caller may not know of is answered as what is not there, in the same words.

    Raises:
        PermissionDenied: names the right and the model. NotFound: nothing there that the caller may know of.
    """
    access = snapshot.access
    if access is None or grant.principal in access.admins:
        return
    address = routing.parse(path, method)
    models = routing.models_behind(snapshot.routes, address)
    if not any(access.shows(grant.principal, each) for each in models):
        raise _unknown(address)
    for name in models:
        if not access.allows(grant.principal, name):
            raise PermissionDenied(
                f"{grant.principal} may not score {name}: EXECUTE on FUNCTION {name} is missing, or USE_CATALOG and "
                "USE_SCHEMA on what holds it",
                details={
                    "operation": "model.score",
                    "principal": grant.principal,
                    "securable_type": "FUNCTION",
                    "securable_name": name,
                    "hint": f"%why_denied {name} model.score tells who can grant it",
                },
            )


def shows(snapshot: Snapshot, grant: TokenGrant, model: str) -> bool:
    """Whether the caller may know of *model*."""
    return snapshot.access is None or snapshot.access.shows(grant.principal, model)


def _unknown(address: routing.ScoringAddress) -> NotFound:
    name = address.name
    details = {"name": name}
    if address.segment is not None:
        details["hint"] = f"%why_denied {name} model.score tells which right is missing and who can grant it"
    return NotFound(
        f"nothing named {name!r} is served that you may score: nothing of that name is served, or EXECUTE on its model "
        "is missing, or USE_CATALOG and USE_SCHEMA on what holds it",
        details=details,
    )
