"""Turns what notebooks hold (frames, arrays, scalars, dates) into strict JSON values.

Missing values become ``null``. Infinity has no JSON form and is refused by name, because a silent ``null`` would be a
different number (REQ-031 ff.: no lossy cast passes silently).
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import math
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_modelserve.errors import InvalidParameter


def plain(value: Any, where: str = "the data") -> Any:
    """*value* as a JSON value.

    Raises:
        InvalidParameter: infinity, or an object that has no JSON form; the message says *where*.
    """
    if value is None or (isinstance(value, (str, bool, int)) and type(value).__module__ == "builtins"):
        return value
    if isinstance(value, float):
        return _number(float(value), where)
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if type(value).__module__.split(".")[0] in {"numpy", "pandas"}:
        return _scientific(value, where)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return _number(float(value), where)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, str):
        return [plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, (str, int)):
        return value
    raise InvalidParameter(f"{where} holds a {type(value).__name__}, which JSON cannot express; convert it first")


def _number(value: float, where: str) -> float | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        raise InvalidParameter(f"{where} holds an infinite value, which JSON cannot express; replace or clip it")
    return value


def _scientific(value: Any, where: str) -> Any:
    kind = type(value).__name__
    if kind in {"NAType", "NaTType"}:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        if value.dtype.kind in "mM":
            return None if str(value) == "NaT" else str(value)
        return plain(value.item(), where)
    if kind == "ndarray":
        return array(value, where)
    if hasattr(value, "tolist"):
        return plain(value.tolist(), where)
    raise InvalidParameter(f"{where} holds a {kind}, which JSON cannot express; convert it first")


def array(value: Any, where: str = "the array") -> Any:
    """A numpy array of any shape as nested lists."""
    import numpy as np

    if value.dtype.kind in "biuU":
        return value.tolist()
    if value.dtype.kind == "f":
        return _floats(value, np, where)
    if value.dtype.kind in "mM":
        return np.where(np.isnat(value), np.array(None), value.astype(str)).tolist()
    if value.dtype.kind == "c":
        raise InvalidParameter(f"{where} holds complex numbers, which JSON cannot express; send two columns")
    return plain(value.tolist(), where)


def _floats(value: Any, numpy: Any, where: str) -> Any:
    finite = numpy.isfinite(value)
    if finite.all():
        return value.tolist()
    infinite = numpy.isinf(value)
    if infinite.any():
        place = ", ".join(str(int(part)) for part in numpy.argwhere(infinite)[0])
        raise InvalidParameter(f"{where} is infinite at [{place}], which JSON cannot express; replace or clip it")
    return numpy.where(finite, value.astype(object), None).tolist()


def column(series: Any, name: str) -> list[Any]:
    """A column of a frame; *name* is for messages."""
    where = f"column {name!r}"
    kind = getattr(series.dtype, "kind", "O")
    if kind in "biuf" and type(series.dtype).__module__.startswith("numpy"):
        values: list[Any] = array(series.to_numpy(), where)
        return values
    return [plain(value, f"{where}, row {row}") for row, value in enumerate(series)]
