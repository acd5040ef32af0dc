"""The part of the graph around a version or model, as far as the viewer may see it.

Runs, data sets and notebooks are shared by a workspace (operation ``tracking.use``), so who may see a model may see
where it came from. Other models and endpoints are judged each; what the viewer may not see is one nameless node, behind
which nothing downstream is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.lineage import layout
from jupyter_modelserve.controller.store import lineage as store
from jupyter_modelserve.controller.store.lineage import Node
from jupyter_modelserve.errors import NotFound
from jupyter_modelserve.traced import Direction, Lineage, LineageEdge, LineageNode, NodeType, Relation

MOST: Final = 300
"""Nodes of an answer."""
_LARGE: Final = ("schema", "profile")
"""Facts that a picture does not show."""
WITHHELD: Final = "withheld"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for. ``version`` empty: all versions of the model; ``history``: also edges that have ended."""

    model: str
    version: str = ""
    direction: Direction = Direction.BOTH
    history: bool = False
    full: bool = False
    most: int = MOST


def read(connection: Connection, state: State, principal: str, asked: Asked) -> Lineage:
    """The graph as it is kept (``keeper.up_to_date`` comes first). *asked.full*: with schemas and profiles of data.

    Raises:
        NotFound: lineage knows no such version.
    """
    focus = _focus(connection, asked)
    walk = _Walk(connection, asked, lambda node: visible(state, principal, node))
    walk.begin(focus)
    if asked.direction is not Direction.DOWNSTREAM:
        walk.go([each.id for each in focus], upstream=True)
        walk.outputs()
    if asked.direction is not Direction.UPSTREAM:
        walk.go([each.id for each in focus], upstream=False)
    walk.prune({each.id for each in focus})
    return _shown(walk, [each.id for each in focus], asked)


def _focus(connection: Connection, asked: Asked) -> list[Node]:
    nodes = [each for each in store.of_model(connection, asked.model) if each.type is NodeType.VERSION]
    current = [each for each in nodes if "deleted" not in each.facts]
    if asked.version:
        current = [each for each in current if each.facts.get("version") == asked.version]
    if not current:
        what = f"{asked.model} has no version {asked.version}" if asked.version else f"{asked.model} has no version yet"
        raise NotFound(what, details={"model": asked.model, "version": asked.version})
    return sorted(current, key=lambda each: -int(each.facts["version"]))


def visible(state: State, principal: str, node: Node) -> bool:
    """Whether the viewer may know what a node is."""
    if node.type is NodeType.ENDPOINT:
        return any(_may_see(state, principal, each) for each in node.facts.get("models", ()))
    if node.facts.get("model_deleted"):
        # Whoever has that name now is not the one whom the deleted model belonged to.
        return state.is_admin(principal)
    return not node.model or _may_see(state, principal, node.model)


def _may_see(state: State, principal: str, model: str) -> bool:
    return decide(state, principal, Operation.MODEL_VIEW, model_of(model)).allowed


class _Walk:
    """Collects nodes and edges, breadth first, so that a bounded answer holds what is near."""

    def __init__(self, connection: Connection, asked: Asked, may: Callable[[Node], bool]) -> None:
        self._connection = connection
        self._asked = asked
        self._may = may
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], LineageEdge] = {}
        self.hidden: set[str] = set()
        self.truncated = False

    def begin(self, focus: list[Node]) -> None:
        """Where to start."""
        self.truncated = len(focus) > self._asked.most
        self._take(focus[: self._asked.most])

    def go(self, start: Iterable[str], *, upstream: bool) -> None:
        """Follow edges one way from *start*."""
        seen = {each for each in start if each in self.nodes}
        frontier, late = list(seen), list[LineageEdge]()
        while frontier:
            edges = self._edges(frontier, upstream=upstream)
            found = [each for each in edges if each.relation is not Relation.LOADED]
            late += [each for each in edges if each.relation is Relation.LOADED]
            ends = [each.source if upstream else each.target for each in found]
            known = self._known(each for each in ends if each not in seen)
            self._take(known)
            self._add(found)
            # What is hidden is an end downstream; upstream it is passed, for the origin of a model is its viewer's.
            frontier = [each.id for each in known if upstream or each.id not in self.hidden]
            seen |= {each.id for each in known}
        # Whoever loads a version names itself: that comes last, the newest first, and crowds nothing else out.
        self._take(self._known(each.target for each in reversed(late)))
        self._add(late)

    def outputs(self) -> None:
        """What the executions wrote that stand behind it."""
        executions = [each.id for each in self.nodes.values() if each.type is NodeType.EXECUTION]
        found = store.touching(self._connection, executions, upstream=False, relations=[Relation.WROTE])
        self._take(self._known(each.target for each in found))
        self._add(found)

    def prune(self, focus: set[str]) -> None:
        """Leave out models as a whole where nothing serves them."""
        for node in list(self.nodes.values()):
            if node.type is NodeType.MODEL and node.id not in focus:
                out = [key for key in self.edges if key[0] == node.id]
                if not out:
                    del self.nodes[node.id]
                    self.edges = {key: edge for key, edge in self.edges.items() if node.id not in key[:2]}

    def _edges(self, ids: list[str], *, upstream: bool) -> tuple[LineageEdge, ...]:
        return store.touching(self._connection, ids, upstream=upstream, history=self._asked.history)

    def _known(self, ids: Iterable[str]) -> list[Node]:
        wanted = list(dict.fromkeys(ids))
        found = store.find(self._connection, wanted)
        return [found[each] for each in wanted if each in found]

    def _take(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if node.id in self.nodes:
                continue
            if len(self.nodes) >= self._asked.most:
                self.truncated = True
                return
            self.nodes[node.id] = node
            if not self._may(node):
                self.hidden.add(node.id)

    def _add(self, edges: Iterable[LineageEdge]) -> None:
        for each in edges:
            if each.source in self.nodes and each.target in self.nodes:
                self.edges[each.source, each.target, each.relation.value] = each


def _shown(walk: _Walk, focus: list[str], asked: Asked) -> Lineage:
    names = {each: f"{WITHHELD}-{number}" for number, each in enumerate(sorted(walk.hidden), 1)}
    places = layout.place(list(walk.nodes), [(each.source, each.target) for each in walk.edges.values()])
    nodes = []
    for node in walk.nodes.values():
        column, row = places[node.id]
        if node.id in walk.hidden:
            nodes.append(LineageNode(names[node.id], node.type, WITHHELD, {}, True, column, row))
        else:
            nodes.append(LineageNode(node.id, node.type, node.name, _facts(node, asked), False, column, row))
    edges = []
    for edge in walk.edges.values():
        hidden = edge.source in walk.hidden or edge.target in walk.hidden
        ends = (names.get(edge.source, edge.source), names.get(edge.target, edge.target))
        shown = replace(edge, source=ends[0], target=ends[1])
        edges.append(replace(shown, at=0, ended_at=min(edge.ended_at, 1), facts={}) if hidden else shown)
    kept = tuple(each for each in focus if each in walk.nodes)
    return Lineage(kept, tuple(nodes), tuple(edges), walk.truncated)


def _facts(node: Node, asked: Asked) -> dict[str, Any]:
    left_out = {"models", *(() if asked.full else _LARGE)}
    return {key: value for key, value in node.facts.items() if key not in left_out}
