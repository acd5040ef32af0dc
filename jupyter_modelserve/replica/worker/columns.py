"""One column of Python values into what its declared type holds, or a refusal that names row and column.

The rule: a value passes when the declared type holds exactly it. So 5.0 is a long and 1.5 is not, 3e9 is no integer,
true is no number, and an integer above 2**53 is a double only when the double equals it. Decimal fractions become the
nearest float, as everywhere; a finite number that would become infinite is refused. MLflow's server casts instead.

Nulls: NaN in double and float, NaT in datetime, None in string and binary; integer, long and boolean cannot hold them.
NaN written as a literal is a null too, because ``json.dumps(frame.to_dict())`` writes it for missing text and dates.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from .body import LiteralFloat
from .libraries import numpy, pandas
from .nested import conform
from .refusal import Refusal, cell, type_name
from .signature import Column

_RANGES = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_EXACT = 2**53
_FLOAT_MAX = 3.4028235677973366e38
"""The smallest double that rounds to an infinite float."""
_ISO = re.compile(
    r"\s*\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?\s*|\s*\d{8}(?:T\d{4,6})?\s*", re.ASCII
)
_ZONED = re.compile(r".*\d(?:Z|[+-]\d{2}:?\d{2})\s*", re.IGNORECASE)


class Cells:
    """The values of one column and how to name a row of it. ``exact`` values came with a type (parquet), so that an
    infinity is meant and a double is not a decimal fraction that somebody wrote down.
    """

    __slots__ = ("column", "exact", "labels", "values")

    def __init__(
        self, column: Column, values: Sequence[Any], labels: Optional[Sequence[Any]] = None, exact: bool = False
    ) -> None:
        self.column = column
        self.values = values
        self.labels = labels
        self.exact = exact

    def refuse(self, row: int, got: str, hint: str = "", expected: str = "") -> Refusal:
        """The refusal of one row."""
        label = None if self.labels is None else self.labels[row]
        return cell(
            row,
            self.column.name if self.column.name is not None else "",
            expected or self.column.kind,
            got,
            label,
            hint,
        )

    def check(self, allowed: Callable[[Any], Optional[str]]) -> None:
        """Refuse the first value for which *allowed* names what it is instead."""
        for row, value in enumerate(self.values):
            got = allowed(value)
            if got:
                raise self.refuse(row, got)

    def types(self) -> Set[type]:
        """The exact classes that occur: one pass at C speed instead of a test per cell."""
        return set(map(type, self.values))


def is_null(value: Any) -> bool:
    """None, NaN (also written out), NaT or pandas' NA."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value
    return type(value).__name__ in ("NAType", "NaTType")


def convert(cells: Cells) -> Any:
    """An array or Series for the frame.

    Raises:
        Refusal: 400 with row, column, expected and got type (REQ: no lossy cast passes silently).
    """
    return _CONVERTERS.get(cells.column.kind, _nested)(cells)


def _number_types(cells: Cells) -> None:
    """Only numbers and nulls may stay; booleans are no numbers."""
    if cells.types() <= {int, float, LiteralFloat, type(None)}:
        return
    cells.check(
        lambda value: (
            None
            if is_null(value) or (isinstance(value, (int, float, Decimal)) and not isinstance(value, bool))
            else type_name(value)
        )
    )


def _double(cells: Cells) -> Any:
    return _floating(cells, numpy().float64, _is_exact_double, "an integer that a double cannot hold exactly")


def _float(cells: Cells) -> Any:
    array = _floating(cells, numpy().float64, _is_exact_float, "an integer that a float cannot hold exactly")
    with numpy().errstate(over="ignore"):
        narrow = array.astype(numpy().float32)
    lost = numpy().isinf(narrow) & ~numpy().isinf(array)
    if cells.exact:
        lost |= (narrow != array) & ~numpy().isnan(array)
    if lost.any():
        raise cells.refuse(int(lost.argmax()), "a double that a float cannot hold")
    return narrow


def _floating(cells: Cells, dtype: Any, is_exact: Callable[[int], bool], inexact: str) -> Any:
    _number_types(cells)
    types = cells.types()
    if int in types:
        cells.check(lambda value: inexact if type(value) is int and not is_exact(value) else None)
    plain = types <= {float, int, LiteralFloat}
    values = cells.values if plain else [numpy().nan if is_null(value) else float(value) for value in cells.values]
    array = numpy().array(values, dtype=dtype)
    if not cells.exact and float in types and numpy().isinf(array).any():
        for row in numpy().nonzero(numpy().isinf(array))[0]:
            # A literal Infinity is meant; an infinity that came out of digits is a number that was too large.
            if type(cells.values[row]) is not LiteralFloat:
                raise cells.refuse(int(row), "a number too large for a double")
    return array


def _is_exact_double(value: int) -> bool:
    try:
        return -_EXACT <= value <= _EXACT or int(float(value)) == value
    except OverflowError:
        return False


def _is_exact_float(value: int) -> bool:
    if -(2**24) <= value <= 2**24:
        return True
    return abs(value) < _FLOAT_MAX and int(numpy().float32(value)) == value


def _whole(cells: Cells) -> Any:
    lowest, highest = _RANGES[cells.column.kind]
    optional = "" if cells.column.required else ", not even when the column is optional"
    for row, value in enumerate(cells.values):
        if is_null(value):
            hint = "a column of this type cannot hold nulls%s (log the model with a double column for that)" % optional
            raise cells.refuse(row, "null", hint)
    _number_types(cells)
    if cells.types() - {int}:
        cells.check(lambda value: _not_whole(value))
    values = [int(value) for value in cells.values]
    if values and (min(values) < lowest or max(values) > highest):
        row = next(row for row, value in enumerate(values) if not lowest <= value <= highest)
        raise cells.refuse(row, "an integer outside %d to %d" % (lowest, highest))
    return numpy().array(values, dtype=numpy().int32 if cells.column.kind == "integer" else numpy().int64)


def _not_whole(value: Any) -> Optional[str]:
    if isinstance(value, int):
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "infinity or a number too large for a double"
    return None if value == int(value) else "double with a fraction"


def _boolean(cells: Cells) -> Any:
    types = cells.types()
    if types == {bool}:
        return numpy().array(cells.values, dtype=bool)
    result: List[Optional[bool]] = []
    for row, value in enumerate(cells.values):
        if is_null(value):
            if cells.column.required:
                raise cells.refuse(row, "null", "a required column of this type cannot hold nulls")
            result.append(None)
        elif isinstance(value, bool) or (type(value) is int and value in (0, 1)):
            result.append(bool(value))
        else:
            raise cells.refuse(row, type_name(value))
    return numpy().array(result, dtype=object if None in result else bool)


def _string(cells: Cells) -> Any:
    if cells.types() - {str, type(None)}:
        cells.check(lambda value: None if isinstance(value, str) or is_null(value) else type_name(value))
    values = [None if is_null(value) else value for value in cells.values]
    if values and all(value is None for value in values):
        return _objects(values)  # as pandas makes a column of nulls only
    return pandas().Series(values, dtype=_text_dtype())


def _text_dtype() -> Any:
    # What pandas makes of text by itself: str since 3.0, object before; an empty column must agree.
    return pandas().Series(["a"]).dtype


def _binary(cells: Cells) -> Any:
    result: List[Optional[bytes]] = []
    for row, value in enumerate(cells.values):
        if is_null(value) or isinstance(value, (bytes, bytearray)):
            result.append(None if is_null(value) else bytes(value))
            continue
        if not isinstance(value, str):
            raise cells.refuse(row, type_name(value), expected="binary as base64 text")
        try:
            result.append(base64.b64decode("".join(value.split()), validate=True))
        except (binascii.Error, ValueError):
            raise cells.refuse(row, "text that is not base64", expected="binary as base64 text") from None
    return _objects(result)


def _datetime(cells: Cells) -> Any:
    expected = "datetime as ISO 8601 text without a time zone"
    texts: List[Optional[str]] = []
    for row, value in enumerate(cells.values):
        if is_null(value):
            texts.append(None)
        elif hasattr(value, "isoformat"):
            if getattr(value, "tzinfo", None) is not None:
                raise cells.refuse(row, "datetime with a time zone", expected=expected)
            texts.append(value.isoformat())
        elif not isinstance(value, str):
            raise cells.refuse(row, type_name(value), expected=expected)
        elif _ISO.fullmatch(value) is None:
            got = "text with a time zone" if _ZONED.fullmatch(value) else "text that is no date"
            raise cells.refuse(row, got, expected=expected)
        else:
            texts.append(value.strip())
    quick = _moments(texts)
    if quick is not None:
        return quick
    moments = []
    for row, text in enumerate(texts):
        try:
            moments.append(numpy().datetime64("NaT", "ns") if text is None else _moment(text))
        except (ValueError, OverflowError):
            raise cells.refuse(row, "text that is no date between 1678 and 2261", expected=expected) from None
    return numpy().array(moments, dtype="datetime64[ns]")


def _moments(texts: List[Optional[str]]) -> Any:
    """All at once where numpy reads the same as pandas: plain forms within the years that nanoseconds cover."""
    if not all(text is None or (text[4] == "-" and "1678" < text[:4] < "2261" and "," not in text) for text in texts):
        return None
    try:
        return numpy().array(["NaT" if text is None else text for text in texts], dtype="datetime64[ns]")
    except ValueError:
        return None


def _moment(text: str) -> Any:
    # Timestamp reads fractions to the nanosecond and refuses what 64 bits of them cannot hold.
    stamp = pandas().Timestamp(text.replace(",", "."))
    return numpy().datetime64(stamp.value if getattr(stamp, "unit", "ns") == "ns" else stamp.as_unit("ns").value, "ns")


def _nested(cells: Cells) -> Any:
    return _objects([conform(value, cells.column.declared) for value in cells.values])


def _objects(values: Sequence[Any]) -> Any:
    array = numpy().empty(len(values), dtype=object)
    for row, value in enumerate(values):
        array[row] = value
    return array


def _any(cells: Cells) -> Any:
    return pandas().Series(list(cells.values))


_CONVERTERS: Dict[str, Callable[[Cells], Any]] = {
    "double": _double, "float": _float, "integer": _whole, "long": _whole, "boolean": _boolean, "string": _string,
    "binary": _binary, "datetime": _datetime, "any": _any,
}  # fmt: skip
