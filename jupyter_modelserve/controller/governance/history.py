"""Reading the audit log: all of it for the metastore admin, an object's records for who manages it."""

from __future__ import annotations

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import securable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import audit
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import AuditRecord


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
    elif on is not None and on[0] == "MODEL":
        on = ("FUNCTION", on[1])
    return audit.listing(session.connection, after=after, securable=on, principal=principal, action=action, limit=limit)
