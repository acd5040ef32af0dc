"""For valid requests the answer is PyFuncModel's own, and no bytes whatsoever are answered with a 5xx."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_modelserve.replica.worker.encode import plain
from tests.unit.replica.conftest import Bench
from tests.unit.replica.models import IRIS

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DOUBLES = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-(2**31), 2**31 - 1),
    "l": st.integers(-(2**63), 2**63 - 1),
    "b": st.booleans(),
    "t": st.datetimes(
        min_value=pd.Timestamp("1700-01-01").to_pydatetime(), max_value=pd.Timestamp("2200-01-01").to_pydatetime()
    ),
    "d": st.floats(allow_nan=True, allow_infinity=True),
    "f": st.floats(width=32, allow_nan=True, allow_infinity=True),
    "s": TEXT,
    "x": st.binary(max_size=8),
}
DTYPES = {"i": "int32", "l": "int64", "b": "bool", "t": "datetime64[ns]", "d": "float64", "f": "float32"}
ROWS = st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=5)


def frame_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The frame that a caller of PyFuncModel.predict would build."""
    return pd.DataFrame(rows).astype(DTYPES)


def as_json(value: Any) -> Any:
    """How a client writes one cell."""
    import base64

    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value


def dress(rows: list[dict[str, Any]], dialect: str) -> Any:
    """The rows as a body of a dialect."""
    records = [{name: as_json(value) for name, value in row.items()} for row in rows]
    names = list(CELLS)
    split = {"columns": names, "data": [[record[name] for name in names] for record in records]}
    columns = {name: [record[name] for record in records] for name in names}
    bodies: dict[str, Any] = {
        "mlflow-1-records": records,
        "mlflow-1-split": split,
        "dataframe_records": {"dataframe_records": records},
        "dataframe_split": {"dataframe_split": split},
        "inputs": {"inputs": columns},
        "instances": {"instances": records},
        "azure-split": {"input_data": split},
        "azure-named-tensors": {"input_data": columns},
        "azure-tensor": {"input_data": split["data"]},
    }
    return bodies[dialect]


DIALECTS = [
    "mlflow-1-records",
    "mlflow-1-split",
    "dataframe_records",
    "dataframe_split",
    "inputs",
    "instances",
    "azure-split",
    "azure-named-tensors",
    "azure-tensor",
]


def same(left: Any, right: Any) -> bool:
    """Equal JSON texts are equal values here: both sides were encoded by the same function."""
    return json.dumps(left) == json.dumps(right)


@RELAXED
@given(rows=ROWS, dialect=st.sampled_from(DIALECTS))
def test_typed_frames_arrive_as_pyfunc_would_see_them(bench: Callable[..., Bench], rows: Any, dialect: str) -> None:
    typed = bench("typed")
    expected = plain(typed.model.predict(frame_of(rows)))
    answer = typed.score(json.dumps(dress(rows, dialect)).encode())
    assert answer.status == 200, answer.json
    assert answer.headers["x-modelserve-format"] == dialect
    assert same(answer.json.get("predictions", answer.json), expected)


@RELAXED
@given(rows=ROWS)
def test_parquet_frames_arrive_as_pyfunc_would_see_them(bench: Callable[..., Bench], rows: Any) -> None:
    typed, stream = bench("typed"), io.BytesIO()
    frame_of(rows).to_parquet(stream)
    answer = typed.score(stream.getvalue(), "application/vnd.apache.parquet")
    assert answer.status == 200, answer.json
    assert same(answer.json["predictions"], plain(typed.model.predict(frame_of(rows))))


@RELAXED
@given(rows=st.lists(st.lists(DOUBLES, min_size=4, max_size=4), min_size=1, max_size=6))
def test_csv_predictions_are_pyfuncs_own(bench: Callable[..., Bench], rows: Any) -> None:
    forest = bench("forest")
    frame = pd.DataFrame(rows, columns=IRIS)
    answer = forest.score(frame.to_csv(index=False).encode(), "text/csv")
    assert answer.json["predictions"] == forest.model.predict(frame).tolist()


@RELAXED
@given(rows=st.lists(st.lists(DOUBLES, min_size=4, max_size=4), min_size=1, max_size=6))
def test_tensor_predictions_are_pyfuncs_own(bench: Callable[..., Bench], rows: Any) -> None:
    tensor = bench("tensor")
    answer = tensor.score({"inputs": rows})
    assert same(answer.json["predictions"], plain(tensor.model.predict(np.array(rows))))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["a", *IRIS]), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "dataframe_split",
        "dataframe_records",
        "instances",
        "inputs",
        "input_data",
        "columns",
        "data",
        "index",
        "params",
        "x",
    ]
)
DOCUMENTS = JSON_VALUES | st.dictionaries(KEYS, JSON_VALUES, max_size=3)
TYPES = (
    st.sampled_from(["", "application/json", "text/csv", "application/vnd.apache.parquet", "text/csv; charset=utf-16"])
    | TEXT
)
MODELS = ["logistic", "typed", "tensor", "tensors", "int-tensor", "strings", "params", "unnamed", "nested", "free"]


@settings(RELAXED, max_examples=250)
@given(document=DOCUMENTS, model=st.sampled_from(MODELS))
def test_no_document_is_answered_with_a_5xx(bench: Callable[..., Bench], document: Any, model: str) -> None:
    answer = bench(model).score(json.dumps(document).encode())
    assert answer.status in (200, 400), answer.json


@settings(RELAXED, max_examples=250)
@given(body=st.binary(max_size=60) | TEXT.map(str.encode), content_type=TYPES, model=st.sampled_from(MODELS))
def test_no_bytes_are_answered_with_a_5xx(
    bench: Callable[..., Bench], body: bytes, content_type: str, model: str
) -> None:
    answer = bench(model).score(body, content_type)
    assert answer.status in (200, 400, 415), answer.json


@pytest.mark.parametrize("body", [b'{"inputs": ["\\ud800"]}', b'[{"\\ud800": 1}]', b'[{"text": "\\ud800"}]'])
def test_half_a_surrogate_is_survived(bench: Callable[..., Bench], body: bytes) -> None:
    for model in ("strings", "logistic", "free"):
        assert bench(model).score(body).status in (200, 400)


def test_an_optional_column_that_is_null_in_every_row_reaches_the_model(tmp_path: Path) -> None:
    """A model that imputes answers such a request, and what it answers must not depend on the other rows."""
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]})
    model = make_pipeline(SimpleImputer(), LinearRegression()).fit(frame, [1.0, 2.0, 3.0])
    signature = ModelSignature(Schema([ColSpec("double", "a", required=False), ColSpec("double", "b")]))
    mlflow.sklearn.save_model(
        model, str(tmp_path / "m"), signature=signature, serialization_format="cloudpickle",
        pip_requirements=["mlflow"],
    )  # fmt: skip
    scorer = Bench(tmp_path / "m")
    alone = scorer.score([{"a": None, "b": 2.0}])
    beside = scorer.score([{"a": None, "b": 2.0}, {"a": 1.0, "b": 1.0}])
    assert (alone.status, beside.status) == (200, 200)
    assert alone.json[0] == pytest.approx(beside.json[0])
