"""The probe before READY: READY means that the version predicted (architecture §5).

The logged input example goes through the scorer like any request; only its failure blocks. Without an example a row
made from the signature is tried, whose refusal is no failure, because the model may rightly refuse an invented row.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

from .scorer import Scorer
from .signature import ModelFile

PASSED = "passed"
NONE = "none"
SYNTHETIC_REFUSED = "synthetic refused"
_SAMPLES: Dict[str, Any] = {
    "double": 0.0, "float": 0.0, "integer": 0, "long": 0, "boolean": False, "string": "", "binary": "",
    "datetime": "2000-01-01T00:00:00",
}  # fmt: skip


class ProbeFailed(Exception):
    """The logged input example was not answered; ``str`` is the one sentence, ``module`` what was missing, if so."""

    def __init__(self, message: str, module: str = "") -> None:
        super().__init__(message)
        self.module = module


def run(scorer: Scorer, model: ModelFile) -> str:
    """The verdict: ``passed``, ``none`` or ``synthetic refused``.

    Raises:
        ProbeFailed: the model's own example was refused or could not be scored.
    """
    example = logged_example(model)
    if example is not None:
        response = scorer.score(example, "application/json", "probe")
        if response.status != 200:
            answer = json.loads(response.body)
            raise ProbeFailed(str(answer["message"]), str(answer["details"].get("module", "")))
        return PASSED
    row = synthetic_row(model)
    if row is None:
        return NONE
    response = scorer.score(row, "application/json", "probe")
    return NONE if response.status == 200 else SYNTHETIC_REFUSED


def logged_example(model: ModelFile) -> Optional[bytes]:
    """The request body of the logged example; ``None`` when there is none that JSON can carry (sparse matrices)."""
    serving = _read(model.directory, "serving_input_example.json")
    if serving is not None:
        return serving
    info = model.example()
    raw = _read(model.directory, str(info.get("artifact_path", "input_example.json"))) if info else None
    if raw is None:
        return None
    try:
        content = json.loads(raw)
    except ValueError:
        return None
    document = _as_request(content, info)
    return None if document is None else json.dumps(document).encode()


def _as_request(content: Any, info: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """What MLflow stored (by type, and since 2.6 perhaps below ``inputs`` beside ``params``) as a request."""
    document: Dict[str, Any] = {}
    if info.get("params") and isinstance(content, dict):
        document["params"] = content.get("params")
        content = content.get("inputs")
    kind = str(info.get("type", "dataframe"))
    if kind.startswith("sparse"):
        return None
    if kind == "dataframe":
        document["dataframe_records" if isinstance(content, list) else "dataframe_split"] = content
    elif (
        kind == "ndarray"
        and isinstance(content, dict)
        and len(content) == 1
        and set(content) <= {"inputs", "instances"}
    ):
        document.update(content)
    else:
        document["inputs"] = content
    return document


def _read(directory: str, name: str) -> Optional[bytes]:
    path = os.path.join(directory, name)
    if os.path.dirname(os.path.relpath(path, directory)).startswith(os.pardir):
        return None
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def synthetic_row(model: ModelFile) -> Optional[bytes]:
    """One invented row for a signature of plain named columns."""
    columns = model.signature.columns
    if not columns or not model.signature.has_names or any(column.kind not in _SAMPLES for column in columns):
        return None
    return json.dumps({"dataframe_records": [{str(column.name): _SAMPLES[column.kind] for column in columns}]}).encode()
