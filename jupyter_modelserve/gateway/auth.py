"""Who calls: token checks against the snapshot's hashes (REQ-019, REQ-020, REQ-178)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Mapping

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.errors import NotFound, PermissionDenied, Unauthenticated
from jupyter_modelserve.gateway import routing
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

    Raises:
        PermissionDenied: names the right and the model. NotFound: nothing there that the caller may know of.
    """
    access = snapshot.access
    if access is None or grant.principal in access.admins:
        return
    address = routing.parse(path, method)
    models = routing.models_behind(snapshot.routes, address)
    if not models:
        raise NotFound(f"nothing named {address.name!r} is served that you may score", details={"name": address.name})
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
