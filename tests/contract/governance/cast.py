"""Puts the cast of the written table on the stage: as a state, and into a database."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, insert

from jupyter_modelserve.controller.governance.loading import touch
from jupyter_modelserve.controller.governance.securables import Right, Securable, right
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.governed import PrincipalKind
from tests.contract.governance.table import ADMIN, GRANTS, GROUPS, OWNERS, USERS


def state() -> State:
    """The cast without a database."""
    groups: dict[str, set[str]] = defaultdict(set)
    for group, found in GROUPS.items():
        for member in found:
            groups[member].add(group)
    grants: dict[Securable, dict[str, frozenset[Right]]] = defaultdict(dict)
    for principal, objects in GRANTS.items():
        for on, rights in objects.items():
            grants[on][principal] = frozenset(right(each) for each in rights)
    kinds = dict.fromkeys(USERS, PrincipalKind.USER) | dict.fromkeys(GROUPS, PrincipalKind.GROUP)
    return State(1, kinds, {name: frozenset(found) for name, found in groups.items()}, OWNERS, grants)


def write(connection: Connection) -> None:
    """The same into our tables, prepared with ``ADMIN`` as the admin; catalog and schema included, models not."""
    for name in (*USERS, *GROUPS):
        if name != ADMIN:
            kind = "group" if name in GROUPS else "user"
            connection.execute(insert(tables.principals).values(name=name, kind=kind, created_at=1, created_by=ADMIN))
    for group, found in GROUPS.items():
        for member in found:
            connection.execute(insert(tables.members).values(group_name=group, member=member))
    for table, name in ((tables.catalogs, "prod"), (tables.schemas, "prod.ml")):
        by = {"created_at": 1, "created_by": ADMIN, "updated_at": 1, "updated_by": ADMIN}
        connection.execute(insert(table).values(name=name, **by))
    for on, owner in OWNERS.items():
        row = insert(tables.owners).prefix_with("OR REPLACE")
        connection.execute(row.values(type=on.type.value, name=on.name, owner=owner))
    for principal, objects in GRANTS.items():
        for on, rights in objects.items():
            for each in map(right, rights):
                values = {"type": on.type.value, "name": on.name, "principal": principal}
                values |= {"privilege": each.privilege.value, "detail": each.detail, "granted_by": ADMIN}
                connection.execute(insert(tables.grants).values(**values, granted_at=1))
    touch(connection)
