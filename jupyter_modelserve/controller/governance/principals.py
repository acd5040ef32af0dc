"""Users, groups and service principals. Groups hold users and service principals, never groups."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import delete, insert, select

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.governance.state import ALL_USERS
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.errors import AlreadyExists, Conflict, InvalidParameter, NotFound
from jupyter_modelserve.governed import Principal, PrincipalKind

LONGEST_NAME = 200


def listing(session: Session) -> tuple[Principal, ...]:
    """Everybody, by name."""
    session.require(Operation.PRINCIPALS_VIEW)
    of_group, of_member = defaultdict(list), defaultdict(list)
    for row in session.connection.execute(select(tables.members).order_by(tables.members.c.member)):
        of_group[row.group_name].append(row.member)
        of_member[row.member].append(row.group_name)
    rows = session.connection.execute(select(tables.principals).order_by(tables.principals.c.name))
    return tuple(
        Principal(
            name=row.name,
            kind=PrincipalKind(row.kind),
            display_name=row.display_name,
            created_at=row.created_at,
            created_by=row.created_by,
            members=tuple(of_group[row.name]),
            groups=tuple(sorted(of_member[row.name])),
            admin=session.state.is_admin(row.name),
        )
        for row in rows
    )


def get(session: Session, name: str) -> Principal:
    """One of them. Raises NotFound."""
    found = next((each for each in listing(session) if each.name == name), None)
    if found is None:
        raise unknown(name)
    return found


def unknown(name: str) -> NotFound:
    """The error for a principal that nobody added."""
    return NotFound(
        f"there is no user, group or service principal named {name[:80]!r}; an admin adds one first",
        details={"principal": name[:200]},
    )


def create(session: Session, name: str, kind: PrincipalKind, display_name: str = "") -> Principal:
    """Add a principal.

    Raises:
        InvalidParameter: the name is not usable. AlreadyExists: somebody has it.
    """
    session.require(Operation.PRINCIPALS_CHANGE)
    if not 1 <= len(name) <= LONGEST_NAME or name != name.strip() or not name.isprintable():
        raise InvalidParameter(
            f"name: must be 1 to {LONGEST_NAME} printable characters without blanks around it",
            details={"field": "name"},
        )
    if name in session.state.principals:
        raise AlreadyExists(f"{name!r} exists already as a {session.state.principals[name].value}")
    values = {"name": name, "kind": kind.value, "display_name": display_name[:LONGEST_NAME], "created_at": now_ms()}
    session.connection.execute(insert(tables.principals).values(**values, created_by=session.principal))
    _changed(session, f"{kind.value} created", name)
    return get(session, name)


def remove(session: Session, name: str) -> None:
    """Remove a principal with its grants, memberships and tokens.

    Raises:
        NotFound: there is none. Conflict: it owns objects, or is the last admin.
    """
    session.require(Operation.PRINCIPALS_CHANGE)
    found = get(session, name)
    owned = [each for each, owner in session.state.owners.items() if owner == name]
    if owned or name in {ALL_USERS, session.principal}:
        what = f"owns {', '.join(str(each) for each in owned[:3])}" if owned else "cannot be removed by itself"
        raise Conflict(f"{name!r} {what}; give its objects to another owner first", details={"principal": name})
    for table, column in (
        (tables.principals, tables.principals.c.name),
        (tables.members, tables.members.c.member),
        (tables.members, tables.members.c.group_name),
        (tables.grants, tables.grants.c.principal),
        (tables.tokens, tables.tokens.c.principal),
    ):
        session.connection.execute(delete(table).where(column == name))
    _changed(session, f"{found.kind.value} deleted", name)


def add_member(session: Session, group: str, member: str) -> Principal:
    """Put a user or service principal into a group; idempotent.

    Raises:
        NotFound: one of the two is not known. InvalidParameter: the group is none, or the member is one.
    """
    session.require(Operation.PRINCIPALS_CHANGE)
    kinds = session.state.principals
    for name in (group, member):
        if name not in kinds:
            raise unknown(name)
    if kinds[group] is not PrincipalKind.GROUP or group == ALL_USERS:
        raise InvalidParameter(f"{group!r} takes no members", details={"field": "group"})
    if kinds[member] is PrincipalKind.GROUP:
        raise InvalidParameter("member: groups hold users and service principals only", details={"field": "member"})
    if group not in session.state.groups.get(member, ()):
        session.connection.execute(insert(tables.members).values(group_name=group, member=member))
        _changed(session, "member added", group, after=member)
    return get(session, group)


def remove_member(session: Session, group: str, member: str) -> Principal:
    """Take a member out of a group; idempotent.

    Raises:
        NotFound: no such group. Conflict: the group owns the metastore and would be empty.
    """
    session.require(Operation.PRINCIPALS_CHANGE)
    found = get(session, group)
    if member in found.members:
        if session.state.owner(METASTORE) == group and found.members == (member,):
            raise Conflict(f"{group!r} owns the metastore: without {member!r} there would be no admin left")
        rows = tables.members
        session.connection.execute(delete(rows).where(rows.c.group_name == group, rows.c.member == member))
        _changed(session, "member removed", group, before=member)
    return get(session, group)


def _changed(session: Session, action: str, name: str, before: str = "", after: str = "") -> None:
    session.recorded(action, "PRINCIPAL", name, before, after)
