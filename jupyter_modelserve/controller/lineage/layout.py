"""Where to draw each node: columns from left to right as things came from each other, rows with few crossings. Pure.

Done here once, so that a notebook and the panel draw the same picture without a library for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_PASSES: Final = 4
"""Sweeps over the columns; more change nothing in graphs of this size."""


def place(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Column and row of each node. An edge goes to the right, except where it closes a ring."""
    known = set(nodes)
    kept = [(source, target) for source, target in edges if source in known and target in known and source != target]
    columns = _columns(nodes, kept)
    before, after = defaultdict(list), defaultdict(list)
    for source, target in kept:
        before[target].append(source)
        after[source].append(target)
    order: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        order[columns[node]].append(node)
    for turn in range(_PASSES):
        forwards = turn % 2 == 0
        _sweep(order, before if forwards else after, forwards=forwards)
    return {node: (column, row) for column, members in order.items() for row, node in enumerate(members)}


def _columns(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Longest way from the left, then each node as near to what follows it as it can be."""
    into, out = defaultdict(list), defaultdict(list)
    for source, target in _without_rings(nodes, edges):
        into[target].append(source)
        out[source].append(target)
    columns: dict[str, int] = {}
    for node in _sorted(nodes, into, out):
        columns[node] = max((columns[each] + 1 for each in into[node]), default=0)
    for node in reversed(_sorted(nodes, into, out)):
        if out[node] and not into[node]:
            columns[node] = min(columns[each] for each in out[node]) - 1
    return columns


def _without_rings(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    out: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        out[source].append(target)
    state: dict[str, int] = {}
    kept: list[tuple[str, str]] = []
    for root in nodes:
        stack = [(root, iter(out[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif state.get(following) != 1:
                kept.append((node, following))
                if following not in state:
                    state[following] = 1
                    stack.append((following, iter(out[following])))
    return kept


def _sorted(nodes: Sequence[str], into: Mapping[str, list[str]], out: Mapping[str, list[str]]) -> list[str]:
    missing = {node: len(into[node]) for node in nodes}
    ready = [node for node in nodes if not missing[node]]
    done: list[str] = []
    while ready:
        node = ready.pop(0)
        done.append(node)
        for each in out[node]:
            missing[each] -= 1
            if not missing[each]:
                ready.append(each)
    return done


def _sweep(order: dict[int, list[str]], neighbours: Mapping[str, list[str]], *, forwards: bool) -> None:
    """Put each node at the mean of its neighbours; who has none keeps its place."""
    places = {node: row for members in order.values() for row, node in enumerate(members)}
    for column in sorted(order, reverse=not forwards):
        wish = {
            node: sum(places[each] for each in neighbours[node]) / len(neighbours[node])
            if neighbours[node]
            else float(places[node])
            for node in order[column]
        }
        order[column].sort(key=lambda node: wish[node])
        places.update({node: row for row, node in enumerate(order[column])})
