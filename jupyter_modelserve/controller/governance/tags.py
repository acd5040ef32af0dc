"""Tag policy: limits that hold everywhere, and governed keys with a list of allowed values (REQ-097)."""

from __future__ import annotations

import json
from typing import Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.errors import InvalidParameter

MOST_TAGS: Final = 50
LONGEST_KEY: Final = 250
LONGEST_VALUE: Final = 1000
RESERVED: Final = "mlflow.prompt."
"""MLflow takes a model with such a tag for a prompt and hides it from every model search."""


def check_tag(connection: Connection, key: str, value: str) -> None:
    """Refuse a tag that no policy allows.

    Raises:
        InvalidParameter: names the limit or the allowed values.
    """
    problem = problem_of(key, value)
    if problem is None:
        allowed = policies(connection).get(key)
        if allowed is not None and value not in allowed:
            problem = f"may be {', '.join(allowed)} by the tag policy, not {value[:80]!r}"
    if problem is not None:
        raise InvalidParameter(f"tag {key[:80]!r} {problem}", details={"field": "tag", "key": key[:250]})


def problem_of(key: str, value: str = "") -> str | None:
    """What is wrong with a tag, whatever the policies."""
    if key.lower().startswith(RESERVED):
        return "is reserved: it would hide the model from every search; choose another key"
    if len(key) > LONGEST_KEY:
        return f"is longer than {LONGEST_KEY} characters"
    if len(value) > LONGEST_VALUE and not key.startswith("mlflow."):
        return f"has a value of more than {LONGEST_VALUE} characters; keep long texts in the description"
    return None


def check_count(count: int, where: str) -> None:
    """At most fifty tags on one model or version. Raises InvalidParameter."""
    if count > MOST_TAGS:
        raise InvalidParameter(f"{where} would have more than {MOST_TAGS} tags; delete one first")


def policies(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Governed keys with their allowed values."""
    rows = connection.execute(select(tables.tag_policies).order_by(tables.tag_policies.c.key))
    return {row.key: tuple(json.loads(row.allowed)) for row in rows}


def set_policy(session: Session, key: str, allowed: tuple[str, ...], comment: str = "") -> None:
    """Govern a key, or change which values it may have. Tags that exist stay as they are.

    Raises:
        PermissionDenied; InvalidParameter: no key, or no values.
    """
    session.require(Operation.POLICY_CHANGE)
    if not key or len(key) > LONGEST_KEY or not allowed:
        raise InvalidParameter("a tag policy needs a key and at least one allowed value", details={"field": "allowed"})
    before = policies(session.connection).get(key, ())
    values = {"key": key, "allowed": json.dumps(list(allowed)), "comment": comment[:1000]}
    row = insert(tables.tag_policies).values(**values)
    session.connection.execute(row.on_conflict_do_update(index_elements=["key"], set_=values))
    session.recorded("tag policy set", "TAG_POLICY", key, ", ".join(before), ", ".join(allowed))


def remove_policy(session: Session, key: str) -> None:
    """Any value is allowed again; idempotent."""
    session.require(Operation.POLICY_CHANGE)
    before = policies(session.connection).get(key)
    if before is not None:
        session.connection.execute(delete(tables.tag_policies).where(tables.tag_policies.c.key == key))
        session.recorded("tag policy removed", "TAG_POLICY", key, ", ".join(before))
