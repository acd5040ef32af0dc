"""Reading the past: audit records and events, each as far as it is the reader's to know.

The metastore admin reads everything. Others read what concerns an object as it is now: what an earlier object of the
same name went through is not theirs.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.governance.securables import securable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.registry import renames
from jupyter_modelserve.controller.store import audit, tables
from jupyter_modelserve.controller.store import events as store
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import AuditRecord
from jupyter_modelserve.types import Event

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


def events(session: Session, endpoint: str, after: int) -> tuple[Event, ...]:
    """Events of an endpoint behind number *after*, oldest first; that the caller may see the endpoint has been judged.

    Without the metastore admin's rights they begin with the endpoint's creation, and leave out those of models that
    the caller may not see.
    """
    if session.may(Operation.AUDIT_ALL):
        return store.after(session.connection, endpoint, after)
    after = max(after, store.begun(session.connection, endpoint))
    now_called = renames.known(session.connection)
    while True:
        found = store.after(session.connection, endpoint, after)
        named = {each.model for each in found if each.model}
        seen = {each for each in named if session.may(Operation.MODEL_VIEW, model_of(now_called.get(each, each)))}
        kept = tuple(each for each in found if not each.model or each.model in seen)
        if kept or len(found) < store.PAGE:
            return kept
        after = found[-1].number
