"""The signature as the MLmodel file states it, read by ourselves so that it is the same for every MLflow since 1.0.

Besides the columns, tensors and params it answers how a version must be treated: whether its requirements pin MLflow
1.x (REQ-035), what loads it, and whether type hints replace the signature.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from .libraries import library

_FIRST_MLFLOW = re.compile(r"^mlflow(?:-skinny)?\s*(?:\[[^]]*\])?\s*(?:===?|~=|<=?)\s*v?([0-9]+)(?:\.([0-9*]+))?", re.I)


class Column:
    """One input of a column signature. ``kind`` is MLflow's type name; ``declared`` the whole type."""

    __slots__ = ("declared", "kind", "name", "required")

    def __init__(self, declared: Mapping[str, Any]) -> None:
        self.declared = declared
        self.kind = str(declared.get("type", "any"))
        self.name: Optional[str] = declared.get("name")
        self.required = bool(declared.get("required", not declared.get("optional", False)))


class Tensor:
    """One input of a tensor signature; -1 in the shape is a free axis."""

    __slots__ = ("dtype", "name", "shape")

    def __init__(self, declared: Mapping[str, Any]) -> None:
        spec = declared["tensor-spec"]
        self.name: Optional[str] = declared.get("name")
        self.dtype = str(spec["dtype"])
        self.shape: Tuple[int, ...] = tuple(int(size) for size in spec["shape"])


class Signature:
    """Inputs (columns or tensors, never both) and the params schema."""

    def __init__(self, inputs: List[Mapping[str, Any]], params: Optional[List[Mapping[str, Any]]]) -> None:
        self.is_tensor = bool(inputs) and inputs[0].get("type") == "tensor"
        self.columns = [] if self.is_tensor else [Column(each) for each in inputs]
        self.tensors = [Tensor(each) for each in inputs] if self.is_tensor else []
        self.params = params or []

    @property
    def has_inputs(self) -> bool:
        """Whether anything is enforced at all."""
        return bool(self.columns or self.tensors)

    @property
    def has_names(self) -> bool:
        """Whether inputs are named (else they go by position)."""
        first = (self.columns or self.tensors or [None])[0]
        return first is not None and first.name is not None

    @property
    def names(self) -> Optional[FrozenSet[Any]]:
        """The declared names; ``None`` when any name is welcome (no signature, or inputs by position)."""
        inputs: Sequence[Any] = self.columns or self.tensors
        return frozenset(each.name for each in inputs) if self.has_names else None

    @property
    def has_nested(self) -> bool:
        """Whether a column is an array or object, which makes a dict of inputs one row (as MLflow reads it)."""
        return any(column.kind in ("array", "object") for column in self.columns)


class ModelFile:
    """What the MLmodel file says. ``raw_signature`` has JSON values for the status of the version."""

    def __init__(self, directory: str) -> None:
        with open(os.path.join(directory, "MLmodel"), encoding="utf-8") as stream:
            content = library("yaml").safe_load(stream) or {}
        self.directory = directory
        self.content: Dict[str, Any] = content
        pyfunc = (content.get("flavors") or {}).get("python_function") or {}
        self.loader = str(pyfunc.get("loader_module", ""))
        self.from_type_hint = bool(content.get("is_signature_from_type_hint", False))
        self.raw_signature = _signature(content.get("signature"))
        raw = self.raw_signature or {}
        self.signature = Signature(raw.get("inputs") or [], raw.get("params"))
        self.is_first_generation = _pins_first_mlflow(directory, str(content.get("mlflow_version", "")))

    @property
    def metadata(self) -> Dict[str, Any]:
        """What the author logged beside the model (``metadata=`` of MLflow's log_model), or an empty dict."""
        found = self.content.get("metadata")
        return found if isinstance(found, dict) else {}

    def example(self) -> Dict[str, Any]:
        """The ``saved_input_example_info`` of the file, or an empty dict."""
        found = self.content.get("saved_input_example_info")
        return found if isinstance(found, dict) else {}


def _signature(stated: Any) -> Optional[Dict[str, Any]]:
    if not isinstance(stated, dict):
        return None
    return {part: _schema(stated.get(part)) for part in ("inputs", "outputs", "params")}


def _schema(text: Any) -> Optional[List[Dict[str, Any]]]:
    found = json.loads(text) if isinstance(text, str) else text
    return found if isinstance(found, list) else None


def _pins_first_mlflow(directory: str, logged_with: str) -> bool:
    """Whether the version is to be answered as MLflow 1.x would: by its requirement, else by what logged it."""
    for name in ("requirements.txt", "conda.yaml"):
        try:
            with open(os.path.join(directory, name), encoding="utf-8") as stream:
                lines = [line.strip().lstrip("- ").strip("'\"") for line in stream]
        except OSError:
            continue
        if any(re.match(r"mlflow(-skinny)?\b(?!-)", line, re.I) for line in lines):
            return any(_is_first(line) for line in lines)
    return logged_with.startswith("1.")


def _is_first(requirement: str) -> bool:
    found = _FIRST_MLFLOW.match(requirement)
    if found is None:
        return any(part.strip() in ("<2", "<2.0", "<2.0.0") for part in requirement.partition("mlflow")[2].split(","))
    if "<" in found.group(0):
        return found.group(1) == "1" or (
            found.group(1) == "2" and found.group(2) in (None, "0") and "=" not in found.group(0)
        )
    return found.group(1) == "1"
