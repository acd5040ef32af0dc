"""Grant, revoke, show, own: the changes of rights, each judged and recorded."""

from __future__ import annotations

from sqlalchemy import delete, insert, inspect, select, text, update

from jupyter_modelserve.controller.governance import catalogs
from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.effective import describe
from jupyter_modelserve.controller.governance.operations import RULES, Operation
from jupyter_modelserve.controller.governance.principals import unknown
from jupyter_modelserve.controller.governance.securables import METASTORE, Right, Securable, check_grantable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.errors import Conflict, InvalidParameter, NotFound
from jupyter_modelserve.governed import Decision, EffectivePrivilege, Grant, PrincipalKind, SecurableType


def grant(session: Session, principal: str, right: Right, on: Securable) -> None:
    """Give a right; idempotent.

    Raises:
        PermissionDenied, NotFound (object or principal), InvalidParameter (a right that the object does not know).
    """
    _check(session, Operation.GRANTS_CHANGE, principal, on)
    check_grantable(right, on)
    if right in session.state.grants.get(on, {}).get(principal, ()):
        return
    session.connection.execute(
        insert(tables.grants).values(
            type=on.type.value,
            name=on.name,
            principal=principal,
            privilege=right.privilege.value,
            detail=right.detail,
            granted_by=session.principal,
            granted_at=now_ms(),
        )
    )
    session.changed("granted", on, after=f"{right} to {principal}")


def revoke(session: Session, principal: str, right: Right, on: Securable) -> None:
    """Take a right back that was granted on this very object; idempotent. Raises as :func:`grant`."""
    _check(session, Operation.GRANTS_CHANGE, principal, on)
    check_grantable(right, on)
    if right not in session.state.grants.get(on, {}).get(principal, ()):
        return
    rows = tables.grants
    session.connection.execute(
        delete(rows).where(
            rows.c.type == on.type.value,
            rows.c.name == on.name,
            rows.c.principal == principal,
            rows.c.privilege == right.privilege.value,
            rows.c.detail == right.detail,
        )
    )
    session.changed("revoked", on, before=f"{right} from {principal}")


def _check(session: Session, operation: Operation, principal: str, on: Securable) -> None:
    session.require(operation, on)
    check_exists(session, on)
    if principal not in session.state.principals:
        raise unknown(principal)


def check_exists(session: Session, on: Securable) -> None:
    """Raises NotFound when there is no such object."""
    if on.type in {SecurableType.CATALOG, SecurableType.SCHEMA}:
        if not catalogs.exists(session.connection, on):
            raise catalogs.missing(on)
    elif on.type is SecurableType.FUNCTION and not model_exists(session, on.name):
        raise NotFound(f"{on.name} is not registered; `%models` lists what is", details={"model": on.name})


def model_exists(session: Session, name: str) -> bool:
    """Whether a model of that name is registered."""
    if not inspect(session.connection).has_table("registered_models"):
        return False
    query = text("SELECT 1 FROM registered_models WHERE name = :name")
    return session.connection.execute(query, {"name": name}).first() is not None


def set_owner(session: Session, on: Securable, owner: str) -> None:
    """Give an object to a user, a service principal or a group (REQ-080).

    Raises:
        PermissionDenied, NotFound. Conflict: the metastore would be left without an admin.
    """
    _check(session, Operation.OWNER_CHANGE, owner, on)
    if on == METASTORE and session.state.principals[owner] is PrincipalKind.GROUP:
        members = [name for name, groups in session.state.groups.items() if owner in groups]
        if not members:
            raise Conflict(f"group {owner!r} has no members: the metastore would have no admin")
    before = session.state.owner(on)
    if before == owner and on in session.state.owners:
        return
    rows = tables.owners
    key = (rows.c.type == on.type.value) & (rows.c.name == on.name)
    if not session.connection.execute(update(rows).where(key).values(owner=owner)).rowcount:
        session.connection.execute(insert(rows).values(type=on.type.value, name=on.name, owner=owner))
    session.changed("owner changed", on, before, owner)


def listing(session: Session, on: Securable, principal: str = "") -> tuple[Grant, ...]:
    """Grants on this very object. One's own may always be seen, those of others need MANAGE."""
    mine = session.state.identities(session.principal)
    if not (principal and principal in mine):
        session.require(Operation.GRANTS_VIEW, on)
        check_exists(session, on)
    rows = tables.grants
    query = select(rows).where(rows.c.type == on.type.value, rows.c.name == on.name)
    if principal:
        query = query.where(rows.c.principal == principal)
    return tuple(_grant(row) for row in session.connection.execute(query.order_by(rows.c.principal, rows.c.privilege)))


def of_principal(session: Session, principal: str) -> tuple[Grant, ...]:
    """Everything granted to one principal by name; others' needs the metastore admin."""
    if principal not in session.state.identities(session.principal):
        session.require(Operation.GRANTS_VIEW, METASTORE)
    rows = tables.grants
    query = select(rows).where(rows.c.principal == principal).order_by(rows.c.type, rows.c.name, rows.c.privilege)
    return tuple(_grant(row) for row in session.connection.execute(query))


def _grant(row: object) -> Grant:
    values = row._mapping  # type: ignore[attr-defined]
    detail = f"({values['detail']})" if values["detail"] else ""
    return Grant(
        principal=values["principal"],
        privilege=values["privilege"] + detail,
        securable_type=SecurableType(values["type"]),
        securable_name=values["name"],
        granted_by=values["granted_by"],
        granted_at=values["granted_at"],
    )


def effective(session: Session, on: Securable, principal: str = "") -> tuple[EffectivePrivilege, ...]:
    """Rights that *principal* (or everybody who holds one) has on an object, inherited ones included."""
    if principal and principal in session.state.identities(session.principal):
        return describe(session.state, principal, on)
    session.require(Operation.GRANTS_VIEW, on)
    check_exists(session, on)
    who = [principal] if principal else list(session.state.principals)
    return tuple(each for name in sorted(who) for each in describe(session.state, name, on))


def why(session: Session, operation: str, on: Securable, principal: str = "", detail: str = "") -> Decision:
    """Whether an operation is allowed, and what is missing. About others it needs MANAGE on the object.

    Raises:
        InvalidParameter: no such operation, or one that is not about this kind of object.
    """
    who = principal or session.principal
    if who != session.principal:
        session.require(Operation.GRANTS_VIEW, on)
    found = next((each for each in Operation if each.value == operation), None)
    if found is None:
        known = ", ".join(Operation)
        raise InvalidParameter(f"operation {operation[:60]!r} is not known; it is one of {known}")
    kind = RULES[found].on
    if kind is not None and kind is not on.type:
        raise InvalidParameter(f"{operation} is about a {kind.value}, not about a {on.type.value}")
    return decide(session.state, who, found, on, detail)
