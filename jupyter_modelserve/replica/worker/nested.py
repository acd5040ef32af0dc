"""Values of array, object and map columns: passed to MLflow's own check, after one conversion that it lacks.

JSON does not tell 1 from 1.0, and JavaScript writes 1 for both; MLflow refuses integers within an array of doubles. An
integer that a double holds exactly becomes that double; everything else stays as it is and is judged by MLflow.
"""

from __future__ import annotations

from typing import Any, Mapping

_EXACT = 2**53


def conform(value: Any, declared: Mapping[str, Any]) -> Any:
    """*value* with integers as floats wherever *declared* (a type of the MLmodel file) says double or float."""
    kind = declared.get("type")
    if kind in ("double", "float") and type(value) is int and -_EXACT <= value <= _EXACT:
        return float(value)
    if kind == "array" and isinstance(value, list):
        items = declared.get("items") or {}
        return [conform(item, items) for item in value]
    if kind == "object" and isinstance(value, dict):
        properties = declared.get("properties") or {}
        return {key: conform(item, properties.get(key) or {}) for key, item in value.items()}
    if kind == "map" and isinstance(value, dict):
        values = declared.get("values") or {}
        return {key: conform(item, values) for key, item in value.items()}
    return value
