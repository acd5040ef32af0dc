"""Who of all users may do something on an object, for many objects at once. Pure.

The same answer as :func:`~jupyter_modelserve.controller.governance.decide.decide` for each of them (a test compares),
but by sets: who holds a right is found once per object and once per container, not once per user and model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from jupyter_modelserve.controller.governance.decide import USES
from jupyter_modelserve.controller.governance.operations import RULES, Need, Operation
from jupyter_modelserve.controller.governance.securables import CONTAINER, GRANTABLE, METASTORE, Right, Securable
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.governed import Privilege

_NOBODY: frozenset[str] = frozenset()


class Everybody:
    """All users and service principals of one state. Admins may do everything and are named apart."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.admins = frozenset(each for each in state.actors if state.is_admin(each))
        behind: dict[str, set[str]] = defaultdict(set)
        for actor in state.actors:
            if actor not in self.admins:
                for identity in state.identities(actor):
                    behind[identity].add(actor)
        self._behind = {identity: frozenset(actors) for identity, actors in behind.items()}
        self._inside: dict[Securable, frozenset[str]] = {}

    def allowed(self, operation: Operation, on: Securable) -> frozenset[str]:
        """Those, admins left out, who may do *operation* on *on*, whatever alias or stage it is about.

        Raises:
            ValueError: the operation is not judged by rights on the object itself.
        """
        rule = RULES[operation]
        if rule.need is not Need.HERE:
            raise ValueError(f"{operation.value} is not judged on the object")
        wanted = frozenset(rule.any_of) & GRANTABLE[on.type]
        return self._holders(on, wanted) & self._reach(on)

    def _reach(self, on: Securable) -> frozenset[str]:
        """Who may use everything that *on* lies in."""
        found: frozenset[str] | None = None
        for above in on.line[1:]:
            if above.type in USES:
                inside = self._users_of(above)
                found = inside if found is None else found & inside
        return frozenset().union(*self._behind.values()) if found is None else found

    def _users_of(self, container: Securable) -> frozenset[str]:
        if container not in self._inside:
            self._inside[container] = self._holders(container, frozenset({USES[container.type]}))
        return self._inside[container]

    def _holders(self, on: Securable, wanted: frozenset[Privilege]) -> frozenset[str]:
        """Who holds one of *wanted* on *on*, itself or through a group, from wherever it is inherited."""
        by_all = wanted & GRANTABLE[on.type] - {Privilege.MANAGE}
        found: set[str] = set()
        for origin in on.line:
            # As for one user: a right on the metastore is about the metastore only.
            if origin == METASTORE and on != METASTORE:
                continue
            for identity, rights in self._state.grants.get(origin, {}).items():
                if _counts(rights, wanted, bool(by_all)):
                    found.add(identity)
            owned = wanted if origin == on else wanted & (CONTAINER | {Privilege.MANAGE})
            if origin != METASTORE and owned and origin in self._state.owners:
                found.add(self._state.owners[origin])
        return _NOBODY.union(*(self._behind.get(each, _NOBODY) for each in found))


def _counts(rights: Iterable[Right], wanted: frozenset[Privilege], by_all: bool) -> bool:
    return any(each.privilege in wanted or (by_all and each.privilege is Privilege.ALL_PRIVILEGES) for each in rights)
