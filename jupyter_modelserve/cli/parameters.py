"""Reads the cell tagged ``parameters`` and gives the texts of a command line the types that stand there.

papermill passes whatever it is given: a misspelt name changes nothing, and ``-p rows 010`` becomes a number. Here a
name that the notebook does not have, and a value that is not of its type, are refused before anything runs.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Sequence
from typing import Any

from jupyter_modelserve.errors import InvalidParameter

_TRUTH = {"true": True, "false": False, "True": True, "False": False}


def declared(notebook: dict[str, Any]) -> dict[str, Any]:
    """Names and defaults (literals) of the parameters; empty when the notebook has no such cell.

    Raises:
        InvalidParameter: the cell holds something other than ``name = literal``.
    """
    found: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            for statement in _statements("".join(cell["source"])):
                found.update(_default(statement))
    return found


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        raise InvalidParameter(
            f"line {error.lineno} of the cell tagged parameters is not Python", details={"field": "notebook"}
        ) from error


def _default(statement: ast.stmt) -> dict[str, Any]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return {}
    if not isinstance(target, ast.Name):
        return {}
    try:
        return {target.id: ast.literal_eval(value)}
    except ValueError as error:
        raise InvalidParameter(
            f"parameter {target.id} has no literal as its default (line {statement.lineno})",
            details={"field": target.id},
        ) from error


def typed(given: Sequence[Sequence[str]], known: dict[str, Any]) -> dict[str, Any]:
    """The given texts as values of the types that the defaults have.

    Raises:
        InvalidParameter: a name is unknown or comes twice, or a text does not fit; says what would.
    """
    found: dict[str, Any] = {}
    for name, text in given:
        if name not in known:
            raise InvalidParameter(_unknown(name, list(known)), details={"field": name})
        if name in found:
            raise InvalidParameter(f"parameter {name} is given twice", details={"field": name})
        found[name] = _value(name, text, known[name])
    return found


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return f"the notebook has no parameter {name}: no cell of it is tagged parameters"
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
    return f"the notebook has no parameter {name}; {hint}"


def _value(name: str, text: str, default: Any) -> Any:
    kind = type(default)
    try:
        if kind is bool:
            return _TRUTH[text]
        if kind in {int, float}:
            return kind(text)
        if kind in {list, dict}:
            return _json(text, kind)
    except (ValueError, KeyError) as error:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(
            kind, f"JSON of a {kind.__name__}"
        )
        raise InvalidParameter(f"parameter {name} is {text!r}; it takes {wanted}", details={"field": name}) from error
    # Without a type to go by (None), what reads as JSON is that, and everything else a text.
    return text if kind is str else _loose(text)


def _json(text: str, kind: type) -> Any:
    found = json.loads(text)
    if not isinstance(found, kind):
        raise ValueError(text)  # noqa: TRY004 - one kind of refusal, caught above
    return found


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
