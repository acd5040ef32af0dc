"""SCIM's words: resources, pages, filters and changes of members, as far as the face knows them. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from jupyter_modelserve.controller.api.faces.common import word
from jupyter_modelserve.controller.governance.state import ALL_USERS
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Principal, PrincipalKind

_CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:"
_LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_FILTER: Final = re.compile(r'\s*(?P<field>\w+)\s+(?P<op>eq|ne|co|sw)\s+"(?P<value>[^"]*)"\s*\Z', re.IGNORECASE)
_ONE_MEMBER: Final = re.compile(r'members\[\s*value\s+eq\s+"(?P<id>[^"]*)"\s*\]\Z')
_FIELDS: Final = {each.lower(): each for each in ("userName", "displayName", "applicationId", "id")}
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Members:
    """One change of a group's members. ``op``: add, remove or replace; ``every``: all are removed."""

    op: str
    ids: tuple[str, ...]
    every: bool = False


def id_of(name: str) -> str:
    """Clients expect a number; the same name has always the same."""
    return str(int(hashlib.sha256(name.encode()).hexdigest()[:13], 16))


def resource(found: Principal) -> dict[str, Any]:
    """A user, group or service principal; the group ``admins`` means that somebody administers the metastore."""
    if found.kind is PrincipalKind.GROUP:
        members = [{"value": id_of(each), "display": each} for each in found.members]
        return {"schemas": [f"{_CORE}Group"], "id": id_of(found.name), "displayName": found.name, "members": members}
    groups = [*found.groups, ALL_USERS, *(["admins"] if found.admin else [])]
    body = {
        "id": id_of(found.name),
        "displayName": found.display_name or found.name,
        "active": True,
        "groups": [{"display": each, "value": id_of(each), "type": "direct"} for each in dict.fromkeys(groups)],
    }
    if found.kind is PrincipalKind.SERVICE_PRINCIPAL:
        return {"schemas": [f"{_CORE}ServicePrincipal"], "applicationId": found.name, **body}
    emails = [{"value": found.name, "type": "work", "primary": True}] if "@" in found.name else []
    return {"schemas": [f"{_CORE}User"], "userName": found.name, "emails": emails, **body}


def page(resources: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    """The part of *resources* that a query asks for.

    Raises:
        InvalidParameter: the filter is more than one comparison, or a number is none.
    """
    found = [each for each in resources if _matches(each, word(values, "filter", ""))]
    numbers = {name: word(values, name, default) for name, default in (("startIndex", "1"), ("count", str(MOST)))}
    for name, text in numbers.items():
        if not (text.isascii() and text.isdigit()):
            raise InvalidParameter(f"{name}: must be a number", details={"field": name})
    start, count = max(int(numbers["startIndex"]), 1), min(int(numbers["count"]), MOST)
    part = found[start - 1 : start - 1 + count]
    return {
        "schemas": [_LIST],
        "totalResults": len(found),
        "startIndex": start,
        "itemsPerPage": len(part),
        "Resources": part,
    }


def _matches(found: dict[str, Any], condition: str) -> bool:
    if not condition.strip():
        return True
    read = _FILTER.match(condition)
    field = _FIELDS.get(read["field"].lower()) if read else None
    if read is None or field is None:
        known = ", ".join(_FIELDS.values())
        raise InvalidParameter(
            f'filter: one comparison with eq, ne, co or sw is understood, as userName eq "ana"; fields are {known}',
            details={"field": "filter"},
        )
    has, wanted = str(found.get(field, "")).lower(), read["value"].lower()
    answers = {"eq": has == wanted, "ne": has != wanted, "co": wanted in has, "sw": has.startswith(wanted)}
    return answers[read["op"].lower()]


def ids(members: Any) -> list[str]:
    """The ids in a list of members. Raises InvalidParameter."""
    found = members if isinstance(members, list) else [members]
    if not all(isinstance(each, dict) and isinstance(each.get("value"), str) for each in found):
        raise InvalidParameter('members: must be a list of {"value": id}', details={"field": "members"})
    return [each["value"] for each in found]


def members(body: dict[str, Any]) -> list[Members]:
    """The changes in a body of PATCH.

    Raises:
        InvalidParameter: something other than members would change.
    """
    asked = body.get("Operations")
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        raise InvalidParameter("Operations: must be a list", details={"field": "Operations"})
    return [_change(each) for each in asked]


def _change(asked: dict[str, Any]) -> Members:
    op, path, value = str(asked.get("op", "")).lower(), str(asked.get("path") or ""), asked.get("value")
    one = _ONE_MEMBER.match(path)
    if one is not None and op == "remove":
        return Members(op, (one["id"],))
    if not path and isinstance(value, dict) and set(value) == {"members"}:
        path, value = "members", value["members"]
    if path != "members" or op not in {"add", "remove", "replace"}:
        raise InvalidParameter(
            "Operations: only members of a group can be added, removed or replaced", details={"field": "Operations"}
        )
    if op == "remove" and not value:
        return Members(op, (), every=True)
    return Members(op, tuple(ids(value or [])))
