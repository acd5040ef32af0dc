"""Reading the audit log: all of it for the metastore admin, an object's records for who manages it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import securable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import audit, tables
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import AuditRecord

_BEGINS: Final = ("model created", "model renamed", "catalog created", "schema created")


def listing(
    session: Session, on: tuple[str, str] | None, principal: str, action: str, after: int, limit: int
) -> tuple[AuditRecord, ...]:
    """Records behind number *after*, oldest first.

    Raises:
        PermissionDenied: all records, and those of principals, tokens and endpoints, need the metastore admin.
    """
    if not session.may(Operation.AUDIT_ALL):
        if on is None:
            session.require(Operation.AUDIT_ALL)
            return ()
        try:
            thing = securable(*on)
        except InvalidParameter:
            session.require(Operation.AUDIT_ALL)
            return ()
        session.require(Operation.AUDIT_VIEW, thing)
        on = (thing.type.value, thing.name)
        if thing.parent is None or not session.may(Operation.AUDIT_VIEW, thing.parent):
            after = max(after, _before(session, on))
    elif on is not None and on[0] == "MODEL":
        on = ("FUNCTION", on[1])
    return audit.listing(session.connection, after=after, securable=on, principal=principal, action=action, limit=limit)


def _before(session: Session, on: tuple[str, str]) -> int:
    """Number of the last record of earlier objects of this name: their past is not the new owner's to read."""
    rows = tables.audit
    query = select(func.max(rows.c.number)).where(
        rows.c.securable_type == on[0], rows.c.securable_name == on[1], rows.c.action.in_(_BEGINS)
    )
    return int(session.connection.execute(query).scalar_one() or 1) - 1
