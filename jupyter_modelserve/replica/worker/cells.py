"""Quick checks of one column's cells: true only where the converters of :mod:`columns` accept every cell as it is.

They look at the set of classes that occur and at the extremes, so that a column costs one pass at C speed. Whatever is
not plain (a fraction for a long, a null for a boolean, a date with a time zone) is left to the general path, whose
conversions and refusals count.
"""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Dict, Sequence

from .libraries import numpy

Check = Callable[[Sequence[Any]], bool]

_FLOAT = frozenset({float})
_NUMBER = frozenset({float, int})
_NUMBER_OR_NULL = frozenset({float, int, type(None)})
_INT = frozenset({int})
_BOOL = frozenset({bool})
_STR = frozenset({str})
_DOUBLE_EXACT = 2**53
_FLOAT_EXACT = 2**24
_FLOAT_MAX = 3.4028234663852886e38
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)?")


def doubles(values: Sequence[Any]) -> bool:
    """Finite floats, integers that a double holds, and nulls.

    An infinity is a number that was too large or one written out; which of them, the general path finds out.
    """
    types = set(map(type, values))
    if types == _FLOAT:
        return math.isfinite(sum(values))
    if not types <= _NUMBER_OR_NULL:
        return False
    return _within(values, types, _DOUBLE_EXACT, None)


def floats(values: Sequence[Any]) -> bool:
    """Numbers that a float holds, or is the nearest to, and nulls."""
    types = set(map(type, values))
    return types <= _NUMBER_OR_NULL and _within(values, types, _FLOAT_EXACT, _FLOAT_MAX)


def _within(values: Sequence[Any], types: Any, exact: int, largest: Any) -> bool:
    numbers = [value for value in values if value is not None] if type(None) in types else values
    if not numbers:
        return True
    top = max(map(abs, numbers))
    if int in types and top > exact:
        return False
    return (largest is None or top <= largest) and math.isfinite(sum(numbers))


def _whole(bits: int) -> Check:
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def check(values: Sequence[Any]) -> bool:
        return set(map(type, values)) == _INT and lowest <= min(values) and max(values) <= highest

    return check


def _booleans(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == _BOOL


def _strings(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == _STR


def _datetimes(values: Sequence[Any]) -> bool:
    if set(map(type, values)) != _STR:
        return False
    if not all(_DATE.fullmatch(text) and "1678" < text[:4] < "2261" for text in values):
        return False
    try:
        numpy().array(values, dtype="datetime64[ns]")
    except ValueError:
        return False
    return True


CHECKS: Dict[str, Check] = {
    "double": doubles, "float": floats, "integer": _whole(32), "long": _whole(64), "boolean": _booleans,
    "string": _strings, "datetime": _datetimes,
}  # fmt: skip
