"""Tickets: one file, for some minutes, for whoever held a token when they asked (floor 0: imports nothing of ours).

Some clients ask for the address of a file and fetch it without their token (MLflow's workspace registry of Databricks).
They are given a ticket for that one address instead. The controller makes it, the gateway looks at it; both know the
instance's secret. It ends with its token, and what it leads to is judged again by the rights of the token's principal.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "mst_"
LIFETIME_MS: Final = 15 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Ticket:
    """``token`` is the id of the token that asked, ``path`` the decoded address, ``expires_at`` ms since 1970."""

    token: str
    path: str
    expires_at: int


def make(secret: str, ticket: Ticket) -> str:
    """The ticket as text, which goes into a header and never into an address."""
    said = json.dumps([ticket.token, ticket.path, ticket.expires_at]).encode()
    body = PREFIX + base64.urlsafe_b64encode(said).decode()
    return f"{body}.{_sign(secret, body)}"


def read(secret: str, text: str, now_ms: float) -> Ticket | None:
    """What a ticket says; ``None`` when nobody here made it, or it has ended."""
    body, _, signature = text.partition(".")
    if not hmac.compare_digest(signature.encode(), _sign(secret, body).encode()) or not body.startswith(PREFIX):
        return None
    ticket = Ticket(*json.loads(base64.urlsafe_b64decode(body.removeprefix(PREFIX))))
    return ticket if now_ms < ticket.expires_at else None


def _sign(secret: str, body: str) -> str:
    return hmac.new(f"modelserve ticket {secret}".encode(), body.encode(), hashlib.sha256).hexdigest()
