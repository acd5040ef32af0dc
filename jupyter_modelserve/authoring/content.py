"""A digest over all values of a table. MLflow's covers 10,000 rows: a change below them goes unnoticed.

It depends on the values, not on how they were read: in one piece or in portions, as int32, int64 or a float column with
gaps, from parquet, SQL or a DataFrame. Order of rows, order and names of columns count; the index does not.

Each column is several streams of bytes: the kind of every value, and per kind the values themselves. A number is its
nearest double and what is left of a large integer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from jupyter_modelserve.client.plain import plain
from jupyter_modelserve.errors import InvalidParameter

MISSING, NUMBER, TEXT, TRUTH, TIME, INSTANT, BYTES, DURATION, OTHER = range(9)
"""Kinds of values. An instant is a time with a zone."""
_EXACT: Final = 2**53
"""Up to here a double holds every integer."""
_LARGEST: Final = 2**64
_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of times that pandas has, in ticks per second."""


@dataclass(frozen=True, slots=True)
class Content:
    """``sha256`` (hex) over everything; the digest that MLflow shows is its first half."""

    sha256: str
    rows: int
    columns: tuple[str, ...]

    @property
    def digest(self) -> str:
        """32 characters: what fits MLflow's column for digests."""
        return self.sha256[:32]


def content(portions: Iterable[Any]) -> Content:
    """The digest of a table that comes as DataFrames, one after the other, with the same columns.

    Raises:
        InvalidParameter: portions differ in their columns, or a value is of a kind that cannot be compared; the
            message names the column.
    """
    columns: list[_Column] | None = None
    rows = 0
    for frame in portions:
        names = [str(each) for each in frame.columns]
        if columns is None:
            columns = [_Column(each) for each in names]
        if [each.name for each in columns] != names:
            raise InvalidParameter("the portions of a table must have the same columns", details={"field": "data"})
        for position, column in enumerate(columns):
            column.add(frame.iloc[:, position])
        rows += len(frame)
    whole = hashlib.sha256(f"modelserve table 1 {rows}".encode())
    for column in columns or []:
        whole.update(column.digest())
    return Content(whole.hexdigest(), rows, tuple(each.name for each in columns or []))


class _Column:
    """The streams of one column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._streams: dict[str, Any] = {}

    def _write(self, stream: str, data: bytes) -> None:
        if data:
            self._streams.setdefault(stream, hashlib.sha256()).update(data)

    def digest(self) -> bytes:
        """Over the name and all streams."""
        found = hashlib.sha256(f"{len(self.name)} {self.name}".encode())
        for name in sorted(self._streams):
            found.update(f" {name} ".encode() + self._streams[name].digest())
        return found.digest()

    def add(self, series: Any) -> None:
        """Take the next values."""
        import numpy as np
        import pandas as pd

        if isinstance(series.dtype, pd.DatetimeTZDtype):
            self._times(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), INSTANT)
            return
        kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else "O"
        if kind in "biufmM":
            self._plain(series.to_numpy(), kind)
        elif getattr(series.dtype, "kind", "O") in "biuf" and not isinstance(series.dtype, pd.CategoricalDtype):
            self._masked(series)
        else:
            self._objects(series.astype(object).to_numpy())

    # ------------------------------------------------------------------------------------------------ whole arrays
    def _plain(self, values: Any, kind: str) -> None:
        import numpy as np

        if kind == "b":
            self._kinds(np.full(len(values), TRUTH, np.uint8))
            self._write("truth", values.astype(np.uint8).tobytes())
        elif kind in "mM":
            self._times(values, TIME if kind == "M" else DURATION)
        else:
            gone = np.isnan(values) if kind == "f" else np.zeros(len(values), bool)
            self._kinds(np.where(gone, MISSING, NUMBER).astype(np.uint8))
            self._numbers(values[~gone])

    def _masked(self, series: Any) -> None:
        """A column of pandas or Arrow that knows which of its values are missing."""
        import numpy as np

        gone = np.array(series.isna(), dtype=bool)
        kind = series.dtype.kind
        there = series[~gone].to_numpy(dtype={"b": bool, "f": np.float64, "u": np.uint64}.get(kind, np.int64))
        if kind == "f":
            gone[~gone] = np.isnan(there)
            there = there[~np.isnan(there)]
        self._kinds(np.where(gone, MISSING, TRUTH if kind == "b" else NUMBER).astype(np.uint8))
        if kind == "b":
            self._write("truth", there.astype(np.uint8).tobytes())
        else:
            self._numbers(there)

    def _kinds(self, kinds: Any) -> None:
        self._write("kinds", kinds.tobytes())

    def _numbers(self, values: Any) -> None:
        """Doubles, and for integers beyond their reach the rest (minus zero counts as zero)."""
        import numpy as np

        doubles = values.astype("<f8") + 0.0
        rest = np.zeros(len(values), "<i8")
        if values.dtype.kind in "iu":
            for place in np.flatnonzero(np.abs(doubles) >= _EXACT):
                rest[place] = int(values[place]) - int(doubles[place])
        self._write("numbers", doubles.tobytes())
        self._write("rests", rest.tobytes())

    def _times(self, values: Any, kind: int) -> None:
        """Whole seconds and the nanoseconds behind them, whatever unit they came in."""
        import numpy as np

        gone = np.isnat(values)
        self._kinds(np.where(gone, MISSING, kind).astype(np.uint8))
        self._ticks(values[~gone], kind)

    def _ticks(self, values: Any, kind: int) -> None:
        ticks, second = values.view("i8"), _per_second(values.dtype)
        self._write(f"{kind} seconds", (ticks // second).astype("<i8").tobytes())
        self._write(f"{kind} nanoseconds", (ticks % second * (10**9 // second)).astype("<i8").tobytes())

    # ------------------------------------------------------------------------------------------------ single values
    def _objects(self, values: Any) -> None:
        import numpy as np
        import pandas as pd

        if pd.api.types.infer_dtype(values, skipna=True) == "string":
            gone = pd.isna(values)
            self._kinds(np.where(gone, MISSING, TEXT).astype(np.uint8))
            self._text_values(list(values[~gone]))
            return
        kinds = np.empty(len(values), np.uint8)
        found: dict[int, list[Any]] = {}
        for row, value in enumerate(values):
            kinds[row] = kind = _kind(value)
            found.setdefault(kind, []).append(value)
        self._kinds(kinds)
        found.pop(MISSING, None)
        for kind, some in found.items():
            self._single[kind](self, some)

    def _number_values(self, values: list[Any]) -> None:
        import numpy as np

        doubles = np.array([float(each) for each in values], "<f8") + 0.0
        rest = [
            int(each) - int(float(each)) if isinstance(each, (int, np.integer)) and abs(int(each)) >= _EXACT else 0
            for each in values
        ]
        self._write("numbers", doubles.tobytes())
        self._write("rests", np.array(rest, "<i8").tobytes())

    def _truth_values(self, values: list[Any]) -> None:
        self._write("truth", bytes(bool(each) for each in values))

    def _text_values(self, values: list[Any]) -> None:
        self._joined("text", [str(each).encode("utf-8", "surrogatepass") for each in values])

    def _bytes_values(self, values: list[Any]) -> None:
        self._joined("bytes", [bytes(each) for each in values])

    def _time_values(self, values: list[Any]) -> None:
        self._stamps(values, TIME)

    def _instant_values(self, values: list[Any]) -> None:
        import datetime as dt

        self._stamps([each.astimezone(dt.UTC).replace(tzinfo=None) for each in values], INSTANT)

    def _duration_values(self, values: list[Any]) -> None:
        self._stamps(values, DURATION)

    def _stamps(self, values: list[Any], kind: int) -> None:
        import numpy as np

        # One by one: a unit that suits all of them need not exist (nanoseconds end in the year 2262).
        for each in values:
            stamp = each.asm8 if hasattr(each, "asm8") else each
            if not isinstance(stamp, (np.datetime64, np.timedelta64)):
                stamp = np.timedelta64(stamp) if kind == DURATION else np.datetime64(stamp)
            whole = np.array([stamp])
            if np.datetime_data(whole.dtype)[0] not in _UNITS:
                whole = whole.astype(f"{'timedelta64' if kind == DURATION else 'datetime64'}[s]")
            self._ticks(whole, kind)

    def _other_values(self, values: list[Any]) -> None:
        where = f"column {self.name!r}"
        told = [json.dumps([type(v).__name__, plain(v, where)], sort_keys=True, ensure_ascii=False) for v in values]
        self._joined("other", [each.encode("utf-8", "surrogatepass") for each in told])

    def _joined(self, stream: str, parts: list[bytes]) -> None:
        import numpy as np

        self._write(f"{stream} lengths", np.array([len(each) for each in parts], "<u8").tobytes())
        self._write(stream, b"".join(parts))

    _single: Final[dict[int, Callable[[_Column, list[Any]], None]]] = {
        NUMBER: _number_values,
        TRUTH: _truth_values,
        TEXT: _text_values,
        BYTES: _bytes_values,
        TIME: _time_values,
        INSTANT: _instant_values,
        DURATION: _duration_values,
        OTHER: _other_values,
    }


def _per_second(dtype: Any) -> int:
    """Ticks of a time's unit in a second."""
    import numpy as np

    return _UNITS[np.datetime_data(dtype)[0]]


def _kind(value: Any) -> int:
    """Which stream a single value belongs to."""
    import datetime as dt
    import decimal

    import numpy as np
    import pandas as pd

    if isinstance(value, str):
        return TEXT
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, (bool, np.bool_)):
        return TRUTH
    if isinstance(value, (int, float, np.integer, np.floating)):
        if value != value:
            return MISSING
        return OTHER if isinstance(value, int) and abs(value) >= _LARGEST else NUMBER
    if isinstance(value, (bytes, bytearray)):
        return BYTES
    if isinstance(value, dt.datetime):
        return INSTANT if value.tzinfo else TIME
    if isinstance(value, (dt.timedelta, np.timedelta64)):
        return DURATION
    if isinstance(value, np.datetime64):
        return MISSING if np.isnat(value) else TIME
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return MISSING
    return OTHER
