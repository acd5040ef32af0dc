"""What a worker is asked to run: the body of ``PUT /workers/<id>``, checked field by field."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Tuple

WORKER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
_Number = (int, float)
_FIELDS: Dict[str, Tuple[Any, Any]] = {
    "model": (str, None),
    "version": (str, None),
    "directory": (str, None),
    "unknown_columns": (str, "warn"),
    "timeout": (_Number, 120.0),
    "kill_grace": (_Number, 10.0),
    "startup_budget": (_Number, 600.0),
    "body_limit": (int, 16 * 1024 * 1024),
    "json_depth": (int, 64),
    "environ": (dict, {}),
    "secrets": (dict, {}),
    "concurrency": (int, 1),
    "batching": (bool, None),
    "batch_rows": (int, 1024),
    "direct": (bool, True),
}
_OPTIONAL = frozenset({"batching"})
"""Fields whose ``null`` means something of its own."""


class BadSpec(Exception):
    """A field is missing or of the wrong type; ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("%s %s" % (field, message))
        self.field = field


def read_spec(body: bytes) -> Dict[str, Any]:
    """A complete WorkerSpec; fields that are not known are dropped.

    Raises:
        BadSpec: not JSON, or a field that is missing or wrong.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise BadSpec("body", "is not JSON") from None
    if not isinstance(document, dict):
        raise BadSpec("body", "must be an object")
    spec: Dict[str, Any] = {}
    for name, (kind, default) in _FIELDS.items():
        value = document.get(name, default)
        if value is None and name in _OPTIONAL:
            spec[name] = None
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadSpec(name, "is missing" if value is None else "has the wrong type")
        if isinstance(value, _Number) and not 0 <= value < float("inf"):
            raise BadSpec(name, "must be a positive number")
        spec[name] = value
    if spec["unknown_columns"] not in ("warn", "refuse", "ignore"):
        raise BadSpec("unknown_columns", "must be warn, refuse or ignore")
    for name in ("concurrency", "batch_rows"):
        if spec[name] < 1:
            raise BadSpec(name, "must be at least 1")
    for name in ("environ", "secrets"):
        if not all(isinstance(key, str) and isinstance(value, str) for key, value in spec[name].items()):
            raise BadSpec(name, "must map names to text")
    return spec
