"""The one exception by which any step of scoring says no, with the sentence that the caller reads.

A message names fields, rows, columns and types, never a value of the caller's data.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

BAD_REQUEST = "BAD_REQUEST"
INVALID = "INVALID_PARAMETER_VALUE"
_NAME_LIMIT = 80


class Refusal(Exception):
    """A request that is not scored: HTTP status, error code, message and machine-readable details."""

    def __init__(
        self, message: str, code: str = BAD_REQUEST, status: int = 400, details: Optional[Mapping[str, Any]] = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.details: Dict[str, Any] = dict(details or {})


def unsupported(message: str) -> Refusal:
    """415: the media type, its format or its charset is none that we know."""
    return Refusal(message, "UNSUPPORTED_MEDIA_TYPE", 415)


def show(name: object) -> str:
    """A key or column name as it may appear in a message: quoted, control characters escaped, at most 80 characters."""
    text = str(name)
    return repr(text if len(text) <= _NAME_LIMIT else text[:_NAME_LIMIT] + "…")


def show_all(names: object, limit: int = 10) -> str:
    """Several names, the first ten of them."""
    every = list(names) if isinstance(names, (list, tuple, set, frozenset, dict)) else [names]
    text = ", ".join(show(name) for name in every[:limit])
    return text if len(every) <= limit else text + " and %d more" % (len(every) - limit)


def type_name(value: object) -> str:
    """What a JSON value is, in the words of a signature."""
    names = {
        type(None): "null", bool: "boolean", int: "integer", float: "double", str: "string", list: "array",
        dict: "object", bytes: "binary",
    }  # fmt: skip
    known = names.get(type(value))
    if known is not None:
        return known
    return "NaN or infinity" if isinstance(value, float) else type(value).__name__


def cell(row: int, column: object, expected: str, got: str, label: object = None, hint: str = "") -> Refusal:
    """The refusal of one cell: row (from 0, with the caller's index label if there is one), column and types."""
    where = "row %d" % row + ("" if label is None else " (index %s)" % show(label)) + ", column " + show(column)
    details: Dict[str, Any] = {"row": row, "column": str(column)[:_NAME_LIMIT], "expected": expected, "got": got}
    if label is not None:
        details["index"] = str(label)[:_NAME_LIMIT]
    message = "%s: expected %s, got %s" % (where, expected, got) + ("; " + hint if hint else "")
    return Refusal(message, INVALID, details=details)
