"""Draws lineage as SVG text. Places come with the answer; this only paints.

Lines and words take the colour of the page's text, and the colour of a kind keeps a contrast of 3 to 1 to white and to
black, so that one picture is right in light and dark. It has no script and no style sheet of its own.
"""

from __future__ import annotations

from typing import Final

from jupyter_modelserve.client.display import escape
from jupyter_modelserve.traced import Lineage, LineageEdge, LineageNode, NodeType

COLORS: Final[dict[NodeType, str]] = {
    NodeType.DATASET: "#2e9e5b",
    NodeType.NOTEBOOK: "#b8761a",
    NodeType.EXECUTION: "#b8761a",
    NodeType.OUTPUT: "#b8761a",
    NodeType.RUN: "#3b82c4",
    NodeType.LOGGED_MODEL: "#3b82c4",
    NodeType.VERSION: "#8a63d2",
    NodeType.MODEL: "#8a63d2",
    NodeType.ALIAS: "#c2528b",
    NodeType.STAGE: "#c2528b",
    NodeType.ENDPOINT: "#d64545",
    NodeType.CONSUMER: "#6b7a8a",
}
WORDS: Final[dict[NodeType, str]] = {NodeType.DATASET: "data set", NodeType.EXECUTION: "notebook run"}
"""Kinds that people call otherwise."""
_WIDE, _HIGH, _ACROSS, _DOWN, _EDGE = 184, 42, 44, 14, 6
_LETTERS: Final = 23
"""What fits into a box."""


def word(kind: NodeType) -> str:
    """What people call a kind of node."""
    return WORDS.get(kind, kind.value)


def svg(lineage: Lineage, title: str) -> str:
    """The graph; *title* is what a screen reader says of it."""
    columns = 1 + max((each.column for each in lineage.nodes), default=0)
    rows = 1 + max((each.row for each in lineage.nodes), default=0)
    width = columns * (_WIDE + _ACROSS) - _ACROSS + 2 * _EDGE
    height = rows * (_HIGH + _DOWN) - _DOWN + 2 * _EDGE
    places = {each.id: _place(each) for each in lineage.nodes}
    names = {each.id: each.name for each in lineage.nodes}
    edges = "".join(_edge(each, places, names) for each in lineage.edges)
    nodes = "".join(_node(each, focus=each.id in lineage.focus) for each in lineage.nodes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" font-size="12" font-family="sans-serif">{edges}{nodes}</svg>'
    )


def _place(node: LineageNode) -> tuple[int, int]:
    return _EDGE + node.column * (_WIDE + _ACROSS), _EDGE + node.row * (_HIGH + _DOWN)


def _edge(edge: LineageEdge, places: dict[str, tuple[int, int]], names: dict[str, str]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    x1, y1, y2 = x1 + _WIDE, y1 + _HIGH // 2, y2 + _HIGH // 2
    bend = max(_ACROSS // 2, (x2 - x1) // 2)
    dashes = ' stroke-dasharray="4 3"' if edge.ended_at else ""
    told = f"{names[edge.source]} {edge.relation.value} {names[edge.target]}" + (
        " (until now past)" * bool(edge.ended_at)
    )
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 5} {y2}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.55"{dashes}><title>{escape(told)}</title></path>'
        f'<path d="M{x2 - 6} {y2 - 3} L{x2} {y2} L{x2 - 6} {y2 + 3}z" fill="currentColor" fill-opacity="0.55"/>'
    )


def _node(node: LineageNode, *, focus: bool) -> str:
    x, y = _place(node)
    color = "#808080" if node.withheld else COLORS[node.type]
    dashes = ' stroke-dasharray="4 3"' if node.withheld or "deleted" in node.facts else ""
    name = node.name if len(node.name) <= _LETTERS else f"…{node.name[1 - _LETTERS :]}"
    below = detail(node)
    return (
        f'<g><title>{escape(tooltip(node))}</title><rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="6" '
        f'fill="{color}" fill-opacity="0.14" stroke="{color}" stroke-width="{2.5 if focus else 1.2}"{dashes}/>'
        f'<text x="{x + 9}" y="{y + 18}" fill="currentColor" font-weight="{600 if focus else 400}">'
        f"{escape(name)}</text>"
        f'<text x="{x + 9}" y="{y + 33}" fill="currentColor" font-size="10" fill-opacity="0.75">'
        f"{escape(below)}</text></g>"
    )


def detail(node: LineageNode) -> str:
    """The second line of a box: the kind, and what matters of it."""
    facts = node.facts
    more = ""
    if node.type is NodeType.DATASET and "rows" in facts:
        more = f"{facts['rows']:,} rows"
    elif node.type in {NodeType.RUN, NodeType.EXECUTION}:
        more = str(facts.get("status") or facts.get("state") or "").lower()
    if "deleted" in facts:
        more = "deleted"
    return f"{word(node.type)} · {more}" if more else word(node.type)


def tooltip(node: LineageNode) -> str:
    """Everything that is short enough to be read."""
    if node.withheld:
        return f"{word(node.type)} that you may not see"
    lines = [f"{word(node.type)} {node.name}"]
    lines += [f"{key}: {value}"[:200] for key, value in node.facts.items() if value not in ("", None, 0, {})]
    return "\n".join(lines)
