"""Magics on catalogs, aliases and rights. Each one parses its line and calls the Python API."""

from __future__ import annotations

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, magics_class

from jupyter_modelserve.client import governance_verbs as verbs
from jupyter_modelserve.client.governance_results import AliasView, DecisionView, GrantList, PromotedVersion, SchemaList
from jupyter_modelserve.client.results import Text
from jupyter_modelserve.magics import values
from jupyter_modelserve.magics.arguments import argument, line_cell_magic, line_magic, magic_arguments, parse_argstring
from jupyter_modelserve.magics.failure import short_errors


@magics_class
class GovernanceMagics(Magics):
    """Who may do what, and which version a name means."""

    shell: Any

    @magic_arguments()
    @argument("model", help="Name of the model.")
    @argument("name", nargs="?", help="The alias; without it the model's aliases are listed.")
    @argument("version", nargs="?", help="Version that it shall mean.")
    @argument("--delete", action="store_true", help="Delete the alias.")
    @line_magic
    @short_errors
    def alias(self, line: str) -> AliasView:
        """Show, set, move or delete aliases of a model.

        %alias prod.ml_team.iris Champion 3
        """
        found = parse_argstring(self.alias, line)
        name = values.unquote(found.name) if found.name else None
        if name and not found.version and not found.delete:
            raise UsageError("which version? %alias MODEL ALIAS VERSION, or --delete")
        return verbs.alias(values.unquote(found.model), name, found.version, delete=found.delete)

    @magic_arguments()
    @argument("source", help="The version: staging.ml.iris/3 or staging.ml.iris@Champion.")
    @argument("to", help="The model that it goes to.")
    @argument("--alias", action="append", help="Alias for the copy; may be repeated.")
    @argument("--description", help="Description of the copy, in quotes; by default the source's.")
    @line_magic
    @short_errors
    def promote(self, line: str) -> PromotedVersion:
        """Copy a version to another model, with its files, tags and signature.

        %promote staging.ml.iris@Champion prod.ml.iris --alias Champion
        """
        found = parse_argstring(self.promote, line)
        return verbs.promote(
            values.unquote(found.source),
            values.unquote(found.to),
            alias=[values.unquote(each) for each in found.alias or []],
            description=None if found.description is None else values.unquote(found.description),
        )

    @line_cell_magic
    @short_errors
    def grants(self, line: str, cell: str | None = None) -> GrantList | Text:
        """Run GRANT, REVOKE, SHOW GRANTS or ALTER … OWNER TO; without a statement show your own grants.

        %grants GRANT EXECUTE ON FUNCTION prod.ml.iris TO bob, or %%grants with statements in the cell
        """
        if cell is not None and line.strip():
            raise UsageError("%%grants takes its statements from the cell; use %grants for one line")
        return verbs.grants(line if cell is None else cell)

    @magic_arguments()
    @argument("name", help="A model, or with --type a catalog or schema.")
    @argument("operation", nargs="?", default="model.score", help="For instance version.read; model.score by default.")
    @argument("--principal", default="", help="Somebody else, by name.")
    @argument("--detail", default="", help="The alias or stage that it is about.")
    @argument("--type", dest="kind", default="", help="CATALOG or SCHEMA, when the name is none of a model.")
    @line_magic
    @short_errors
    def why_denied(self, line: str) -> DecisionView:
        """Tell which right is missing on which object, and who can grant it.

        %why_denied prod.ml.iris version.read --principal bob
        """
        found = parse_argstring(self.why_denied, line)
        return verbs.why_denied(
            values.unquote(found.name),
            found.operation,
            principal=values.unquote(found.principal),
            detail=values.unquote(found.detail),
            kind=found.kind,
        )

    @magic_arguments()
    @argument("name", nargs="?", default="", help="Only this catalog.")
    @line_magic
    @short_errors
    def catalogs(self, line: str) -> SchemaList:
        """List catalogs and schemas.

        %catalogs prod
        """
        return verbs.catalogs(values.unquote(parse_argstring(self.catalogs, line).name))
