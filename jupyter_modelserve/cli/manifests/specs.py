"""From a document to the specification of an endpoint and back, by the same JSON schema as the API's (generated)."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Any, Final

import yaml

from jupyter_modelserve.cli.manifests.reading import Document
from jupyter_modelserve.client import calls
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import EndpointSpec, from_json, to_json

_SECRET_WORDS: Final = frozenset({"secret_values", "secretValues", "values"})
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_VALUES: Final = "values of secrets do not belong in a file; list their names, and give values by --secret-from-env"
_BREAKS: Final = re.compile("[\x85\u2028\u2029]")
"""What ends a line for YAML 1.1 as a line feed does, and is read as one unless it is written as an escape."""


class _Writer(yaml.SafeDumper):
    """Writes texts so that they are read as the same."""


def _text(writer: _Writer, text: str) -> yaml.Node:
    node: yaml.Node = writer.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if _BREAKS.search(text) else None
    )
    return node


_Writer.add_representer(str, _text)


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """JSON schema of a document: that of the API's EndpointSpec, in which a name that it does not know is an error."""
    from pydantic import TypeAdapter

    found: dict[str, Any] = TypeAdapter(EndpointSpec).json_schema()
    for each in (found, *found["$defs"].values()):
        if each.get("type") == "object":
            each["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def specification(document: Document) -> EndpointSpec:
    """The endpoint that a document asks for.

    Raises:
        InvalidParameter: an unknown field, a value of the wrong kind, a secret with its value; names file, line, field.
    """
    if not isinstance(document.value, dict):
        raise document.wrong("", "a document must be a mapping that begins with the endpoint's name")
    value = {key: each for key, each in document.value.items() if key != "$schema"}
    _check_secrets(document, value)
    _check_names(document, value, schema(), "")
    try:
        spec: EndpointSpec = from_json(EndpointSpec, _numbers(value))
        calls.check_numbers(to_json(spec))
        return spec
    except InvalidParameter as error:
        path = str(error.details.get("field", ""))
        raise document.wrong(path, _problem(error.message, path)) from error


def text(spec: EndpointSpec) -> str:
    """A document for *spec*: what has its default is left out, names of secrets stay, values of them never come."""
    return str(yaml.dump(_short(spec), Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=False))


def _short(spec: EndpointSpec) -> dict[str, Any]:
    whole: dict[str, Any] = to_json(spec)
    entities = [_without_defaults(each, schema()["$defs"]["ServedEntity"]) for each in whole.pop("entities")]
    rest = _without_defaults(whole, schema())
    return {"name": rest.pop("name"), "entities": [_in_order(each) for each in entities], **rest}


def _in_order(entity: dict[str, Any]) -> dict[str, Any]:
    """An entity as people read it: name, model, selector, traffic, then the rest."""
    selector = {key: each for key, each in entity.pop("selector").items() if each is not None}
    first: dict[str, Any] = {key: entity.pop(key) for key in ("name", "model") if key in entity}
    share = {"traffic": entity.pop("traffic")} if "traffic" in entity else {}
    return {**first, "selector": selector, **share, **entity}


def _without_defaults(value: dict[str, Any], kind: dict[str, Any]) -> dict[str, Any]:
    defaults = {name: each.get("default") for name, each in kind["properties"].items()}
    required = set(kind.get("required", ()))
    return {
        name: each
        for name, each in value.items()
        if name in required or (each != defaults.get(name) and each not in ([], {}, None))
    }


def _check_secrets(document: Document, value: dict[str, Any]) -> None:
    """A secret's value in a file is a secret in Git; said before anything else is looked at, and without the value."""
    found = sorted(_SECRET_WORDS & set(value))
    listed = value.get("secrets", [])
    if found or not isinstance(listed, list):
        raise document.wrong(found[0] if found else "secrets", _NO_VALUES)
    for number, each in enumerate(listed):
        if not isinstance(each, str) or not _VARIABLE.fullmatch(each):
            raise document.wrong(f"secrets.{number}", f"must be a name of letters, digits and _; {_NO_VALUES}")


def _check_names(document: Document, value: Any, kind: dict[str, Any], path: str) -> None:
    """Walk value and schema together and refuse names that the schema does not have."""
    if "$ref" in kind:
        kind = schema()["$defs"][kind["$ref"].rpartition("/")[2]]
    if isinstance(value, list) and "items" in kind:
        for number, each in enumerate(value):
            _check_names(document, each, kind["items"], f"{path}.{number}" if path else str(number))
    if not isinstance(value, dict) or "properties" not in kind:
        return
    known = kind["properties"]
    for name, each in value.items():
        below = f"{path}.{name}" if path else name
        if name not in known:
            close = difflib.get_close_matches(name, list(known), 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise document.wrong(below, f"is unknown; {hint}")
        _check_names(document, each, known[name], below)


def _numbers(value: dict[str, Any]) -> dict[str, Any]:
    """Let ``value: 2`` of a selector be the version 2: everybody writes it so."""
    entities = value.get("entities")
    if not isinstance(entities, list):
        return value
    return {**value, "entities": [_with_version(each) for each in entities]}


def _with_version(entity: Any) -> Any:
    selector = entity.get("selector") if isinstance(entity, dict) else None
    if not isinstance(selector, dict) or type(selector.get("value")) is not int:
        return entity
    return {**entity, "selector": {**selector, "value": str(selector["value"])}}


def _problem(message: str, path: str) -> str:
    problem = message.removeprefix(f"{path}: ")
    return f"{problem}; put it in quotes" if problem == "Input should be a valid string" else problem
