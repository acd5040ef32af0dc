"""What a name may be, and what the last segment of an address means."""

from __future__ import annotations

import pytest

from jupyter_modelserve import names
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.names import Segment, SegmentKind


@pytest.mark.req("REQ-015", "REQ-016")
@pytest.mark.parametrize(
    ("model", "segment", "meaning"),
    [
        ("iris", "1", Segment(SegmentKind.VERSION, "1")),
        ("iris", "007", Segment(SegmentKind.VERSION, "7")),
        ("iris", "Production", Segment(SegmentKind.STAGE, "Production")),
        ("iris", "production", Segment(SegmentKind.STAGE, "Production")),
        ("iris", "Champion", Segment(SegmentKind.ALIAS, "Champion")),
        ("prod.ml.iris", "Production", Segment(SegmentKind.ALIAS, "Production")),
        ("prod.ml.iris", "3", Segment(SegmentKind.VERSION, "3")),
        ("iris", "٣", Segment(SegmentKind.ALIAS, "٣")),
    ],
)
def test_last_segment(model: str, segment: str, meaning: Segment) -> None:
    assert names.parse_segment(model, segment) == meaning


@pytest.mark.parametrize("alias", ["1", "latest", "v2", "Staging", "production", "", "a b", "a/b", "x" * 256])
def test_an_ambiguous_alias_is_refused_when_it_is_set(alias: str) -> None:
    with pytest.raises(InvalidParameter, match="alias"):
        names.check_alias("iris", alias)


def test_a_stage_name_is_a_good_alias_where_there_are_no_stages() -> None:
    assert names.check_alias("prod.ml.iris", "Production") == "Production"


@pytest.mark.parametrize("model", ["", " a", "a/b", "a:b", "a@b", "a..b", ".", "a.b.c.", "a\n", "x" * 251, "a.b/c.d"])
def test_a_bad_model_name_is_refused(model: str) -> None:
    with pytest.raises(InvalidParameter, match="model name"):
        names.check_model(model)


@pytest.mark.req("REQ-065")
@pytest.mark.parametrize("model", ["iris", "iris-classifier", "prod.ml_team.iris_model", "a.b", "café", "a b"])
def test_a_good_model_name_passes(model: str) -> None:
    assert names.check_model(model) == model


def test_a_reference_is_split() -> None:
    assert names.split_reference("iris") == ("iris", None)
    assert names.split_reference("models:/iris/2") == ("iris", Segment(SegmentKind.VERSION, "2"))
    assert names.split_reference("a.b.c@Champion") == ("a.b.c", Segment(SegmentKind.ALIAS, "Champion"))
    assert names.split_reference("iris/staging") == ("iris", Segment(SegmentKind.STAGE, "Staging"))


@pytest.mark.parametrize(("model", "endpoint"), [("iris", "iris"), ("a.b.c", "a-b-c"), ("été", "t"), ("é", "model")])
def test_an_endpoint_gets_a_name(model: str, endpoint: str) -> None:
    assert names.endpoint_for(model) == endpoint


@pytest.mark.parametrize("alias", ["Productin", "prod", "PRODUCTON"])
def test_what_looks_like_a_stage_is_told_the_stages(alias: str) -> None:
    assert names.no_alias("iris", alias, []) == (
        f"iris has no alias {alias!r} (its aliases: none); did you mean iris/Production? "
        "(stages: None, Staging, Production, Archived)"
    )


@pytest.mark.parametrize(("model", "alias"), [("iris", "champion"), ("iris", "Nope"), ("prod.ml.iris", "Productin")])
def test_what_is_no_stage_is_told_the_aliases_alone(model: str, alias: str) -> None:
    assert names.no_alias(model, alias, ["b", "A"]) == f"{model} has no alias {alias!r} (its aliases: A, b)"
