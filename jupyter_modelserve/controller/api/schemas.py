"""The OpenAPI document with the types behind it: FastAPI does not know them, they are dataclasses of ours.

The panel's TypeScript types are generated from this document.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from fastapi import FastAPI
from pydantic import TypeAdapter

from jupyter_modelserve import checked, computing, governed, logged, traced, types
from jupyter_modelserve.controller.registry import detail, outline

_INTERNAL: Final = frozenset({"Access", "Instance", "Snapshot", "TokenGrant"})
_MODULES: Final = (types, computing, logged, governed, checked, traced, outline, detail)
_REFERENCE: Final = "#/components/schemas/{model}"


def shown() -> list[type]:
    """The types that answers and bodies consist of; routes and secrets stay inside."""
    found = [
        each
        for module in _MODULES
        for name, each in vars(module).items()
        if isinstance(each, type) and dataclasses.is_dataclass(each) and each.__module__ == module.__name__
        if name not in _INTERNAL and not name.startswith("Route")
    ]
    return sorted(found, key=lambda each: each.__name__)


def schemas() -> dict[str, Any]:
    """JSON schemas of the types, by name."""
    inputs: list[Any] = [(each, "serialization", TypeAdapter(each)) for each in shown()]
    _, document = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
    found: dict[str, Any] = document["$defs"]
    return found


class DescribedAPI(FastAPI):
    """An application whose OpenAPI document names our types."""

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        document = super().openapi()
        known: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
        if "EndpointSpec" not in known:
            known.update(schemas())
        return document
