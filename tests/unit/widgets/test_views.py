"""Fields of a form, charts and tables: types, escaping, and what is said when something is wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jupyter_modelserve.errors import InvalidParameter, NotRunning
from jupyter_modelserve.widgets import pictures
from jupyter_modelserve.widgets.chart import Line, chart
from jupyter_modelserve.widgets.fields import Field, first_row, is_table
from jupyter_modelserve.widgets.history import History

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("double", " 1e3 ", 1000.0),
        ("long", "-4", -4),
        ("boolean", "true", True),
        ("string", " as it is ", " as it is "),
        ("string", "", ""),
        ("datetime", "2026-01-01", "2026-01-01"),
    ],
)
def test_a_text_becomes_the_columns_type(kind: str, text: str, value: Any) -> None:
    field = Field({"name": "x", "type": kind, "required": True})
    field.text = text
    assert (field.value(), type(field.value())) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("double", "much", "x is 'much'; it takes a number"),
        ("long", "1.5", "a whole number"),
        ("long", "", "x is empty"),
    ],
)
def test_a_text_that_does_not_fit_names_the_column(kind: str, text: str, message: str) -> None:
    field = Field({"name": "x", "type": kind})
    field.text = text
    with pytest.raises(InvalidParameter, match=message):
        field.value()


def test_an_optional_field_may_be_empty() -> None:
    assert Field({"name": "x", "type": "long", "required": False}).value() is None


def test_examples_and_signatures_are_read() -> None:
    assert first_row({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}) == {"a": 1, "b": 2}
    assert first_row({"dataframe_records": [{"a": 1}]}) == {"a": 1}
    others: list[Any] = [None, {}, {"inputs": [[1]]}, {"dataframe_split": {"data": []}}]
    assert [first_row(each) for each in others] == [{}] * 4
    assert is_table([{"name": "a", "type": "double"}])
    assert not is_table([])
    assert not is_table([{"type": "tensor", "tensor-spec": {}}])
    assert not is_table([{"name": "a", "type": "array"}])


def test_a_chart_takes_the_pages_colours_and_width() -> None:
    now = time.time()
    drawn = chart("A <b>", "per $x_1$ second", [now - 2, now - 1, now], [Line("r", "#3b82c4", [1, None, 3])])
    assert "A &lt;b&gt;: r 3" in drawn
    assert "<b>A <b>" not in drawn
    assert "currentColor" in drawn
    assert "#010203" not in drawn
    assert 'width="100%"' in drawn


def test_a_chart_of_nothing_is_drawn() -> None:
    assert "<svg" in pictures.charts(History())


def test_a_problem_is_said_with_escaped_text() -> None:
    assert "nothing answers at &lt;x&gt;" in pictures.problem(NotRunning("nothing answers at <x>"))
