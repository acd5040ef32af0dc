"""What the verbs on catalogs and rights return: tables and decisions that show themselves in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_modelserve.client.display import Rich, escape, html_table, text_table, when
from jupyter_modelserve.client.results import _Table
from jupyter_modelserve.governed import AuditRecord, Decision, Grant, Schema
from jupyter_modelserve.types import to_json


class GrantList(_Table[Grant]):
    """Grants, as they were given."""

    kind = "grants"
    head = ("principal", "privilege", "on", "by", "since")
    empty = "No grants."

    def row(self, item: Grant) -> tuple[object, ...]:
        """Principal, privilege, object, who granted it and when."""
        on = f"{item.securable_type.value} {item.securable_name}"
        return item.principal, item.privilege, on, item.granted_by, when(item.granted_at)


class SchemaList(_Table[Schema]):
    """Schemas of the catalogs that one may see."""

    kind = "schemas"
    head = ("catalog", "schema", "owner", "comment")
    empty = "No catalog that you may see; an admin grants USE CATALOG."

    def row(self, item: Schema) -> tuple[object, ...]:
        """Catalog, schema, owner, comment."""
        return item.catalog, item.name.partition(".")[2], item.owner, item.comment


class AuditTrail(_Table[AuditRecord]):
    """Who changed what, oldest first."""

    kind = "audit"
    head = ("when", "who", "what", "on", "from", "to", "client")
    empty = "No records."

    def row(self, item: AuditRecord) -> tuple[object, ...]:
        """Time, principal, action, object, before, after, client."""
        on = f"{item.securable_type} {item.securable_name}{'/' + item.version if item.version else ''}"
        client = item.client.partition(" ")[0]
        return when(item.at), item.principal or "(file)", item.action, on, item.before, item.after, client


@dataclass(frozen=True, repr=False)
class DecisionView(Rich):
    """Whether something is allowed, and what is missing."""

    decision: Decision
    explanation: str

    def __bool__(self) -> bool:
        """Whether it is allowed."""
        return self.decision.allowed

    def text(self) -> str:
        """One line per missing right, with the statement that would grant it."""
        return self.explanation

    def html(self) -> str:
        """The same as a table."""
        head, _, _ = self.explanation.partition("\n")
        rows = [
            (" or ".join(each.any_of), f"{each.securable_type.value} {each.securable_name}", ", ".join(each.grantors))
            for each in self.decision.missing
        ]
        statements = "\n".join(each.statement for each in self.decision.missing if each.statement)
        table = html_table(("missing right", "on", "who can grant it"), rows) if rows else ""
        return f"<div>{escape(head)}{table}<pre>{escape(statements)}</pre></div>"

    def json(self) -> dict[str, Any]:
        """The decision as the API shows it."""
        return {"kind": "decision", "decision": to_json(self.decision)}


@dataclass(frozen=True, repr=False)
class AliasView(Rich):
    """A model's aliases with their versions."""

    model: str
    aliases: dict[str, str]

    def _rows(self) -> list[tuple[object, ...]]:
        return sorted(self.aliases.items())

    def text(self) -> str:
        """One line per alias."""
        return text_table(("alias", "version"), self._rows()) if self.aliases else f"{self.model} has no alias"

    def html(self) -> str:
        """One row per alias."""
        return f"<div><b>{escape(self.model)}</b>{html_table(('alias', 'version'), self._rows())}</div>"

    def json(self) -> dict[str, Any]:
        """Alias to version."""
        return {"kind": "aliases", "model": self.model, "aliases": dict(self.aliases)}


@dataclass(frozen=True, repr=False)
class PromotedVersion(Rich):
    """A version that was copied to another model."""

    name: str
    version: str
    source: str
    aliases: tuple[str, ...]

    def text(self) -> str:
        """Where it went, and under which aliases."""
        named = f", now {', '.join('@' + each for each in self.aliases)}" if self.aliases else ""
        return f"{self.source.removeprefix('models:/')} is {self.name} version {self.version}{named}"

    def html(self) -> str:
        """The same."""
        return f"<div>{escape(self.text())}</div>"

    def json(self) -> dict[str, Any]:
        """Model, version, source, aliases."""
        shown = {"name": self.name, "version": self.version, "source": self.source}
        return {"kind": "promoted", **shown, "aliases": list(self.aliases)}
