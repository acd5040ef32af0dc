"""What the cell tagged parameters declares, and which texts fit."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.cli import parameters
from jupyter_modelserve.errors import InvalidParameter


def notebook(source: str) -> dict[str, Any]:
    other = {"cell_type": "code", "metadata": {}, "source": ["hidden = 1"]}
    return {"cells": [other, {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [source]}]}


def test_only_the_tagged_cell_declares() -> None:
    source = 'a = "x"  # str: text\nb: float = -1.5\nc = [1]\nd = None\nimport os\ne.f = 1\ng, h = 1, 2\n'
    assert parameters.declared(notebook(source)) == {"a": "x", "b": -1.5, "c": [1], "d": None}
    assert parameters.declared({"cells": []}) == {}


@pytest.mark.parametrize(("source", "message"), [("a = open('x')", "no literal"), ("a = (", "line 1 of the cell")])
def test_what_cannot_be_read_is_named(source: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        parameters.declared(notebook(source))


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        ("x", "010", "010"),
        ("x", "true", "true"),
        (1, "-3", -3),
        (1.0, "1e-3", 0.001),
        (True, "false", False),
        ([1], "[2, 3]", [2, 3]),
        ({}, '{"a": 1}', {"a": 1}),
        (None, "3", 3),
        (None, "text", "text"),
    ],
)
def test_a_text_takes_the_type_of_the_default(default: Any, text: str, value: Any) -> None:
    found = parameters.typed([("name", text)], {"name": default})["name"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("default", "text", "message"),
    [
        (1, "1.5", "a whole number"),
        (1.0, "much", "a number"),
        (True, "1", "true or false"),
        ([1], "{}", "JSON of a list"),
        ({}, "[", "JSON of a dict"),
    ],
)
def test_a_text_that_does_not_fit_is_refused(default: Any, text: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        parameters.typed([("name", text)], {"name": default})
    assert caught.value.details == {"field": "name"}


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter, match="it has alpha, beta"):
        parameters.typed([("zzz", "1")], {"alpha": 1, "beta": 2})
    with pytest.raises(InvalidParameter, match="no cell of it is tagged parameters"):
        parameters.typed([("zzz", "1")], {})
