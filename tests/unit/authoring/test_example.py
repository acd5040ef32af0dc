"""What the input example reveals before anything is logged (asks.md T8, M4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_modelserve.authoring.example import NO_EXAMPLE, ROWS_KEPT, examine


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([1, 2], "whole numbers without missing values"),
        (["a", 1], "of mixed types"),
        (pd.Categorical(["a", "b"]), "is categorical"),
        (pd.array([1, None], dtype="Int32"), "registered as double"),
        (pd.array([True, None], dtype="boolean"), "boolean with missing values"),
        ([None, None], "without any value"),
    ],
)
def test_warnings_name_the_column(column: Any, words: str) -> None:
    warnings = examine(pd.DataFrame({"x": column})).warnings
    assert len(warnings) == 1
    assert words in warnings[0]
    assert "'x'" in warnings[0]


@pytest.mark.parametrize(
    "column", [[1.0, None], ["a", None], [True, False], pd.to_datetime(["2024-01-01", "2024-01-02"])]
)
def test_harmless_columns(column: Any) -> None:
    assert examine(pd.DataFrame({"x": column})).warnings == ()


def test_no_example() -> None:
    assert examine(None).warnings == (NO_EXAMPLE,)


def test_few_rows_are_kept_and_show_a_value() -> None:
    frame = pd.DataFrame({"x": [np.nan] * 50 + [1.0], "y": 0.5})
    found = examine(frame)
    assert len(found.kept) == ROWS_KEPT
    assert found.kept["x"].notna().sum() == 1
    assert len(found.data) == 51


def test_arrays_lists_and_series() -> None:
    assert examine(np.zeros((100, 2))).kept.shape == (ROWS_KEPT, 2)
    assert examine([[1], [2]]).kept == [[1], [2]]
    assert list(examine(pd.Series([1.0, 2.0], name="x")).kept.columns) == ["x"]


def test_the_users_frame_is_not_changed() -> None:
    frame = pd.DataFrame({"x": pd.array([1, None], dtype="Int64")})
    examine(frame)
    assert str(frame["x"].dtype) == "Int64"
