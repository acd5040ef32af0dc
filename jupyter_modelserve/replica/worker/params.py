"""Params of a request against the params schema of the model.

MLflow drops params that the schema does not name without a word; a misspelt ``temprature`` would then never be noticed.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from .columns import is_null
from .refusal import INVALID, Refusal, show, show_all, type_name
from .signature import Signature

_INTEGER_LIMITS = {"integer": 2**31, "long": 2**63}


def check_params(params: Any, signature: Signature) -> Dict[str, Any]:
    """The params to predict with (an empty dict when there are none).

    Raises:
        Refusal: not an object, unknown names (all are named), or a value of another type.
    """
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise Refusal("params must be an object, got %s" % type_name(params), INVALID, details={"field": "params"})
    declared = {str(each.get("name")): each for each in signature.params}
    unknown = [name for name in params if name not in declared]
    if unknown:
        known = "its params are " + show_all(list(declared)) if declared else "it has none"
        message = "unknown params: %s; the model's signature says that %s"
        raise Refusal(message % (show_all(unknown), known), INVALID, details={"unknown": unknown[:100]})
    return {name: _check(name, value, declared[name]) for name, value in params.items()}


def _check(name: str, value: Any, declared: Mapping[str, Any]) -> Any:
    kind, shape = str(declared.get("type")), declared.get("shape")
    if value is None or kind == "object":
        return value
    if shape is None:
        problem = _problem(value, kind)
    elif not isinstance(value, list):
        problem = type_name(value)
        kind = "list of " + kind
    else:
        found = [(number, _problem(item, kind)) for number, item in enumerate(value)]
        bad = next((each for each in found if each[1]), None)
        problem = None if bad is None else "%s at position %d" % (bad[1], bad[0])
    if problem:
        details = {"field": "params." + name[:80], "expected": kind, "got": problem}
        raise Refusal("params: %s must be %s, got %s" % (show(name), kind, problem), INVALID, details=details)
    return value


def _problem(value: Any, kind: str) -> Optional[str]:
    got = type_name(value)
    if kind in _INTEGER_LIMITS:
        limit = _INTEGER_LIMITS[kind]
        if type(value) is not int:
            return got
        return None if -limit <= value < limit else "an integer out of its range"
    if kind in ("double", "float"):
        return None if type(value) in (int, float) or is_null(value) else got
    if kind == "boolean":
        return None if isinstance(value, bool) else got
    if kind in ("string", "datetime"):
        return None if isinstance(value, str) else got
    return None
