"""Which of the payload dialects a JSON document speaks, told by its keys (REQ-031…043, 149…153, 174…177).

No other server accepts them all: MLflow 2.x and later refuse what 1.x clients and Azure's clients send, and the other
way round. The name of what was recognised goes back in ``x-modelserve-format``, on refusals too.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from .refusal import Refusal, show_all, type_name

RECORDS_1 = "mlflow-1-records"
SPLIT_1 = "mlflow-1-split"
SPLIT = "dataframe_split"
RECORDS = "dataframe_records"
INSTANCES = "instances"
INPUTS = "inputs"
AZURE_SPLIT = "azure-split"
AZURE_TENSOR = "azure-tensor"
AZURE_NAMED = "azure-named-tensors"
CSV = "csv"
PARQUET = "parquet"
LLM = "llm"

BARE = frozenset({RECORDS_1, SPLIT_1, AZURE_SPLIT, AZURE_TENSOR, AZURE_NAMED, LLM})
"""Dialects whose answer is the predictions themselves; the others wrap them (REQ-043, REQ-177)."""
BARE_FOR_FIRST = frozenset({INPUTS, INSTANCES, CSV})
"""Dialects that MLflow 1.x knew too, answered bare when the version's requirements pin it (REQ-035)."""

_KEYS = (SPLIT, RECORDS, INSTANCES, INPUTS, "input_data")
_NEUTRAL = frozenset({"params", "client_request_id", "signature_name", "databricks_options", "usage_context"})
_LLM_KEYS = ("messages", "prompt", "input")


class Recognised:
    """A dialect's name, the payload below its key, the params as sent, and warnings."""

    __slots__ = ("name", "params", "payload", "warnings")

    def __init__(self, name: str, payload: Any, params: Any = None, warnings: Optional[List[str]] = None) -> None:
        self.name = name
        self.payload = payload
        self.params = params
        self.warnings = warnings or []


def recognise(document: Any, asked: Optional[str], note: Callable[[str], None]) -> Recognised:
    """The dialect of a document; ``asked`` is what the content type's ``format`` names.

    *note* is told the dialect as soon as it is known, so that a refusal can name it.

    Raises:
        Refusal: none or several of the keys (those found are named), or a form that is none of the dialects.
    """
    if isinstance(document, list):
        if asked == SPLIT_1:
            raise Refusal("the content type says format=pandas-split, but the body is a list; send columns and data")
        note(RECORDS_1)
        return Recognised(RECORDS_1, document)
    if not isinstance(document, dict):
        raise Refusal("the body must be a JSON object or a list of records, got %s" % type_name(document))
    found = [key for key in _KEYS if key in document]
    if len(found) > 1:
        raise Refusal("send exactly one of the keys %s; found %s" % (", ".join(_KEYS), " and ".join(found)))
    if found:
        return _keyed(document, found[0], note)
    if asked == RECORDS_1:
        raise Refusal("the content type says format=pandas-records, but the body is an object; send a list of records")
    if asked == SPLIT_1 or ("columns" in document and "data" in document):
        note(SPLIT_1)
        split = {key: document[key] for key in ("columns", "data", "index") if key in document}
        return Recognised(SPLIT_1, split, document.get("params"), _others(document, ("columns", "data", "index")))
    if any(key in document for key in _LLM_KEYS):
        note(LLM)
        return Recognised(LLM, document)
    names = "; the body has " + show_all(list(document)) if document else "; the body has none"
    raise Refusal("send exactly one of the keys %s%s" % (", ".join(_KEYS), names))


def _keyed(document: Dict[str, Any], key: str, note: Callable[[str], None]) -> Recognised:
    payload = document[key]
    name = key
    if key == "input_data":
        name = AZURE_TENSOR
        if isinstance(payload, dict):
            name = AZURE_SPLIT if "data" in payload and set(payload) <= {"columns", "data", "index"} else AZURE_NAMED
    note(name)
    if key == "input_data" and not isinstance(payload, (dict, list)):
        raise Refusal("input_data must be a list or an object, got %s" % type_name(payload))
    return Recognised(name, payload, document.get("params"), _others(document, (key,)))


def _others(document: Dict[str, Any], known: Any) -> List[str]:
    others = [key for key in document if key not in known and key not in _NEUTRAL]
    return ["unknown keys ignored: " + ", ".join(others[:10])] if others else []
