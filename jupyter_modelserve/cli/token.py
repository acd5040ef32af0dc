"""``token``: the user's own token, and tokens for other programs."""

from __future__ import annotations

import argparse
import sys
import time

from jupyter_modelserve.errors import NotRunning
from jupyter_modelserve.settings import Paths


def show(_: argparse.Namespace) -> int:
    """Print the local user's token: it is the user's own, and this is the one place that shows it."""
    try:
        print(Paths.default().token_file.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        raise NotRunning("there is no token yet; `jupyter modelserve up` makes one") from None
    return 0


def create(arguments: argparse.Namespace) -> int:
    """Make a token; its secret goes to standard output and nowhere else, all other words to standard error."""
    from jupyter_modelserve.cli.connection import connect

    with connect() as client:
        secret, info = client.create_token(arguments.comment, arguments.lifetime, (arguments.scope,))
    print(secret)
    print(
        f"keep it now, it is not shown again; revoke it with `jupyter modelserve token revoke {info.id}`",
        file=sys.stderr,
    )
    return 0


def listing(_: argparse.Namespace) -> int:
    """Print the caller's tokens without their secrets."""
    from jupyter_modelserve.cli.connection import connect
    from jupyter_modelserve.client.display import text_table

    with connect() as client:
        found = client.tokens()
    rows = [
        (
            each.id,
            ",".join(each.scopes),
            _day(each.created_at),
            _day(each.expires_at),
            _day(each.last_used_at),
            each.comment,
        )
        for each in found
    ]
    print(text_table(("ID", "SCOPE", "CREATED", "EXPIRES", "LAST USED", "COMMENT"), rows))
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    """Revoke one token."""
    from jupyter_modelserve.cli.connection import connect

    with connect() as client:
        client.delete_token(arguments.id)
    print(f"revoked {arguments.id}")
    return 0


def _day(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(milliseconds / 1000)) if milliseconds else "never"
