"""Nested lists into arrays of a declared dtype and shape, or a refusal that names the axis or the position.

numpy would turn true into 1.0 and 1.5 into 1 without a word; here every leaf is looked at by its class first. The rules
for numbers are those of :mod:`columns`.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, Set, Tuple

from .body import LiteralFloat
from .libraries import numpy
from .refusal import INVALID, Refusal, show, type_name
from .signature import Tensor

_WORDS = {"f": "a number", "i": "an integer", "u": "an integer", "b": "a boolean", "U": "text", "S": "text"}


def build(values: Any, tensor: Tensor) -> Any:
    """The array for *tensor* out of a (nested) list, scalar or array.

    Raises:
        Refusal: a leaf of another type or out of range, rows of different length, another shape.
    """
    name = "" if tensor.name is None else tensor.name
    array = _array(values, numpy().dtype(tensor.dtype), tensor, name)
    _check_shape(array, tensor, name)
    return array


def from_cells(values: Any, tensor: Tensor) -> Any:
    """The array out of a frame's column: scalars, or flattened lists which the declared shape unfolds."""
    wanted = (-1, *tensor.shape[1:])
    free = -1 in tensor.shape[1:]
    array = _array(values, numpy().dtype(tensor.dtype), tensor, tensor.name or "")
    if not free and array.dtype != object and len(array) and array.shape[1:] != tensor.shape[1:]:
        size = int(numpy().prod(array.shape[1:], dtype=int))
        if size == int(numpy().prod(tensor.shape[1:], dtype=int)):
            array = array.reshape(wanted)
    _check_shape(array, tensor, tensor.name or "")
    return array


def leaf_types(values: Any) -> Set[type]:
    """The exact classes of all leaves."""
    if not isinstance(values, list):
        return {type(values)}
    found: Set[type] = set()
    stack = [values]
    while stack:
        here = stack.pop()
        types = set(map(type, here))
        if list in types:
            stack.extend(item for item in here if type(item) is list)
            types.discard(list)
        found |= types
    return found


def leaves(values: Any, position: Tuple[int, ...] = ()) -> Iterator[Tuple[Tuple[int, ...], Any]]:
    """Every leaf with its position."""
    if not isinstance(values, list):
        yield position, values
        return
    for number, item in enumerate(values):
        yield from leaves(item, (*position, number))


def _array(values: Any, dtype: Any, tensor: Tensor, name: str) -> Any:
    if hasattr(values, "dtype"):
        values = values.tolist()
    types = leaf_types(values)
    if dtype.kind in "fiub":
        _check_numbers(values, types, dtype, name)
    elif dtype.kind in "US" and types - {str}:
        _refuse_first(values, name, dtype, lambda leaf: None if isinstance(leaf, str) else type_name(leaf))
    if type(None) in types and dtype.kind == "f":
        values = _nulls_to_nan(values)
    try:
        if dtype.kind == "O":
            return _object_array(values, tensor)
        if dtype.kind in "US":
            # A fixed width would cut longer text off; the declared width is only that of the example.
            return numpy().array(values, dtype=dtype.kind)
        with numpy().errstate(over="ignore"):
            return numpy().array(values, dtype=dtype)
    except (ValueError, TypeError, OverflowError):
        if dtype.kind != "O" and -1 in tensor.shape[1:] and isinstance(values, list):
            return _ragged(values, dtype)
        raise Refusal(
            "%s: its lists differ in length or depth, so that it is no tensor" % _title(name), INVALID
        ) from None


def _object_array(values: Any, tensor: Tensor) -> Any:
    if len(tensor.shape) != 1 or not isinstance(values, list):
        return numpy().array(values, dtype=object)
    array = numpy().empty(len(values), dtype=object)
    for number, value in enumerate(values):
        array[number] = value
    return array


def _ragged(values: Any, dtype: Any) -> Any:
    array = numpy().empty(len(values), dtype=object)
    for number, value in enumerate(values):
        array[number] = numpy().array(value, dtype=dtype)
    return array


def _nulls_to_nan(values: Any) -> Any:
    if isinstance(values, list):
        return [_nulls_to_nan(item) for item in values]
    return float("nan") if values is None else values


def _check_numbers(values: Any, types: Set[type], dtype: Any, name: str) -> None:
    if dtype.kind == "f":
        limit = float(numpy().finfo(dtype).max)
        digits = numpy().finfo(dtype).nmant + 1
        if types <= {float} and dtype.itemsize >= 8 and not _has_infinity(values):
            return
        _refuse_first(values, name, dtype, lambda leaf: _not_float(leaf, limit, digits))
    elif dtype.kind == "b":
        if types - {bool}:
            _refuse_first(values, name, dtype, lambda leaf: None if isinstance(leaf, bool) else type_name(leaf))
    else:
        bounds = numpy().iinfo(dtype)
        _refuse_first(values, name, dtype, lambda leaf: _not_integer(leaf, int(bounds.min), int(bounds.max)))


def _has_infinity(values: Any) -> bool:
    return any(leaf in (float("inf"), float("-inf")) for _, leaf in leaves(values))


def _not_float(leaf: Any, limit: float, digits: int) -> Optional[str]:
    if leaf is None or type(leaf) is LiteralFloat:
        return None
    if type(leaf) is float:
        return None if leaf != leaf or -limit <= leaf <= limit else "a number too large for it"
    if type(leaf) is not int:
        return type_name(leaf)
    if -(2**digits) <= leaf <= 2**digits:
        return None
    try:
        exact = (
            abs(leaf) <= limit and int(float(leaf)) == leaf and leaf % (1 << max(leaf.bit_length() - digits, 0)) == 0
        )
    except OverflowError:
        exact = False
    return None if exact else "an integer that it cannot hold exactly"


def _not_integer(leaf: Any, lowest: int, highest: int) -> Optional[str]:
    if type(leaf) is float and leaf.is_integer():
        leaf = int(leaf)
    if type(leaf) is float:
        return "double with a fraction"
    if type(leaf) is not int:
        return type_name(leaf)
    return None if lowest <= leaf <= highest else "an integer outside %d to %d" % (lowest, highest)


def _refuse_first(values: Any, name: str, dtype: Any, check: Callable[[Any], Optional[str]]) -> None:
    for position, leaf in leaves(values):
        got = check(leaf)
        if got:
            where = "".join("[%d]" % number for number in position)
            expected = "%s (%s)" % (_WORDS.get(dtype.kind, "a value"), dtype)
            details = {"row": position[0] if position else 0, "column": name, "expected": str(dtype), "got": got}
            row = "row %d, " % position[0] if position else ""
            raise Refusal(
                "%s%s%s: expected %s, got %s" % (row, _title(name), where, expected, got), INVALID, details=details
            )


def _check_shape(array: Any, tensor: Tensor, name: str) -> None:
    if (len(tensor.shape) == 1 and tensor.dtype == "object") or (array.dtype == object and -1 in tensor.shape[1:]):
        return
    if array.ndim != len(tensor.shape):
        message = "%s has %d axes (shape %s), the model expects %d (shape %s)"
        shapes = (_title(name), array.ndim, list(array.shape), len(tensor.shape), list(tensor.shape))
        raise Refusal(
            message % shapes,
            INVALID,
            details={"column": name, "expected": list(tensor.shape), "got": list(array.shape)},
        )
    for axis, (expected, got) in enumerate(zip(tensor.shape, array.shape)):
        if expected not in (-1, got):
            message = "axis %d of %s has %d values, the model expects %d"
            details = {"column": name, "axis": axis, "expected": expected, "got": got}
            raise Refusal(message % (axis, _title(name), got, expected), INVALID, details=details)


def _title(name: str) -> str:
    return "the input " + show(name) if name else "the input"
