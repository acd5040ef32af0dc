"""Which dialect each kind of data becomes, that nothing is lost on the way, and that large data is cut."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.client import payload
from jupyter_modelserve.errors import InvalidParameter, PayloadTooLarge


def body(data: Any, params: dict[str, Any] | None = None) -> Any:
    found = payload.bodies(payload.prepare(data, params))
    assert len(found) == 1
    return json.loads(found[0])


@pytest.mark.req("REQ-033")
def test_array_becomes_inputs() -> None:
    assert body(np.array([[1.5, 2.0]])) == {"inputs": [[1.5, 2.0]]}


@pytest.mark.req("REQ-033")
def test_dict_of_arrays_becomes_named_inputs() -> None:
    assert body({"a": np.array([1, 2]), "b": np.array([[1.0], [2.0]])}) == {
        "inputs": {"a": [1, 2], "b": [[1.0], [2.0]]}
    }


def test_frame_becomes_split_with_null() -> None:
    frame = pd.DataFrame({"x (cm)": [1.0, np.nan], "n": pd.array([1, None], dtype="Int64"), "s": ["a", None]})
    expected = {"columns": ["x (cm)", "n", "s"], "data": [[1.0, 1, "a"], [None, None, None]]}
    assert body(frame) == {"dataframe_split": expected}


def test_times_and_bytes() -> None:
    frame = pd.DataFrame({"t": [pd.Timestamp("2024-01-02"), pd.NaT], "b": [b"\x00", b"\xff"]})
    data = body(frame)["dataframe_split"]["data"]
    assert data == [["2024-01-02T00:00:00", "AA=="], [None, "/w=="]]


def test_series_is_a_column_and_a_row_stays_a_row() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0]})
    assert body(frame["a"]) == {"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}
    assert body(frame.iloc[1]) == {"dataframe_split": {"columns": ["a", "b"], "data": [[2.0, 4.0]]}}


def test_records_and_single_record() -> None:
    assert body([{"a": 1}, {"a": np.int64(2)}]) == {"dataframe_records": [{"a": 1}, {"a": 2}]}
    assert body({"a": 1, "b": "x"}) == {"dataframe_records": [{"a": 1, "b": "x"}]}


def test_rows_scalars_and_dates() -> None:
    assert body([[1, 2], [3, 4]]) == {"inputs": [[1, 2], [3, 4]]}
    assert body("text") == {"inputs": ["text"]}
    assert body([dt.date(2024, 1, 2)]) == {"inputs": ["2024-01-02"]}


@pytest.mark.parametrize("key", ["dataframe_split", "dataframe_records", "instances", "inputs", "input_data"])
def test_a_dialect_is_sent_as_it_is(key: str) -> None:
    assert body({key: [[1]]}) == {key: [[1]]}


def test_params_travel_beside_the_data() -> None:
    assert body([[1]], {"t": 0.5}) == {"inputs": [[1]], "params": {"t": 0.5}}


def test_infinity_is_refused_by_column_and_row() -> None:
    with pytest.raises(InvalidParameter, match=r"column 'x' is infinite at \[1\]"):
        body(pd.DataFrame({"x": [1.0, np.inf]}))
    with pytest.raises(InvalidParameter, match="infinite"):
        body([[float("-inf")]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"a": []}), "no rows"),
        ([], "no rows"),
        (pd.DataFrame({("a", "b"): [1]}), "several levels"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "same name"),
        (pd.DataFrame({"c": [object()]}), "column 'c', row 0 holds a object"),
        (np.array([1j]), "complex"),
    ],
)
def test_refusals_name_the_place(data: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        body(data)


@pytest.mark.req("REQ-014")
@given(st.integers(1, 400), st.integers(200, 2000))
def test_chunks_stay_below_the_limit_and_keep_order(rows: int, limit: int) -> None:
    frame = pd.DataFrame({"a": range(rows), "b": ["é" * 5] * rows})
    parts = payload.bodies(payload.prepare(frame), limit)
    assert all(len(part) <= limit for part in parts)
    assert [row[0] for part in parts for row in json.loads(part)["dataframe_split"]["data"]] == list(range(rows))


def test_one_row_above_the_limit() -> None:
    with pytest.raises(PayloadTooLarge, match="row 1 alone"):
        payload.bodies(payload.prepare([["a"], ["b" * 300]]), 100)


def test_named_inputs_of_different_lengths_stay_whole() -> None:
    assert body({"a": [1, 2], "b": [[1]]}) == {"inputs": {"a": [1, 2], "b": [[1]]}}


def test_answers_are_joined() -> None:
    assert payload.join([[1], [2, 3]]) == [1, 2, 3]
    assert payload.join([{"a": [1]}, {"a": [2]}]) == {"a": [1, 2]}
    with pytest.raises(InvalidParameter, match="cannot be joined"):
        payload.join(["x", "y"])


def test_presentation() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[7, 9])
    rows = payload.prepare(frame)
    assert payload.present([1, None], rows).dtype == float
    assert payload.present(["a", "b"], rows).tolist() == ["a", "b"]
    answer = payload.present([{"p": 0.5}, {"p": 0.6}], rows)
    assert list(answer.index) == [7, 9]
    assert list(answer["p"]) == [0.5, 0.6]
    assert payload.present({"any": "thing"}, rows) == {"any": "thing"}
    assert payload.present([[1], [2, 3]], rows) == [[1], [2, 3]]
