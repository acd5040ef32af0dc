"""Chooses the dialect for the data of ``score``, cuts it into bodies below the limit, and joins the answers.

| data | dialect |
|---|---|
| DataFrame, Series | ``dataframe_split`` |
| list of records, one record | ``dataframe_records`` |
| ndarray, nested lists, scalars | ``inputs`` (REQ-032, REQ-033) |
| dict of arrays | ``inputs`` by name (REQ-033) |
| a dict with a key of a dialect | as it is |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jupyter_modelserve.client import plain
from jupyter_modelserve.errors import InvalidParameter, PayloadTooLarge

CHUNK_BYTES: Final = 15 * 1024 * 1024
"""Below the 16 MiB of REQ-014, with room for a wrapper."""
_DIALECTS: Final = frozenset({"dataframe_split", "dataframe_records", "instances", "inputs", "input_data"})


@dataclass(frozen=True, slots=True)
class Rows:
    """Data that can be cut by rows: ``body(start, stop)`` is the JSON value for these rows."""

    count: int
    body: Callable[[int, int], Any]
    index: Any = None
    tabular: bool = False


def prepare(data: Any, params: Mapping[str, Any] | None = None) -> Rows:
    """Read *data* once.

    Raises:
        InvalidParameter: an empty input, or values that JSON cannot express; names column and row.
    """
    rows = _rows(data)
    if not params:
        return rows
    if not isinstance(params, Mapping):
        raise InvalidParameter(
            f"params must be a dictionary, not a {type(params).__name__}", details={"field": "params"}
        )
    extra = {"params": plain.plain(dict(params), "params")}
    return Rows(rows.count, lambda start, stop: {**rows.body(start, stop), **extra}, rows.index, rows.tabular)


def _rows(data: Any) -> Rows:
    kind = f"{type(data).__module__.split('.')[0]}.{type(data).__name__}"
    if kind == "pandas.DataFrame":
        return _frame(data)
    if kind == "pandas.Series":
        return _frame(_series_frame(data))
    if hasattr(data, "to_pandas"):
        return _frame(data.to_pandas())
    if isinstance(data, Mapping):
        return _mapping(data)
    if isinstance(data, (list, tuple)):
        return _sequence(list(data))
    values = plain.plain(data)
    values = values if isinstance(values, list) else [values]
    return _sliced("inputs", values)


def _series_frame(series: Any) -> Any:
    """A Series is a column, as MLflow reads it; a row taken out of a frame (labels are names) stays a row."""
    if all(isinstance(label, str) for label in series.index) and not isinstance(series.name, str) and len(series):
        return series.to_frame().T.infer_objects()
    return series.to_frame(series.name if series.name is not None else "0")


def _frame(frame: Any) -> Rows:
    labels = list(frame.columns)
    if any(isinstance(label, tuple) for label in labels):
        raise InvalidParameter("the frame has column names of several levels; flatten them first")
    if len(set(map(str, labels))) != len(labels):
        raise InvalidParameter("the frame has two columns of the same name; rename one")
    columns = [label if isinstance(label, str) else str(label) for label in labels]
    values = [plain.column(frame.iloc[:, number], columns[number]) for number in range(len(labels))]
    count = len(frame)

    def body(start: int, stop: int) -> Any:
        data = [list(row) for row in zip(*(each[start:stop] for each in values), strict=True)]
        return {"dataframe_split": {"columns": columns, "data": data}}

    return Rows(_some(count), body, index=frame.index, tabular=True)


def _mapping(data: Mapping[Any, Any]) -> Rows:
    if _DIALECTS & set(data) or {"columns", "data"} <= set(data):
        whole = plain.plain(data)
        return Rows(1, lambda _start, _stop: whole)
    fields = {str(key): plain.plain(value, repr(key)) for key, value in data.items()}
    if fields and not any(isinstance(value, list) for value in fields.values()):
        return _sliced("dataframe_records", [fields])
    lengths = {len(value) if isinstance(value, list) else -1 for value in fields.values()}
    if len(lengths) != 1 or -1 in lengths:
        return Rows(1, lambda _start, _stop: {"inputs": fields})
    return Rows(
        _some(lengths.pop()),
        lambda start, stop: {"inputs": {key: value[start:stop] for key, value in fields.items()}},
    )


def _sequence(data: list[Any]) -> Rows:
    records = bool(data) and all(isinstance(each, Mapping) for each in data)
    return _sliced("dataframe_records" if records else "inputs", plain.plain(data, "the list"))


def _sliced(key: str, values: list[Any]) -> Rows:
    return Rows(_some(len(values)), lambda start, stop: {key: values[start:stop]})


def _some(count: int) -> int:
    if count == 0:
        raise InvalidParameter("the data has no rows; give at least one")
    return count


def bodies(rows: Rows, limit: int = CHUNK_BYTES) -> list[bytes]:
    """The JSON bodies for *rows*, in order, each at most *limit* bytes.

    Raises:
        PayloadTooLarge: one row alone exceeds the limit.
    """
    return _cut(rows, 0, rows.count, limit)


def _cut(rows: Rows, start: int, stop: int, limit: int) -> list[bytes]:
    body = json.dumps(rows.body(start, stop), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(body) <= limit:
        return [body]
    if stop - start == 1:
        raise PayloadTooLarge(f"row {start} alone needs {len(body)} bytes; the limit of a request is 16 MiB (REQ-014)")
    step = max(1, (stop - start) * limit // len(body) * 9 // 10)
    return [part for at in range(start, stop, step) for part in _cut(rows, at, min(at + step, stop), limit)]


def raw(content: Any) -> bytes:
    """*content* as the body that is sent as it is.

    Raises:
        InvalidParameter: it is no text and no bytes.
    """
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    raise InvalidParameter(
        f"invoke sends a body as it is, bytes or text such as json.dumps(…), and got a {type(content).__name__}; "
        "score() takes dictionaries, lists, arrays and frames",
        details={"field": "content"},
    )


def join(answers: list[Any]) -> Any:
    """The predictions of several bodies as one.

    Raises:
        InvalidParameter: the model answers with something that has no rows, so chunks cannot be joined.
    """
    if len(answers) == 1:
        return answers[0]
    if all(isinstance(each, list) for each in answers):
        return [item for each in answers for item in each]
    if all(isinstance(each, dict) and all(isinstance(part, list) for part in each.values()) for each in answers):
        return {key: [item for each in answers for item in each[key]] for key in answers[0]}
    raise InvalidParameter("the answer of this model cannot be joined from chunks; score fewer rows at a time")


def present(predictions: Any, rows: Rows) -> Any:
    """Predictions as a notebook wants them: a frame for records, an array for numbers or labels, else as they are."""
    if not isinstance(predictions, list) or not predictions:
        return predictions
    try:
        import numpy as np
    except ImportError:
        return predictions
    if all(isinstance(each, dict) for each in predictions):
        return _as_frame(predictions, rows)
    if any(isinstance(each, (dict, str)) for each in predictions):
        return np.array(predictions, dtype=object) if _mixed(predictions) else np.array(predictions)
    try:
        if any(each is None for each in predictions):
            return np.array([np.nan if each is None else each for each in predictions])
        return np.array(predictions)
    except ValueError:
        return predictions


def _mixed(values: list[Any]) -> bool:
    return len({type(each) for each in values}) > 1 or isinstance(values[0], dict)


def _as_frame(predictions: list[dict[str, Any]], rows: Rows) -> Any:
    try:
        import pandas as pd
    except ImportError:
        return predictions
    fits = rows.index is not None and len(rows.index) == len(predictions)
    return pd.DataFrame(predictions, index=rows.index if fits else None)
