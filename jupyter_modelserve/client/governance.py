"""Catalogs, rights, aliases and the audit log as methods of the clients: the blocking and the async twin.

Every method raises the :class:`~jupyter_modelserve.errors.ModelServeError` that the instance sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from jupyter_modelserve.client import governance_calls as calls
from jupyter_modelserve.client.calls import Call
from jupyter_modelserve.governed import (
    AuditRecord,
    Catalog,
    Decision,
    EffectivePrivilege,
    Grant,
    GrantResult,
    Metastore,
    Principal,
    Schema,
)

T = TypeVar("T")


class Governance:
    """Mixed into the blocking client."""

    def send(self, call: Call[T]) -> T:
        """Send *call* and read its answer."""
        raise NotImplementedError

    def metastore(self) -> Metastore:
        """Metastore, workspaces and default catalog."""
        return self.send(calls.metastore())

    def set_default_catalog(self, name: str) -> Metastore:
        """Choose the default catalog (REQ-061)."""
        return self.send(calls.set_default_catalog(name))

    def catalogs(self) -> list[Catalog]:
        """Catalogs that the caller may see."""
        return self.send(calls.catalogs())

    def create_catalog(self, name: str, comment: str = "") -> Catalog:
        """Make a catalog with a schema ``default``; the caller owns both."""
        return self.send(calls.create_catalog(name, comment))

    def delete_catalog(self, name: str, *, force: bool = False) -> None:
        """Delete a catalog without models; *force* takes its schemas along."""
        self.send(calls.delete_catalog(name, force))

    def schemas(self, catalog: str = "") -> list[Schema]:
        """Schemas that the caller may see, of one catalog or of all."""
        return self.send(calls.schemas(catalog))

    def create_schema(self, name: str, comment: str = "") -> Schema:
        """Make a schema, by ``catalog.schema``."""
        return self.send(calls.create_schema(name, comment))

    def delete_schema(self, name: str) -> None:
        """Delete a schema without models."""
        self.send(calls.delete_schema(name))

    def principals(self) -> list[Principal]:
        """Users, groups with their members, and service principals."""
        return self.send(calls.principals())

    def me(self) -> Principal:
        """Who the caller is."""
        return self.send(calls.me())

    def create_principal(self, name: str, kind: str = "user", display_name: str = "") -> Principal:
        """Add a user, ``group`` or ``service_principal``."""
        return self.send(calls.create_principal(name, kind, display_name))

    def delete_principal(self, name: str) -> None:
        """Remove a principal with its grants and tokens."""
        self.send(calls.delete_principal(name))

    def add_member(self, group: str, name: str) -> Principal:
        """Put a user or service principal into a group."""
        return self.send(calls.member(group, name, True))

    def remove_member(self, group: str, name: str) -> Principal:
        """Take somebody out of a group."""
        return self.send(calls.member(group, name, False))

    def statements(self, text: str) -> list[GrantResult]:
        """Run ``GRANT …``, ``REVOKE …``, ``SHOW GRANTS …`` or ``ALTER … OWNER TO …``; all or none."""
        return self.send(calls.statements(text))

    def grants(self, kind: str, name: str, principal: str = "") -> list[Grant]:
        """Grants on one object; *kind* is CATALOG, SCHEMA, FUNCTION, WORKSPACE or METASTORE."""
        return self.send(calls.grants(kind, name, principal))

    def grant(self, kind: str, name: str, principal: str, *privileges: str) -> list[Grant]:
        """Grant privileges such as ``EXECUTE`` or ``SET_ALIAS(Champion)`` on an object."""
        return self.send(calls.change_grants(kind, name, principal, privileges, ()))

    def revoke(self, kind: str, name: str, principal: str, *privileges: str) -> list[Grant]:
        """Take privileges back that were granted on this very object."""
        return self.send(calls.change_grants(kind, name, principal, (), privileges))

    def effective(self, kind: str, name: str, principal: str = "") -> list[EffectivePrivilege]:
        """Rights on one object, inherited ones included, with their origin."""
        return self.send(calls.effective(kind, name, principal))

    def set_owner(self, kind: str, name: str, owner: str) -> str:
        """Give an object to a user, a service principal or a group (REQ-080)."""
        return self.send(calls.set_owner(kind, name, owner))

    def why(self, kind: str, name: str, operation: str, principal: str = "", detail: str = "") -> tuple[Decision, str]:
        """Whether an operation is allowed, what is missing and who can grant it; also as text."""
        return self.send(calls.why(kind, name, operation, principal, detail))

    def audit(
        self, kind: str = "", name: str = "", principal: str = "", action: str = "", after: int = 0, limit: int = 200
    ) -> list[AuditRecord]:
        """The audit log, oldest first behind record *after*."""
        return self.send(calls.audit(kind, name, principal, action, after, limit))

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Set or move an alias (REQ-074)."""
        self.send(calls.set_alias(model, alias, version))

    def delete_alias(self, model: str, alias: str) -> None:
        """Delete an alias."""
        self.send(calls.delete_alias(model, alias))

    def copy_version(
        self, model: str, version: str, to: str, aliases: Sequence[str] = (), description: str | None = None
    ) -> dict[str, Any]:
        """Copy a version with its bytes to another model (REQ-091)."""
        return self.send(calls.copy_version(model, version, to, aliases, description))

    def delete_version(self, model: str, version: str, *, force: bool = False) -> None:
        """Delete a version for good; one that is aliased or served only by *force*."""
        self.send(calls.delete_version(model, version, force))

    def proposal(self, model: str, version: str) -> str:
        """A description to edit, made from signature and metrics (REQ-101)."""
        return self.send(calls.proposal(model, version))


class AsyncGovernance:
    """Mixed into the async client."""

    async def send(self, call: Call[T]) -> T:
        """Send *call* and read its answer."""
        raise NotImplementedError

    async def metastore(self) -> Metastore:
        """Metastore, workspaces and default catalog."""
        return await self.send(calls.metastore())

    async def set_default_catalog(self, name: str) -> Metastore:
        """Choose the default catalog (REQ-061)."""
        return await self.send(calls.set_default_catalog(name))

    async def catalogs(self) -> list[Catalog]:
        """Catalogs that the caller may see."""
        return await self.send(calls.catalogs())

    async def create_catalog(self, name: str, comment: str = "") -> Catalog:
        """Make a catalog with a schema ``default``; the caller owns both."""
        return await self.send(calls.create_catalog(name, comment))

    async def delete_catalog(self, name: str, *, force: bool = False) -> None:
        """Delete a catalog without models; *force* takes its schemas along."""
        await self.send(calls.delete_catalog(name, force))

    async def schemas(self, catalog: str = "") -> list[Schema]:
        """Schemas that the caller may see, of one catalog or of all."""
        return await self.send(calls.schemas(catalog))

    async def create_schema(self, name: str, comment: str = "") -> Schema:
        """Make a schema, by ``catalog.schema``."""
        return await self.send(calls.create_schema(name, comment))

    async def delete_schema(self, name: str) -> None:
        """Delete a schema without models."""
        await self.send(calls.delete_schema(name))

    async def principals(self) -> list[Principal]:
        """Users, groups with their members, and service principals."""
        return await self.send(calls.principals())

    async def me(self) -> Principal:
        """Who the caller is."""
        return await self.send(calls.me())

    async def create_principal(self, name: str, kind: str = "user", display_name: str = "") -> Principal:
        """Add a user, ``group`` or ``service_principal``."""
        return await self.send(calls.create_principal(name, kind, display_name))

    async def delete_principal(self, name: str) -> None:
        """Remove a principal with its grants and tokens."""
        await self.send(calls.delete_principal(name))

    async def add_member(self, group: str, name: str) -> Principal:
        """Put a user or service principal into a group."""
        return await self.send(calls.member(group, name, True))

    async def remove_member(self, group: str, name: str) -> Principal:
        """Take somebody out of a group."""
        return await self.send(calls.member(group, name, False))

    async def statements(self, text: str) -> list[GrantResult]:
        """Run ``GRANT …``, ``REVOKE …``, ``SHOW GRANTS …`` or ``ALTER … OWNER TO …``; all or none."""
        return await self.send(calls.statements(text))

    async def grants(self, kind: str, name: str, principal: str = "") -> list[Grant]:
        """Grants on one object; *kind* is CATALOG, SCHEMA, FUNCTION, WORKSPACE or METASTORE."""
        return await self.send(calls.grants(kind, name, principal))

    async def grant(self, kind: str, name: str, principal: str, *privileges: str) -> list[Grant]:
        """Grant privileges such as ``EXECUTE`` or ``SET_ALIAS(Champion)`` on an object."""
        return await self.send(calls.change_grants(kind, name, principal, privileges, ()))

    async def revoke(self, kind: str, name: str, principal: str, *privileges: str) -> list[Grant]:
        """Take privileges back that were granted on this very object."""
        return await self.send(calls.change_grants(kind, name, principal, (), privileges))

    async def effective(self, kind: str, name: str, principal: str = "") -> list[EffectivePrivilege]:
        """Rights on one object, inherited ones included, with their origin."""
        return await self.send(calls.effective(kind, name, principal))

    async def set_owner(self, kind: str, name: str, owner: str) -> str:
        """Give an object to a user, a service principal or a group (REQ-080)."""
        return await self.send(calls.set_owner(kind, name, owner))

    async def why(
        self, kind: str, name: str, operation: str, principal: str = "", detail: str = ""
    ) -> tuple[Decision, str]:
        """Whether an operation is allowed, what is missing and who can grant it; also as text."""
        return await self.send(calls.why(kind, name, operation, principal, detail))

    async def audit(
        self, kind: str = "", name: str = "", principal: str = "", action: str = "", after: int = 0, limit: int = 200
    ) -> list[AuditRecord]:
        """The audit log, oldest first behind record *after*."""
        return await self.send(calls.audit(kind, name, principal, action, after, limit))

    async def set_alias(self, model: str, alias: str, version: str) -> None:
        """Set or move an alias (REQ-074)."""
        await self.send(calls.set_alias(model, alias, version))

    async def delete_alias(self, model: str, alias: str) -> None:
        """Delete an alias."""
        await self.send(calls.delete_alias(model, alias))

    async def copy_version(
        self, model: str, version: str, to: str, aliases: Sequence[str] = (), description: str | None = None
    ) -> dict[str, Any]:
        """Copy a version with its bytes to another model (REQ-091)."""
        return await self.send(calls.copy_version(model, version, to, aliases, description))

    async def delete_version(self, model: str, version: str, *, force: bool = False) -> None:
        """Delete a version for good; one that is aliased or served only by *force*."""
        await self.send(calls.delete_version(model, version, force))

    async def proposal(self, model: str, version: str) -> str:
        """A description to edit, made from signature and metrics (REQ-101)."""
        return await self.send(calls.proposal(model, version))
