"""Every kind of answer becomes valid JSON with the same values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from jupyter_modelserve.replica.worker.encode import CannotEncode, encode


@dataclasses.dataclass
class Point:
    x: float


class Color(enum.Enum):
    RED = "red"


class Opaque:
    pass


NAN, INF = float("nan"), float("inf")
WHEN = dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001 - models answer times without a zone


@pytest.mark.req("REQ-034", "REQ-177")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (np.array([1, 2]), [1, 2]),
        (np.array([[1.5, NAN], [INF, -INF]]), [[1.5, None], [None, None]]),
        (np.array([NAN], dtype="float32"), [None]),
        (np.float64(NAN), None),
        (np.int32(3), 3),
        (np.bool_(True), True),
        (np.array(5), 5),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([b"ab"]), ["YWI="]),
        (np.array(["2020-01-02T03:04:05", "NaT"], dtype="datetime64[ns]"), ["2020-01-02T03:04:05", None]),
        (np.array(["2020-01-02T03:04:05.5"], dtype="datetime64[ns]"), ["2020-01-02T03:04:05.5"]),
        (np.array([{"a": np.float32(0.5)}, None], dtype=object), [{"a": 0.5}, None]),
        ([1.0, NAN, [INF]], [1.0, None, [None]]),
        ((1, "a"), [1, "a"]),
        ({"a": np.array([1]), 2: {"b": NAN}}, {"a": [1], "2": {"b": None}}),
        ("text", "text"),
        (None, None),
        (b"ab", "YWI="),
        (decimal.Decimal("1.5"), 1.5),
        (decimal.Decimal("NaN"), None),
        (WHEN, "2020-01-02T03:04:05"),
        (WHEN.date(), "2020-01-02"),
        (dt.timedelta(seconds=1.5), 1.5),
        (Point(1.0), {"x": 1.0}),
        (Color.RED, "red"),
        (pd.Series([1, 2], name="p"), [1, 2]),
        (pd.Series([1.0, None]), [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series([pd.Timestamp(WHEN), pd.NaT]), ["2020-01-02T03:04:05", None]),
        (pd.Series([pd.Timestamp(WHEN, tz="UTC")]), ["2020-01-02T03:04:05+00:00"]),
        (pd.DataFrame({"a": [1, 2], "b": [NAN, 0.5]}), [{"a": 1, "b": None}, {"a": 2, "b": 0.5}]),
        (pd.DataFrame({("a", "b"): [1]}), [{"a b": 1}]),
        (pd.DataFrame({"a": [np.array([1.0, NAN])]}), [{"a": [1.0, None]}]),
        (pd.DataFrame(), []),
        (scipy.sparse.csr_matrix([[0, 1.5]]), [[0.0, 1.5]]),
        (pd.NA, None),
        ((number for number in (1, 2)), [1, 2]),
        ("\ud800", "\ud800"),
        (2**70, 2**70),
    ],
)
def test_values(answer: Any, expected: Any) -> None:
    assert json.loads(encode(answer, bare=True), parse_constant=pytest.fail) == expected


def test_the_wrapped_form() -> None:
    assert encode(np.array([0]), bare=False) == b'{"predictions": [0]}'


def test_an_opaque_answer_names_its_class() -> None:
    with pytest.raises(CannotEncode, match="Opaque"):
        encode([Opaque()], bare=True)


def test_two_columns_of_one_name_are_not_made_one_without_a_word() -> None:
    with pytest.raises(CannotEncode, match="two columns of one name"):
        encode(pd.DataFrame([[1, 2]], columns=["a", "a"]), bare=True)


def test_a_cycle_ends() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(CannotEncode, match="nested deeper"):
        encode(cycle, bare=True)
