"""A model's answer as JSON that every reader accepts: NaN and infinity become null, everything else keeps its value.

MLflow writes bare ``NaN``, which is no JSON. Frames become lists of records, series and arrays nested lists, times ISO
8601 text, bytes base64 text, decimals numbers.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
from typing import Any, Callable, Dict, List, Optional

from .libraries import numpy, pandas

_DEPTH = 200


class CannotEncode(Exception):
    """The answer holds a class that has no JSON form; ``str`` names the class."""


_ENCODER = json.JSONEncoder(allow_nan=False)


def encode(predictions: Any, bare: bool) -> bytes:
    """The body of an answer: the predictions themselves, or below ``predictions``.

    Raises:
        CannotEncode: a class without a JSON form.
    """
    return dump(plain(predictions), bare)


def dump(value: Any, bare: bool) -> bytes:
    """The body of an answer whose predictions are JSON values already."""
    text = _ENCODER.encode(value)
    return (text if bare else '{"predictions": ' + text + "}").encode("ascii")


def plain(value: Any, depth: int = 0) -> Any:
    """The JSON value of anything that a model may answer."""
    if value is None or (isinstance(value, (bool, str)) and type(value) in (bool, str)):
        return value
    if type(value) is int:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth > _DEPTH:
        raise CannotEncode("an answer nested deeper than %d levels" % _DEPTH)
    if isinstance(value, dict):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    found = _array_like(value, depth)
    return _other(value, depth) if found is _MISSING else found


_MISSING = object()


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    value = plain(key, _DEPTH)
    return value if isinstance(value, str) else str(key)


def _array_like(value: Any, depth: int) -> Any:
    if isinstance(value, numpy().ndarray):
        return _array(value, depth)
    if isinstance(value, numpy().generic):
        return _array(numpy().asarray(value), depth)
    if isinstance(value, pandas().DataFrame):
        return _records(value, depth)
    if isinstance(value, (pandas().Series, pandas().Index)):
        return _column(value, depth)
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        return _array(numpy().asarray(value.toarray()), depth)
    if value is pandas().NaT or value is getattr(pandas(), "NA", None):
        return None
    return _MISSING


def _records(frame: Any, depth: int) -> List[Dict[str, Any]]:
    names = [_key(" ".join(map(str, name)) if isinstance(name, tuple) else name) for name in frame.columns]
    if len(set(names)) != len(names):
        raise CannotEncode("two columns of one name")
    columns = [_column(frame.iloc[:, position], depth) for position in range(len(names))]
    if not columns:
        return [{} for _ in range(len(frame))]
    return [dict(zip(names, row)) for row in zip(*columns)]


def _column(series: Any, depth: int) -> List[Any]:
    if isinstance(series.dtype, numpy().dtype) and series.dtype.kind != "O":
        found = _array(series.to_numpy(), depth)
        return list(found)
    return [plain(item, depth + 1) for item in series.tolist()]


def _array(array: Any, depth: int) -> Any:
    kind = array.dtype.kind
    if kind in "biuU":
        return array.tolist()
    if kind == "f":
        finite = numpy().isfinite(array)
        if finite.all():
            return array.tolist()
        loose = array.astype(object)
        loose[~finite] = None
        return loose.tolist()
    if kind == "M":
        texts = numpy().datetime_as_string(array).astype(object)
        texts = numpy().asarray(texts, dtype=object)
        texts[numpy().isnat(array)] = None
        return _short_times(texts.tolist())
    return plain(array.tolist(), depth + 1)


def _short_times(value: Any) -> Any:
    # Nanosecond columns print nine zeros after every whole second.
    if isinstance(value, list):
        return [_short_times(item) for item in value]
    if isinstance(value, str) and "." in value:
        return value.rstrip("0").rstrip(".")
    return value


def _other(value: Any, depth: int) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return plain(float(value))
    if isinstance(value, enum.Enum):
        return plain(value.value, depth + 1)
    if isinstance(value, (int, str)):
        return int(value) if isinstance(value, int) else str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value), depth + 1)
    dump = _dump_method(value)
    if dump is not None:
        return plain(dump(), depth + 1)
    if hasattr(value, "__array__"):
        return _array(numpy().asarray(value), depth + 1)
    if hasattr(value, "__next__"):
        return [plain(item, depth + 1) for item in value]
    if hasattr(value, "isoformat") or type(value).__module__.startswith("pandas."):
        return str(value)
    raise CannotEncode(type(value).__name__)


def _dump_method(value: Any) -> Optional[Callable[[], Any]]:
    for name in ("model_dump", "to_dict"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return method  # type: ignore[no-any-return]
    return None
