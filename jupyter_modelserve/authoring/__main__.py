"""Registers a model's folder in a process of its own: ``python -m jupyter_modelserve.authoring`` for the panel.

MLflow takes seconds to import and blocks while it uploads, which the process of Jupyter Server must not. One JSON
object on standard input (``path``, ``name``, ``alias``, ``description``) is answered by one on standard output:
``name`` and ``version``, or the one error shape with its ``status``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from jupyter_modelserve.authoring.register import register
from jupyter_modelserve.errors import InvalidParameter, ModelServeError


def answer(given: dict[str, str]) -> dict[str, Any]:
    """Register; what went wrong is an answer as well."""
    try:
        made = register(
            given["path"], given["name"], alias=given.get("alias") or None, description=given.get("description", "")
        )
    except ModelServeError as error:
        return answered(error)
    except Exception as error:  # noqa: BLE001 - whatever a broken MLmodel file makes MLflow raise; never a traceback
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return answered(InvalidParameter(f"{given['path']} cannot be registered: {first}"))
    return {"name": made.name, "version": made.version}


def answered(error: ModelServeError) -> dict[str, Any]:
    """The one error shape, with the HTTP status beside it."""
    return {**error.body(""), "status": error.status}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))
