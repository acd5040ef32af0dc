"""All that decisions are made from, as one immutable picture. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from jupyter_modelserve.controller.governance.securables import METASTORE, Right, Securable
from jupyter_modelserve.governed import PrincipalKind

ALL_USERS: Final = "account users"
"""The group that every user and service principal belongs to, always."""


@dataclass(frozen=True, slots=True)
class State:
    """Principals, owners and grants at one *revision*. ``groups`` is member → groups; groups hold no groups."""

    revision: int = 0
    principals: Mapping[str, PrincipalKind] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    owners: Mapping[Securable, str] = field(default_factory=dict)
    grants: Mapping[Securable, Mapping[str, frozenset[Right]]] = field(default_factory=dict)
    default_catalog: str = "main"

    def identities(self, principal: str) -> frozenset[str]:
        """Under which names *principal* holds rights; none when nobody knows it."""
        kind = self.principals.get(principal)
        if kind is None:
            return frozenset()
        if kind is PrincipalKind.GROUP:
            return frozenset({principal})
        return frozenset({principal, ALL_USERS}) | self.groups.get(principal, frozenset())

    def is_admin(self, principal: str) -> bool:
        """Whether *principal* owns the metastore, itself or through a group."""
        return self.owners.get(METASTORE) in self.identities(principal)

    def owner(self, of: Securable) -> str:
        """Owner of an object; an object without one belongs to the metastore admin."""
        return self.owners.get(of) or self.owners.get(METASTORE, "")

    @property
    def actors(self) -> tuple[str, ...]:
        """Principals that can hold a token: users and service principals, by name."""
        return tuple(sorted(name for name, kind in self.principals.items() if kind is not PrincipalKind.GROUP))
