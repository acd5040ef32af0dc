"""Whether an answer is what the signature says: only what surely contradicts it counts (REQ-127).

Answers are JSON, where NaN is null and a whole number may stand for a double.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_NUMBERS: Final = frozenset({"double", "float"})
_WHOLE: Final = frozenset({"integer", "long"})
_TEXTS: Final = frozenset({"string", "binary", "datetime"})
_ROWS: Final = 1000
"""Rows that are looked at."""


def misfit(outputs: Sequence[Mapping[str, Any]], answer: Any) -> str:
    """One sentence that names the first contradiction, or the empty text.

    Args:
        outputs: the signature's ``outputs`` as MLflow writes them.
        answer: the predictions as JSON values.
    """
    if not outputs:
        return ""
    if outputs[0].get("type") == "tensor":
        return _tensors(outputs, answer)
    if isinstance(answer, list):
        return _rows(outputs, answer)
    if isinstance(answer, dict) and _named(outputs):
        return _by_name(outputs, answer)
    return _value(outputs[0], answer, "the answer") if len(outputs) == 1 else ""


def _named(outputs: Sequence[Mapping[str, Any]]) -> bool:
    return all(each.get("name") is not None for each in outputs)


def _rows(outputs: Sequence[Mapping[str, Any]], rows: Sequence[Any]) -> str:
    records = bool(rows) and all(isinstance(each, dict) for each in rows)
    for number, row in enumerate(rows[:_ROWS]):
        if records and _named(outputs):
            found = _record(outputs, row, number)
        elif len(outputs) == 1:
            found = _value(outputs[0], _unwrapped(row, str(outputs[0].get("type"))), f"row {number}")
        elif not isinstance(row, list):
            found = f"row {number} is one value, and {len(outputs)} outputs are declared"
        elif len(row) != len(outputs):
            found = f"row {number} has {len(row)} values, and {len(outputs)} outputs are declared"
        else:
            pairs = zip(outputs, row, strict=True)
            found = next(filter(None, (_value(each, value, f"row {number}") for each, value in pairs)), "")
        if found:
            return found
    return ""


def _unwrapped(row: Any, kind: str) -> Any:
    """The value of a row of one, however a frame or array wrote it."""
    if isinstance(row, dict) and len(row) == 1 and kind not in {"object", "map"}:
        return next(iter(row.values()))
    return row[0] if isinstance(row, list) and len(row) == 1 and kind != "array" else row


def _record(outputs: Sequence[Mapping[str, Any]], row: Mapping[str, Any], number: int) -> str:
    for each in outputs:
        name = str(each["name"])
        if name in row:
            found = _value(each, row[name], f"row {number}, {name!r}")
        else:
            found = f"row {number} lacks the declared output {name!r}" if _required(each) else ""
        if found:
            return found
    return ""


def _by_name(outputs: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> str:
    for each in outputs:
        name = str(each["name"])
        if name not in answer:
            if _required(each):
                return f"it lacks the declared output {name!r}"
            continue
        values = answer[name] if isinstance(answer[name], list) and each.get("type") != "array" else [answer[name]]
        for value in values[:_ROWS]:
            found = _value(each, value, f"output {name!r}")
            if found:
                return found
    return ""


def _required(output: Mapping[str, Any]) -> bool:
    return bool(output.get("required", not output.get("optional", False)))


def _value(output: Mapping[str, Any], value: Any, where: str) -> str:
    kind = str(output.get("type", "any"))
    if value is None:
        refused = _required(output) and (kind in _WHOLE or kind == "boolean")
        return f"{where} is null, and {kind} is declared" if refused else ""
    return "" if _fits(kind, value) else f"{where} is {_called(value)}, and {kind} is declared"


def _fits(kind: str, value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in _NUMBERS:
        return number
    if kind in _WHOLE:
        return number and float(value).is_integer()
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in _TEXTS:
        return isinstance(value, str)
    if kind == "array":
        return isinstance(value, list)
    return isinstance(value, dict) if kind in {"object", "map"} else True


def _called(value: Any) -> str:
    kinds = ((bool, "a boolean"), (str, "a text"), (int, "a whole number"), (float, "a number"), (list, "a list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")


def _tensors(outputs: Sequence[Mapping[str, Any]], answer: Any) -> str:
    if len(outputs) == 1 and not isinstance(answer, dict):
        return _tensor(outputs[0], answer, "the answer")
    if not isinstance(answer, dict) or not _named(outputs):
        return ""
    for each in outputs:
        if each["name"] not in answer:
            return f"it lacks the declared output {each['name']!r}"
        found = _tensor(each, answer[each["name"]], f"output {each['name']!r}")
        if found:
            return found
    return ""


def _tensor(output: Mapping[str, Any], value: Any, where: str) -> str:
    spec = output["tensor-spec"]
    declared, found = [int(each) for each in spec["shape"]], _shape(value)
    if 0 in found:
        return ""
    if len(declared) != len(found) or any(want not in (-1, have) for want, have in zip(declared, found, strict=True)):
        return f"{where} has the shape {_written(found)}, and {_written(declared)} is declared"
    while isinstance(value, list):
        value = value[0]
    dtype = str(spec["dtype"])
    kind = "double" if dtype.startswith("float") else "long" if "int" in dtype else ""
    kind = kind or {"bool": "boolean", "str": "string"}.get(dtype.strip("<>0123456789U"), "any")
    return "" if value is None or _fits(kind, value) else f"{where} holds {_called(value)}, and {dtype} is declared"


def _shape(value: Any) -> list[int]:
    found = []
    while isinstance(value, list):
        found.append(len(value))
        if not value:
            break
        value = value[0]
    return found


def _written(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
