"""Tokens with rights: everybody's own, and for the metastore admin those of every user and service principal."""

from __future__ import annotations

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.principals import unknown
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import tokens as store
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.governed import PrincipalKind
from jupyter_modelserve.types import Scope, TokenInfo


def listing(session: Session) -> tuple[TokenInfo, ...]:
    """One's own tokens; the metastore admin sees all."""
    session.require(Operation.TOKENS_OWN)
    found = store.listing(session.connection)
    if session.may(Operation.TOKENS_OTHERS):
        return found
    return tuple(each for each in found if each.principal == session.principal)


def create(
    session: Session, principal: str, comment: str, scopes: tuple[Scope, ...], lifetime: int | None
) -> tuple[str, TokenInfo]:
    """A fresh token for oneself, or by the metastore admin for another principal.

    Raises:
        PermissionDenied, NotFound. InvalidParameter: groups cannot sign in.
    """
    session.require(Operation.TOKENS_OWN if principal == session.principal else Operation.TOKENS_OTHERS)
    kind = session.state.principals.get(principal)
    if kind is None:
        raise unknown(principal)
    if kind is PrincipalKind.GROUP:
        raise InvalidParameter(f"{principal!r} is a group: tokens belong to users and service principals")
    token, info = store.create(session.connection, principal, comment, scopes, lifetime)
    session.recorded("token created", "TOKEN", info.id, after=f"{principal}: {' '.join(scopes)}")
    return token, info


def revoke(session: Session, token_id: str) -> None:
    """End a token. Raises NotFound, also for a token of somebody else's that the caller may not touch."""
    found = next((each for each in listing(session) if each.id == token_id), None)
    if found is None:
        raise NotFound(f"token {token_id!r} does not exist", details={"token": token_id})
    store.revoke(session.connection, token_id)
    session.recorded("token revoked", "TOKEN", token_id, before=found.principal)
