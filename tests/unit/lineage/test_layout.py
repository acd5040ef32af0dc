"""Columns go from left to right, whatever the graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.controller.lineage.layout import place

NODES = [f"n{number}" for number in range(12)]
EDGES = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=30)


@given(EDGES)
def test_edges_without_rings_go_right_and_no_two_nodes_share_a_place(edges: list[tuple[str, str]]) -> None:
    edges = [(source, target) for source, target in edges if NODES.index(source) < NODES.index(target)]
    found = place(NODES, edges)
    assert set(found) == set(NODES)
    assert len(set(found.values())) == len(NODES)
    assert all(found[source][0] < found[target][0] for source, target in edges)
    assert all(column >= 0 and row >= 0 for column, row in found.values())


@given(EDGES)
def test_rings_are_drawn_too(edges: list[tuple[str, str]]) -> None:
    found = place(NODES, edges)
    assert len(set(found.values())) == len(NODES)


def test_lines_that_need_not_cross_do_not() -> None:
    nodes = ["a", "b", "c", "x", "y", "z"]
    found = place(nodes, [("a", "z"), ("b", "y"), ("c", "x")])
    order = sorted(["x", "y", "z"], key=lambda each: found[each][1])
    left = sorted(["a", "b", "c"], key=lambda each: found[each][1])
    assert [{"a": "z", "b": "y", "c": "x"}[each] for each in left] == order


def test_what_nothing_leads_to_stands_beside_what_it_leads_to() -> None:
    found = place(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert found["late"][0] == found["b"][0]
