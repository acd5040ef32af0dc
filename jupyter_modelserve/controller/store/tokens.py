"""Tokens: only their SHA-256 is kept (REQ-019, REQ-020)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select, update

from jupyter_modelserve.controller.store.database import get_meta, now_ms, set_meta
from jupyter_modelserve.controller.store.tables import tokens
from jupyter_modelserve.errors import NotFound
from jupyter_modelserve.types import Scope, TokenGrant, TokenInfo

PREFIX = "ms_"
LOCAL = "local_token"
"""Hash of the local user's token, as it is kept: the one that may speak for others."""


def hashed(token: str) -> str:
    """What is stored of a token. It is random, 256 bits: a plain hash cannot be reversed by guessing."""
    return hashlib.sha256(token.encode()).hexdigest()


def _scopes(text: str) -> tuple[Scope, ...]:
    return tuple(Scope(each) for each in text.split())


def adopt(connection: Connection, token: str, principal: str, comment: str) -> None:
    """Make sure that an existing token (the local user's file) is known."""
    if connection.execute(select(tokens.c.id).where(tokens.c.hash == hashed(token))).first() is None:
        _insert(connection, token, principal, comment, (Scope.ALL,), 0)
    set_meta(connection, LOCAL, hashed(token))


def create(
    connection: Connection, principal: str, comment: str, scopes: tuple[Scope, ...], lifetime: int | None
) -> tuple[str, TokenInfo]:
    """A fresh token, shown this once, and its description. ``lifetime`` is seconds, ``None`` for ever."""
    token = PREFIX + secrets.token_urlsafe(32)
    expires = now_ms() + lifetime * 1000 if lifetime else 0
    return token, _insert(connection, token, principal, comment, scopes, expires)


def _insert(
    connection: Connection, token: str, principal: str, comment: str, scopes: tuple[Scope, ...], expires: int
) -> TokenInfo:
    info = TokenInfo(secrets.token_hex(8), principal, comment, scopes, now_ms(), expires)
    connection.execute(
        insert(tokens).values(
            id=info.id,
            hash=hashed(token),
            principal=principal,
            comment=comment,
            scopes=" ".join(scopes),
            created_at=info.created_at,
            expires_at=expires,
        )
    )
    return info


def listing(connection: Connection) -> tuple[TokenInfo, ...]:
    """Every token without its secret, oldest first."""
    rows = connection.execute(select(tokens).order_by(tokens.c.created_at))
    return tuple(
        TokenInfo(
            id=row.id,
            principal=row.principal,
            comment=row.comment,
            scopes=_scopes(row.scopes),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )
        for row in rows
    )


def grants(connection: Connection) -> dict[str, TokenGrant]:
    """What the gateway needs: hash → what it stands for; expired ones are left out."""
    rows = connection.execute(select(tokens).where((tokens.c.expires_at == 0) | (tokens.c.expires_at > now_ms())))
    local = get_meta(connection, LOCAL)
    return {
        row.hash: TokenGrant(row.id, row.principal, _scopes(row.scopes), row.expires_at, row.hash == local)
        for row in rows
    }


def revoke(connection: Connection, token_id: str) -> None:
    """End a token at once.

    Raises:
        NotFound: there is none of that id.
    """
    if not connection.execute(delete(tokens).where(tokens.c.id == token_id)).rowcount:
        raise NotFound(f"token {token_id!r} does not exist", details={"token": token_id})


def used(connection: Connection, seen: Mapping[str, int]) -> None:
    """Note when tokens were last used (milliseconds since 1970)."""
    for token_id, at in seen.items():
        connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=at))
