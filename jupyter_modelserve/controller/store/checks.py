"""Verdicts of checks, by the digest of the model's files: they hold for every version that is made of them."""

from __future__ import annotations

import json
from contextlib import suppress

from sqlalchemy import Connection, delete, insert, select

from jupyter_modelserve.checked import Check
from jupyter_modelserve.controller.store.tables import checks
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import from_json, to_json

MOST = 2000
"""Verdicts that are kept, the newest."""


def save(connection: Connection, digest: str, trial: bool, check: Check) -> None:
    """Keep *check* as the latest of these files: of the model as it is, or (*trial*) with overrides."""
    one = (checks.c.digest == digest) & (checks.c.trial == trial)
    connection.execute(delete(checks).where(one))
    document = json.dumps(to_json(check))
    connection.execute(insert(checks).values(digest=digest, trial=trial, at=check.started_at, document=document))
    oldest = select(checks.c.at).order_by(checks.c.at.desc()).offset(MOST).limit(1)
    limit = connection.execute(oldest).scalar_one_or_none()
    if limit is not None:
        connection.execute(delete(checks).where(checks.c.at <= limit))


def find(connection: Connection, digest: str) -> dict[bool, Check]:
    """The latest checks of these files, with overrides (true) and without."""
    rows = connection.execute(select(checks.c.trial, checks.c.document).where(checks.c.digest == digest)).all()
    found = {}
    for row in rows:
        # What another version of this program wrote and we cannot read is as good as none: check again.
        with suppress(InvalidParameter, ValueError):
            found[bool(row.trial)] = from_json(Check, json.loads(row.document))
    return found
