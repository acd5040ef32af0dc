"""labextension/src/api.ts: TypeScript types from the controller's OpenAPI document. ``scripts/docs.py`` writes it."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.app import create_app

HEAD = """\
/**
 * The REST API as types. Written by scripts/docs.py from the OpenAPI document of the code; do not edit.
 *
 * Answers carry every field. Times are milliseconds since 1970, 0 stands for never.
 */
"""
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def render() -> str:
    """The text of the file."""
    document = _document()
    schemas: dict[str, dict[str, Any]] = document["components"]["schemas"]
    ours = {name: schema for name, schema in schemas.items() if "ValidationError" not in name}
    parts = [HEAD, _operations(document)]
    parts += [_declaration(name, ours[name]) for name in sorted(ours)]
    return "\n".join(parts)


@cache
def _document() -> dict[str, Any]:
    return create_app(None).openapi()


def _operations(document: dict[str, Any]) -> str:
    known = [
        f"  | '{method.upper()} {path.removeprefix(API)}'"
        for path, methods in sorted(document["paths"].items())
        if path.startswith(f"{API}/")
        for method in methods
    ]
    return (
        "/** Every operation: method and path below the prefix. */\nexport type Operation =\n"
        + "\n".join(known)
        + ";\n"
    )


def _declaration(name: str, schema: dict[str, Any]) -> str:
    text = _comment(schema)
    if "enum" in schema:
        members = [f"'{each}'" for each in schema["enum"]]
        line = f"export type {name} = {' | '.join(members)};\n"
        if len(line) > 81:
            line = f"export type {name} =\n" + "\n".join(f"  | {each}" for each in members) + ";\n"
        return text + line
    fields = [f"  {key}: {type_of(each)};" for key, each in schema.get("properties", {}).items()]
    return text + f"export interface I{name} {{\n" + "\n".join(fields) + "\n}\n"


def _comment(schema: dict[str, Any]) -> str:
    first = re.sub(r"\s+", " ", schema.get("description", "").split("\n\n")[0]).replace("``", "`").strip()
    return f"/** {first} */\n" if first else ""


def type_of(schema: dict[str, Any]) -> str:
    """A JSON schema as a TypeScript type."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _reference(name)
    if "anyOf" in schema:
        return " | ".join(type_of(each) for each in schema["anyOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        inner = type_of(schema.get("items", {}))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties", True)
        return f"Record<string, {type_of(values) if isinstance(values, dict) else 'unknown'}>"
    return _SIMPLE.get(str(schema.get("type", "")), "unknown")


def _reference(name: str) -> str:
    schema = _document()["components"]["schemas"][name]
    return name if "enum" in schema else f"I{name}"
