"""Which rights a principal holds on an object, and where each one comes from. Pure.

A right that was granted on a catalog or schema holds for everything inside (REQ-059). The owner of an object holds
every right on it; the owner of what it lies in holds MANAGE on it and the container's rights, but not EXECUTE: who runs
a catalog does not thereby read every model in it. ALL_PRIVILEGES is all but MANAGE. The metastore admin holds all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_modelserve.controller.governance.securables import CONTAINER, GRANTABLE, METASTORE, Right, Securable
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.governed import EffectivePrivilege, Privilege

ADMIN, OWNER = "metastore admin", "owner"


@dataclass(frozen=True, slots=True)
class Held:
    """A right with its origin. ``through`` is a group, ``owner`` or ``metastore admin``, else empty."""

    right: Right
    origin: Securable
    through: str = ""

    def covers(self, wanted: Right) -> bool:
        """Whether this right is enough for *wanted*; without a detail it means every alias or stage."""
        return self.right.privilege is wanted.privilege and self.right.detail in {"", wanted.detail}


def effective(state: State, principal: str, on: Securable) -> tuple[Held, ...]:
    """Every right of *principal* on *on*, most direct origin first."""
    return tuple(dict.fromkeys(_all(state, principal, on)))


def _all(state: State, principal: str, on: Securable) -> Iterator[Held]:
    known = GRANTABLE[on.type]
    identities = sorted(state.identities(principal), key=lambda each: (each != principal, each))
    for origin in on.line:
        # A right on the metastore is about the metastore only; its owner is looked at last.
        if origin == METASTORE and on != METASTORE:
            continue
        for identity in identities:
            through = "" if identity == principal else identity
            for right in sorted(state.grants.get(origin, {}).get(identity, ())):
                yield from (Held(each, origin, through) for each in _expand(right, known))
        if origin != METASTORE and state.owners.get(origin) in identities:
            owned = known if origin == on else known & (CONTAINER | {Privilege.MANAGE})
            yield from (Held(Right(each), origin, OWNER) for each in sorted(owned))
    if state.is_admin(principal):
        yield from (Held(Right(each), METASTORE, ADMIN) for each in sorted(known))


def _expand(right: Right, known: frozenset[Privilege]) -> Iterator[Right]:
    if right.privilege is Privilege.ALL_PRIVILEGES:
        yield from (Right(each) for each in sorted(known - {Privilege.MANAGE}))
    elif right.privilege in known:
        yield right


def holds(state: State, principal: str, on: Securable, *wanted: Right) -> bool:
    """Whether *principal* holds one of *wanted* on *on*."""
    if state.is_admin(principal):
        return True
    held = effective(state, principal, on)
    return any(each.covers(right) for each in held for right in wanted)


def describe(state: State, principal: str, on: Securable) -> tuple[EffectivePrivilege, ...]:
    """What the API shows of :func:`effective`: each right once, with its most direct origin."""
    found: dict[str, EffectivePrivilege] = {}
    for each in effective(state, principal, on):
        text = str(each.right)
        found.setdefault(text, EffectivePrivilege(principal, text, each.origin.type, each.origin.name, each.through))
    return tuple(found[text] for text in sorted(found))
