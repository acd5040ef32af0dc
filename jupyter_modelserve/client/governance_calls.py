"""Operations on catalogs, rights and aliases as data, like :mod:`.calls`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_modelserve import names
from jupyter_modelserve.addresses import API
from jupyter_modelserve.client.calls import Call, segment
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
from jupyter_modelserve.types import from_json


def _of(kind: str, name: str) -> str:
    return f"{segment(kind)}/{segment(name or '-')}"


def metastore() -> Call[Metastore]:
    """Metastore, workspaces and default catalog."""
    return Call("GET", f"{API}/metastore", lambda body: from_json(Metastore, body))


def set_default_catalog(name: str) -> Call[Metastore]:
    """Choose the default catalog (REQ-061)."""
    return Call("PATCH", f"{API}/metastore", lambda body: from_json(Metastore, body), json={"default_catalog": name})


def catalogs() -> Call[list[Catalog]]:
    """Catalogs that the caller may see."""
    return Call("GET", f"{API}/catalogs", lambda body: [from_json(Catalog, each) for each in body["catalogs"]])


def create_catalog(name: str, comment: str) -> Call[Catalog]:
    """A catalog with a schema ``default``."""
    body = {"name": names.check_container(name, 1), "comment": comment}
    return Call("POST", f"{API}/catalogs", lambda answer: from_json(Catalog, answer), json=body)


def delete_catalog(name: str, force: bool) -> Call[None]:
    """Delete a catalog without models."""
    return Call("DELETE", f"{API}/catalogs/{segment(name)}", lambda _: None, query={"force": str(force).lower()})


def schemas(catalog: str = "") -> Call[list[Schema]]:
    """Schemas that the caller may see."""
    query: dict[str, str | int] = {"catalog": catalog} if catalog else {}
    return Call("GET", f"{API}/schemas", lambda body: [from_json(Schema, each) for each in body["schemas"]], query)


def create_schema(name: str, comment: str) -> Call[Schema]:
    """A schema, by ``catalog.schema``."""
    body = {"name": names.check_container(name, 2), "comment": comment}
    return Call("POST", f"{API}/schemas", lambda answer: from_json(Schema, answer), json=body)


def delete_schema(name: str) -> Call[None]:
    """Delete a schema without models."""
    return Call("DELETE", f"{API}/schemas/{segment(name)}", lambda _: None)


def principals() -> Call[list[Principal]]:
    """Users, groups and service principals."""
    return Call("GET", f"{API}/principals", lambda body: [from_json(Principal, each) for each in body["principals"]])


def me() -> Call[Principal]:
    """Who the caller is."""
    return Call("GET", f"{API}/principals/me", lambda body: from_json(Principal, body))


def create_principal(name: str, kind: str, display_name: str) -> Call[Principal]:
    """Add a user, group or service principal."""
    body = {"name": name, "kind": kind, "display_name": display_name}
    return Call("POST", f"{API}/principals", lambda answer: from_json(Principal, answer), json=body)


def delete_principal(name: str) -> Call[None]:
    """Remove a principal with its grants and tokens."""
    return Call("DELETE", f"{API}/principals/{segment(name)}", lambda _: None)


def member(group: str, name: str, add: bool) -> Call[Principal]:
    """Put somebody into a group, or take them out."""
    path = f"{API}/groups/{segment(group)}/members/{segment(name)}"
    return Call("PUT" if add else "DELETE", path, lambda body: from_json(Principal, body))


def statements(text: str) -> Call[list[GrantResult]]:
    """Run statements of the grant language."""
    return Call(
        "POST",
        f"{API}/statements",
        lambda body: [from_json(GrantResult, each) for each in body["results"]],
        json={"statement": text},
    )


def grants(kind: str, name: str, principal: str = "") -> Call[list[Grant]]:
    """Grants on one object."""
    query: dict[str, str | int] = {"principal": principal} if principal else {}
    path = f"{API}/grants/{_of(kind, name)}"
    return Call("GET", path, lambda body: [from_json(Grant, each) for each in body["grants"]], query)


def change_grants(kind: str, name: str, principal: str, add: Sequence[str], remove: Sequence[str]) -> Call[list[Grant]]:
    """Grant and revoke."""
    change = {"principal": principal, "add": list(add), "remove": list(remove)}
    path = f"{API}/grants/{_of(kind, name)}"
    return Call(
        "PATCH", path, lambda body: [from_json(Grant, each) for each in body["grants"]], json={"changes": [change]}
    )


def effective(kind: str, name: str, principal: str = "") -> Call[list[EffectivePrivilege]]:
    """Rights on one object, inherited ones included."""
    query: dict[str, str | int] = {"principal": principal} if principal else {}
    path = f"{API}/effective/{_of(kind, name)}"
    return Call("GET", path, lambda body: [from_json(EffectivePrivilege, each) for each in body["privileges"]], query)


def set_owner(kind: str, name: str, owner: str) -> Call[str]:
    """Give an object to another owner (REQ-080)."""
    return Call("PUT", f"{API}/owner/{_of(kind, name)}", lambda body: str(body["owner"]), json={"owner": owner})


def why(kind: str, name: str, operation: str, principal: str, detail: str) -> Call[tuple[Decision, str]]:
    """Whether an operation is allowed, and the same for a person."""
    asked = {"operation": operation, "principal": principal, "detail": detail}
    query: dict[str, str | int] = {key: value for key, value in asked.items() if value}
    path = f"{API}/why/{_of(kind, name)}"
    return Call("GET", path, lambda body: (from_json(Decision, body["decision"]), str(body["text"])), query)


def audit(kind: str, name: str, principal: str, action: str, after: int, limit: int) -> Call[list[AuditRecord]]:
    """The audit log, oldest first behind record *after*."""
    asked: dict[str, str | int] = {"kind": kind, "name": name, "principal": principal, "action": action}
    query = {key: value for key, value in asked.items() if value} | {"after": after, "limit": limit}
    return Call("GET", f"{API}/audit", lambda body: [from_json(AuditRecord, each) for each in body["records"]], query)


def set_alias(model: str, alias: str, version: str) -> Call[None]:
    """Set or move an alias (REQ-074)."""
    path = f"{API}/models/{segment(names.check_model(model))}/aliases/{segment(names.check_alias(model, alias))}"
    return Call("PUT", path, lambda _: None, json={"version": version})


def delete_alias(model: str, alias: str) -> Call[None]:
    """Delete an alias."""
    return Call("DELETE", f"{API}/models/{segment(names.check_model(model))}/aliases/{segment(alias)}", lambda _: None)


def copy_version(
    model: str, version: str, to: str, aliases: Sequence[str], description: str | None
) -> Call[dict[str, Any]]:
    """Copy a version with its bytes to another model (REQ-091)."""
    path = f"{API}/models/{segment(names.check_model(model))}/versions/{segment(version)}/copy"
    body = {"to": names.check_model(to), "aliases": list(aliases), "description": description}
    return Call("POST", path, lambda answer: dict(answer), json=body)


def delete_version(model: str, version: str, force: bool) -> Call[None]:
    """Delete a version for good."""
    path = f"{API}/models/{segment(names.check_model(model))}/versions/{segment(version)}"
    return Call("DELETE", path, lambda _: None, query={"force": str(force).lower()})


def proposal(model: str, version: str) -> Call[str]:
    """A description to edit (REQ-101)."""
    path = f"{API}/models/{segment(names.check_model(model))}/versions/{segment(version)}/proposal"
    return Call("GET", path, lambda body: str(body["description"]))
