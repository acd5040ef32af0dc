"""The picture of a lineage: readable on white and on black, safe, and the same as text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from jupyter_modelserve.client.lineage_results import LineageView
from jupyter_modelserve.client.lineage_svg import COLORS, svg
from jupyter_modelserve.traced import Lineage, LineageEdge, LineageNode, NodeType, Relation

NASTY = '<script>alert("x")</script>'
GRAPH = Lineage(
    ("version:iris/1",),
    (
        LineageNode("d", NodeType.DATASET, NASTY, {"rows": 120000, "source": NASTY}, column=0),
        LineageNode("r", NodeType.RUN, "bold-run", {"status": "FINISHED"}, column=1),
        LineageNode("version:iris/1", NodeType.VERSION, "iris 1", {}, column=2),
        LineageNode("withheld-1", NodeType.VERSION, "withheld", {}, True, column=3),
    ),
    (
        LineageEdge("d", "r", Relation.READ),
        LineageEdge("r", "version:iris/1", Relation.REGISTERED),
        LineageEdge("version:iris/1", "withheld-1", Relation.COPIED, 0, 1),
    ),
    truncated=True,
)
VIEW = LineageView("Lineage of iris version 1", GRAPH)


def _luminance(color: str) -> float:
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("kind", NodeType)
@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_every_kind_stands_out_in_light_and_dark(kind: NodeType, page: str) -> None:
    lighter, darker = sorted((_luminance(COLORS[kind]), _luminance(page)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


@pytest.mark.req("REQ-083")
def test_the_picture_is_sound_and_says_everything() -> None:
    drawn = ET.fromstring(svg(GRAPH, "a title"))
    words = "".join(drawn.itertext())
    assert NASTY in words  # as text: the parser would have found an element otherwise
    assert not [each for each in drawn.iter() if each.tag.endswith("script")]
    assert "120,000 rows" in words
    assert "version that you may not see" in words
    boxes = [each for each in drawn.iter() if each.tag.endswith("rect")]
    assert len(boxes) == len(GRAPH.nodes)
    width = float(drawn.attrib["width"])
    assert all(float(each.attrib["x"]) + float(each.attrib["width"]) <= width for each in boxes)
    assert drawn.attrib["aria-label"] == "a title"
    texts = [each for each in drawn.iter() if each.tag.endswith("text")]
    assert {each.attrib["fill"] for each in texts} == {"currentColor"}


def test_html_has_the_same_as_a_table_and_no_script() -> None:
    html = VIEW.html()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<details>" in html
    assert "there is more" in html


def test_text_has_one_line_for_each_edge() -> None:
    lines = VIEW.text().splitlines()
    assert lines[0] == "Lineage of iris version 1"
    assert [line.split() for line in lines[3:5]] == [
        ["run", "bold-run", "registered", "version", "iris", "1"],
        ["version", "iris", "1", "copied", "(past)", "version", "withheld"],
    ]
    assert [each.name for each in VIEW.datasets] == [NASTY]
    assert VIEW.json()["lineage"]["nodes"][3]["withheld"] is True


def test_nothing_known_is_said() -> None:
    assert "nothing is known" in LineageView("x", Lineage(())).text()
