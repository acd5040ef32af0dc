"""An answer is held against the signature: what contradicts it is named, what JSON merely writes otherwise is not."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.controller.checking.answers import misfit


def column(kind: str, name: str | None = None, required: bool = True) -> dict[str, Any]:
    return {"type": kind, "required": required} | ({} if name is None else {"name": name})


def tensor(dtype: str, *shape: int, name: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return found if name is None else found | {"name": name}


A, B = column("double", "a"), column("string", "b")


@pytest.mark.req("REQ-127")
@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        ([], {"anything": object}),
        ([column("long")], [1, 2]),
        ([column("long")], [1.0, [2]]),
        ([column("double")], [1, 2.5, None]),
        ([column("string")], ["x"]),
        ([column("double", "a")], [{"a": 1.0}]),
        ([column("double")], [{"prediction": 1.0}]),
        ([A, B], [{"a": 1, "b": "x", "more": 1}]),
        ([A, column("string", "b", required=False)], [{"a": 1}]),
        ([A, B], [[1, "x"]]),
        ([A, B], {"a": [1.0, 2.0], "b": ["x", "y"]}),
        ([column("boolean")], True),
        ([column("array")], [[1, 2], [3]]),
        ([column("object")], [{"x": 1}]),
        ([tensor("float32", -1, 3)], [[1, 2, 3], [4, 5, 6]]),
        ([tensor("int64", -1)], []),
        ([tensor("str", -1)], ["x"]),
        ([tensor("float64", -1, name="t")], {"t": [1.5]}),
    ],
)
def test_what_fits(outputs: list[dict[str, Any]], answer: Any) -> None:
    assert misfit(outputs, answer) == ""


@pytest.mark.req("REQ-127")
@pytest.mark.parametrize(
    ("outputs", "answer", "said"),
    [
        ([column("long")], [1, 2.5], "row 1 is a number, and long is declared"),
        ([column("long")], [None], "row 0 is null, and long is declared"),
        ([column("double")], ["x"], "row 0 is a text, and double is declared"),
        ([column("double")], [True], "row 0 is a boolean, and double is declared"),
        ([column("string")], [1], "row 0 is a whole number, and string is declared"),
        ([column("boolean")], 1, "the answer is a whole number, and boolean is declared"),
        ([A, B], [{"a": 1}], "row 0 lacks the declared output 'b'"),
        ([A, B], [{"a": "x", "b": "y"}], "row 0, 'a' is a text, and double is declared"),
        ([A, B], [1], "row 0 is one value, and 2 outputs are declared"),
        ([A, B], [[1]], "row 0 has 1 values, and 2 outputs are declared"),
        ([A, B], {"a": [1]}, "it lacks the declared output 'b'"),
        ([A, B], {"a": [1], "b": [2]}, "output 'b' is a whole number, and string is declared"),
        ([tensor("float32", -1, 3)], [[1, 2]], "the answer has the shape (1, 2), and (-1, 3) is declared"),
        ([tensor("float32", -1, 3)], [1, 2], "the answer has the shape (2), and (-1, 3) is declared"),
        ([tensor("int64", -1)], [1.5], "the answer holds a number, and int64 is declared"),
        ([tensor("float64", -1, name="t")], {"u": [1.5]}, "it lacks the declared output 't'"),
    ],
)
def test_what_does_not_fit_is_named(outputs: list[dict[str, Any]], answer: Any, said: str) -> None:
    assert misfit(outputs, answer) == said
