"""What ``lineage`` returns: the graph as picture, as table and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_modelserve.client import lineage_svg
from jupyter_modelserve.client.display import Rich, escape, html_table, text_table
from jupyter_modelserve.traced import Lineage, LineageNode, NodeType, Relation
from jupyter_modelserve.types import to_json


@dataclass(frozen=True, repr=False)
class LineageView(Rich):
    """Where a model came from, and what names, copies and serves it. ``graph`` has the nodes and edges."""

    title: str
    graph: Lineage

    @property
    def datasets(self) -> list[LineageNode]:
        """Data sets upstream: those of training and of evaluation (REQ-083)."""
        return [each for each in self.graph.nodes if each.type is NodeType.DATASET]

    def _rows(self) -> list[tuple[object, ...]]:
        nodes = {each.id: each for each in self.graph.nodes}
        ordered = sorted(self.graph.edges, key=lambda each: (nodes[each.source].column, nodes[each.source].row))
        return [
            (
                _named(nodes[each.source]),
                _relation(each.relation, ended=bool(each.ended_at)),
                _named(nodes[each.target]),
            )
            for each in ordered
        ]

    def _note(self) -> str:
        return "there is more than is shown here; ask for one version, or one direction" * self.graph.truncated

    def text(self) -> str:
        """One line for each edge, from data to endpoints."""
        rows = self._rows()
        body = text_table(("from", "is", "to"), rows) if rows else "nothing is known of where it came from or goes"
        return "\n".join(each for each in (self.title, body, self._note()) if each)

    def html(self) -> str:
        """The picture, with the same as a table for those who do not see it."""
        picture = lineage_svg.svg(self.graph, f"{self.title}: {len(self.graph.nodes)} nodes")
        table = html_table(("from", "is", "to"), self._rows())
        return (
            f'<div><b>{escape(self.title)}</b><div style="overflow-x:auto">{picture}</div>'
            f"<details><summary>As a table</summary>{table}</details><div>{escape(self._note())}</div></div>"
        )

    def json(self) -> dict[str, Any]:
        """Nodes and edges as the API gives them."""
        return {"kind": "lineage", "title": self.title, "lineage": to_json(self.graph)}


def _named(node: LineageNode) -> str:
    return f"{lineage_svg.word(node.type)} {node.name}"


def _relation(relation: Relation, *, ended: bool) -> str:
    words = {Relation.EVALUATED: "evaluated", Relation.BELONGS: "is one of", Relation.USED: "was used by"}
    word = words.get(relation, relation.value)
    return f"{word} (past)" if ended else word
