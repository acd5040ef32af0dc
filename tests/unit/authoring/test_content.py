"""The digest of a table: every value counts, the way it was read does not."""

from __future__ import annotations

import datetime as dt
import decimal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_modelserve.authoring import tables
from jupyter_modelserve.authoring.content import content
from jupyter_modelserve.authoring.dataset import dataset_input
from jupyter_modelserve.errors import InvalidParameter

ROWS = 20_000


def _frame() -> pd.DataFrame:
    number = np.arange(ROWS)
    return pd.DataFrame(
        {
            "id": number + 2**60,
            "x": number / 7,
            "gap": [None if each % 5 == 0 else int(each) for each in number],
            "name": [f"n{each}" if each % 3 else None for each in number],
            "yes": number % 2 == 0,
            "at": pd.Timestamp("2020-01-01") + pd.to_timedelta(number, unit="s"),
        }
    )


def _digest(*portions: pd.DataFrame) -> str:
    return content(portions).sha256


@pytest.mark.req("REQ-082")
@pytest.mark.parametrize(
    ("column", "value"),
    [("id", 1), ("x", 0.5), ("gap", 7), ("name", "other"), ("yes", True), ("at", pd.Timestamp("2021-01-01"))],
)
def test_a_value_far_below_what_mlflow_looks_at_changes_the_digest(column: str, value: Any) -> None:
    from mlflow.data.digest_utils import compute_pandas_digest

    before, after = _frame(), _frame()
    row = 14_999
    assert before.loc[row, column] != value
    after.loc[row, column] = value
    assert compute_pandas_digest(before) == compute_pandas_digest(after)
    assert _digest(before) != _digest(after)


def test_portions_do_not_matter() -> None:
    frame = _frame()
    whole = _digest(frame)
    assert _digest(*(frame.iloc[start : start + 7001] for start in range(0, ROWS, 7001))) == whole
    assert _digest(frame.set_index(frame.index + 5)) == whole


@pytest.mark.parametrize(
    "same",
    [
        lambda each: each.astype({"id": "Int64", "gap": "Int64", "name": "string", "yes": "boolean"}),
        lambda each: each.astype({"gap": object, "yes": object, "at": object, "id": object}),
        lambda each: each.astype({"name": "category", "at": "datetime64[s]"}),
        lambda each: each.convert_dtypes(dtype_backend="pyarrow"),
    ],
)
def test_types_of_columns_do_not_matter(same: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    assert _digest(same(_frame())) == _digest(_frame())


@pytest.mark.parametrize(
    "other",
    [
        lambda each: each.rename(columns={"x": "y"}),
        lambda each: each[list(reversed(each.columns))],
        lambda each: each.iloc[::-1],
        lambda each: each.iloc[:-1],
        lambda each: each.assign(id=each["id"].astype(float)),
        lambda each: each.assign(name=each["name"].fillna("")),
        lambda each: each.assign(at=each["at"].dt.tz_localize("UTC")),
        lambda each: each.assign(yes=each["yes"].astype(int)),
    ],
)
def test_names_order_and_values_matter(other: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    assert _digest(other(_frame())) != _digest(_frame())


def test_text_is_not_run_together() -> None:
    assert _digest(pd.DataFrame({"a": ["ab", "c"]})) != _digest(pd.DataFrame({"a": ["a", "bc"]}))
    assert _digest(pd.DataFrame({"a": ["1"]})) != _digest(pd.DataFrame({"a": [1]}))


def test_values_of_all_kinds_in_one_column() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    values = [
        None, float("nan"), pd.NaT, True, 1, 2.5, 2**63, 10**30, "é", b"\x00", dt.datetime(9999, 12, 31),  # noqa: DTZ001 - a time without a zone is what is meant
        dt.datetime(2020, 1, 1, tzinfo=zone), dt.date(2020, 1, 1), dt.timedelta(seconds=3), decimal.Decimal("1.10"),
        np.datetime64("2020-01-01"), pd.Timestamp("2020-01-01 00:00:00.000000001"), ["a", 1], {"k": None},
    ]  # fmt: skip
    frame = pd.DataFrame({"mixed": pd.Series(values, dtype=object)})
    whole = _digest(frame)
    assert _digest(frame.iloc[:7], frame.iloc[7:]) == whole
    for row in range(3, len(values)):
        changed = frame.copy()
        changed.loc[row, "mixed"] = "changed"
        assert _digest(changed) != whole, values[row]
    utc = frame.copy()
    utc.loc[11, "mixed"] = dt.datetime(2019, 12, 31, 22, tzinfo=dt.UTC)
    assert _digest(utc) == whole


def test_what_cannot_be_compared_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter, match="'thing'"):
        _digest(pd.DataFrame({"thing": [object()]}))
    with pytest.raises(InvalidParameter, match="same columns"):
        _digest(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}))


@pytest.mark.req("REQ-082", "REQ-084")
def test_parquet_sql_and_frame_of_the_same_values_have_the_same_digest(tmp_path: Path) -> None:
    frame = _frame()[["id", "x", "gap", "name"]]
    whole = _digest(frame)
    frame.to_parquet(tmp_path / "orders.parquet", row_group_size=10_000)
    (tmp_path / "parts").mkdir()
    frame.iloc[:12_000].to_parquet(tmp_path / "parts" / "1.parquet")
    frame.iloc[12_000:].to_parquet(tmp_path / "parts" / "2.parquet")
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        frame.to_sql("orders", connection, index=False)
        queried = tables.table("SELECT * FROM orders", connection=connection, name="orders")
    connection.close()
    one, parts = tables.table(tmp_path / "orders.parquet"), tables.table(tmp_path / "parts")
    assert [each.content.sha256 for each in (one, parts, queried)] == [whole] * 3
    assert (one.name, one.content.rows, one.dataset.digest) == ("orders.parquet", ROWS, whole[:32])
    assert one.dataset.source.uri == str(tmp_path / "orders.parquet")
    assert one.dataset.schema is not None


def test_a_query_keeps_no_password() -> None:
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json

    from jupyter_modelserve.plugins.sql_source import SqlSource

    assert tables._database("postgresql://me:hunter2@db:5432/shop?password=x") == "postgresql://db:5432/shop"
    assert tables._database(object()) == ""
    source = SqlSource("sqlite:///x", "SELECT 1")
    assert SqlSource.from_json(source.to_json()).to_dict() == {"url": "sqlite:///x", "query": "SELECT 1"}
    found = get_dataset_source_from_json(source.to_json(), "sql")
    assert type(found) is SqlSource
    with pytest.raises(NotImplementedError):
        found.load()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], "is a list"),
        ("nowhere.parquet", "there is no file"),
        (Path("/"), "no parquet file"),
    ],
)
def test_what_is_no_table_is_refused(data: Any, message: str, tmp_path: Path) -> None:
    if data == Path("/"):
        data = tmp_path
    with pytest.raises(InvalidParameter, match=message):
        tables.table(data)


def test_a_damaged_file_and_a_wrong_query_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(InvalidParameter, match=r"bad\.parquet cannot be read"):
        tables.table(tmp_path / "bad.parquet")
    connection = sqlite3.connect(":memory:")
    with pytest.raises(InvalidParameter, match="the query failed"):
        tables.table("SELECT * FROM nowhere", connection=connection)
    connection.close()


def test_an_input_of_a_run_has_the_whole_digest(tmp_path: Path) -> None:
    from mlflow.data.pandas_dataset import from_pandas

    frame = _frame()
    frame.to_parquet(tmp_path / "orders.parquet")
    for given in (frame, tables.table(frame), tmp_path / "orders.parquet", from_pandas(frame, name="orders")):
        found = dataset_input(given, "iris")
        tags = {each.key: each.value for each in found.tags}
        assert tags[tables.CONTENT] == _digest(frame)
        assert tags["mlflow.data.context"] == "training"
    with pytest.raises(InvalidParameter, match="dataset is a int"):
        dataset_input(1, "iris")
