"""The words of governance as types: who may do what on which object (architecture §2, §8; floor 0).

What the API, the clients and the magics exchange. How rights are inherited and judged is the controller's
(``controller/governance``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class SecurableType(StrEnum):
    """Objects that rights are granted on. A registered model is a FUNCTION, as in the sources (REQ-085)."""

    METASTORE = "METASTORE"
    WORKSPACE = "WORKSPACE"
    CATALOG = "CATALOG"
    SCHEMA = "SCHEMA"
    FUNCTION = "FUNCTION"


class Privilege(StrEnum):
    """Rights that can be granted. ``SET_ALIAS`` and ``SET_STAGE`` name one alias or stage: ``SET_ALIAS(Champion)``."""

    CREATE_CATALOG = "CREATE_CATALOG"
    USE_CATALOG = "USE_CATALOG"
    USE_SCHEMA = "USE_SCHEMA"
    CREATE_SCHEMA = "CREATE_SCHEMA"
    CREATE_MODEL = "CREATE_MODEL"
    CREATE_MODEL_VERSION = "CREATE_MODEL_VERSION"
    EXECUTE = "EXECUTE"
    APPLY_TAG = "APPLY_TAG"
    SET_ALIAS = "SET_ALIAS"
    SET_STAGE = "SET_STAGE"
    MANAGE = "MANAGE"
    ALL_PRIVILEGES = "ALL_PRIVILEGES"


class PrincipalKind(StrEnum):
    """Who a grant may name."""

    USER = "user"
    GROUP = "group"
    SERVICE_PRINCIPAL = "service_principal"


@dataclass(frozen=True, slots=True)
class Metastore:
    """The root of all catalogs, and the workspace through which this instance sees it (REQ-055, REQ-079)."""

    id: str
    name: str
    owner: str
    workspace: str
    default_catalog: str
    workspaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """The first level of a name. Times are milliseconds since 1970."""

    name: str
    comment: str
    owner: str
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The second level; ``name`` is ``catalog.schema``. Times are milliseconds since 1970."""

    name: str
    comment: str
    owner: str
    created_at: int
    created_by: str
    updated_at: int
    updated_by: str

    @property
    def catalog(self) -> str:
        """The catalog that holds it."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, a group (with its members) or a service principal."""

    name: str
    kind: PrincipalKind
    display_name: str = ""
    created_at: int = 0
    created_by: str = ""
    members: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A right as it was granted. ``privilege`` is its text, for example ``EXECUTE`` or ``SET_ALIAS(Champion)``."""

    principal: str
    privilege: str
    securable_type: SecurableType
    securable_name: str
    granted_by: str = ""
    granted_at: int = 0


@dataclass(frozen=True, slots=True)
class EffectivePrivilege:
    """A right that a principal holds on an object, and where it comes from.

    ``through`` is a group, ``owner`` or ``metastore admin``; empty when it was granted to the principal itself.
    """

    principal: str
    privilege: str
    inherited_from_type: SecurableType
    inherited_from_name: str
    through: str = ""


@dataclass(frozen=True, slots=True)
class MissingRight:
    """One of ``any_of`` is needed on the object; ``grantors`` may grant it, ``statement`` would."""

    any_of: tuple[str, ...]
    securable_type: SecurableType
    securable_name: str
    grantors: tuple[str, ...] = ()
    statement: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a principal may do an operation on an object, and if not, all that is missing."""

    allowed: bool
    principal: str
    operation: str
    securable_type: SecurableType
    securable_name: str
    missing: tuple[MissingRight, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change. ``at`` is milliseconds since 1970, ``client`` the caller's user agent.

    An empty ``principal`` means that somebody changed the database file itself.
    """

    number: int
    at: int
    principal: str
    client: str
    request_id: str
    action: str
    securable_type: str
    securable_name: str
    version: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """What a statement of the grant language did: rows to show, or a sentence."""

    message: str
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """Who may score which model (EXECUTE, REQ-024); ``admins`` may score all. ``viewers`` may see it, but not score."""

    admins: frozenset[str] = frozenset()
    models: dict[str, frozenset[str]] = field(default_factory=dict)
    viewers: dict[str, frozenset[str]] = field(default_factory=dict)

    def allows(self, principal: str, model: str) -> bool:
        """Whether *principal* may score *model*."""
        return principal in self.admins or principal in self.models.get(model, ())

    def shows(self, principal: str, model: str) -> bool:
        """Whether *principal* may know of *model*."""
        return self.allows(principal, model) or principal in self.viewers.get(model, ())
