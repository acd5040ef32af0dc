"""``ms.alias``, ``ms.promote``, ``ms.grants``, ``ms.why_denied``, ``ms.catalogs`` and ``ms.audit``.

The magics are thin lines over these functions. Each uses the kernel's client (:mod:`.session`).
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_modelserve import names
from jupyter_modelserve.client import session
from jupyter_modelserve.client.governance_results import (
    AliasView,
    AuditTrail,
    DecisionView,
    GrantList,
    PromotedVersion,
    SchemaList,
)
from jupyter_modelserve.client.results import Text
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, NotFound


def alias(model: str, name: str | None = None, version: str | int | None = None, *, delete: bool = False) -> AliasView:
    """Show a model's aliases, set or move one (REQ-074), or delete one.

    Raises:
        PermissionDenied: MANAGE or SET_ALIAS is missing. NotFound: no such model or version.
    """
    if name is None and (version is not None or delete):
        raise InvalidParameter("which alias? give its name", details={"field": "name"})

    def run(client: Client) -> AliasView:
        if name is not None and delete:
            client.delete_alias(model, name)
        elif name is not None and version is not None:
            client.set_alias(model, name, str(version))
        return AliasView(model, client.model(model).aliases)

    return session.run(run)


def promote(
    reference: str, to: str, *, alias: str | Sequence[str] | None = None, description: str | None = None
) -> PromotedVersion:
    """Copy ``model/3`` or ``model@alias`` to another model, with its bytes, tags and signature (REQ-091, REQ-104).

    Args:
        reference: the version to copy. to: the model it goes to, made when it is missing.
        alias: one or more aliases for the copy. description: its description, by default the source's.

    Raises:
        PermissionDenied: the source may not be read, or the target not written (REQ-105). NotFound: no such version.
    """
    model, segment = names.split_reference(reference)
    aliases = (alias,) if isinstance(alias, str) else tuple(alias or ())
    if segment is None or segment.kind is names.SegmentKind.STAGE:
        raise InvalidParameter(f"which version of {model}? write {model}/3 or {model}@Champion")

    def run(client: Client) -> PromotedVersion:
        number: str | None = segment.value
        if segment.kind is names.SegmentKind.ALIAS:
            known = client.model(model).aliases
            number = known.get(segment.value)
            if number is None:
                raise NotFound(names.no_alias(model, segment.value, known), details={"model": model})
        found = client.copy_version(model, str(number), to, aliases, description)
        return PromotedVersion(found["model"], found["version"], found["source"], aliases)

    return session.run(run)


def grants(statement: str = "") -> GrantList | Text:
    """Run statements such as ``GRANT EXECUTE ON FUNCTION a.b.c TO bob``; without one, show one's own grants.

    Raises:
        InvalidParameter: the statement cannot be read; line, column and what was expected are named.
        PermissionDenied: MANAGE on the object is missing.
    """

    def run(client: Client) -> GrantList | Text:
        text = statement.strip() or f"SHOW GRANTS TO `{client.me().name.replace('`', '``')}`"
        results = client.statements(text)
        messages = [each.message for each in results if each.message]
        if messages:
            return Text("grants", "\n".join(messages))
        return GrantList([grant for each in results for grant in each.grants])

    return session.run(run)


def why_denied(
    name: str, operation: str = "model.score", *, principal: str = "", detail: str = "", kind: str = ""
) -> DecisionView:
    """Whether an operation on an object is allowed, which rights are missing, and who can grant them.

    Args:
        name: a model, or with *kind* CATALOG or SCHEMA one of those.
        operation: for instance ``model.score``, ``version.read``, ``version.create``, ``model.alias``.
        principal: somebody else; needs MANAGE on the object. detail: the alias or stage that it is about.
    """
    return session.run(lambda client: DecisionView(*client.why(kind or "FUNCTION", name, operation, principal, detail)))


def catalogs(name: str = "") -> SchemaList:
    """Schemas of all catalogs that one may see, or of one."""
    return session.run(lambda client: SchemaList(client.schemas(name)))


def audit(model: str = "", *, limit: int = 200) -> AuditTrail:
    """Who changed a model (or, for the metastore admin, anything): when, from what to what, with which client."""
    kind = "FUNCTION" if model else ""
    return session.run(lambda client: AuditTrail(client.audit(kind, model, limit=limit)))


__all__ = ["alias", "audit", "catalogs", "grants", "promote", "why_denied"]
