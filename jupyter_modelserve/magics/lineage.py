"""``%lineage``: where a model came from and where it goes."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, magics_class

from jupyter_modelserve.client import lineage_verbs
from jupyter_modelserve.client.lineage_results import LineageView
from jupyter_modelserve.magics import values
from jupyter_modelserve.magics.arguments import argument, line_magic, magic_arguments, parse_argstring
from jupyter_modelserve.magics.failure import short_errors


@magics_class
class LineageMagics(Magics):
    """The graph from data to endpoints."""

    shell: Any

    @magic_arguments()
    @argument("reference", help="The version: iris/3 or iris@Champion; iris alone means all versions.")
    @argument("--direction", choices=["both", "upstream", "downstream"], default="both", help="Which way to look.")
    @argument("--history", action="store_true", help="Also what held once, such as aliases that moved away.")
    @line_magic
    @short_errors
    def lineage(self, line: str) -> LineageView:
        """Draw where a version came from, and what names, copies and serves it.

        %lineage prod.ml.iris@Champion
        """
        found = parse_argstring(self.lineage, line)
        return lineage_verbs.lineage(values.unquote(found.reference), direction=found.direction, history=found.history)
