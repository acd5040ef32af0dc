"""What every face needs: bodies of any spelling, names with three levels, pages, and the writer."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import Request

from jupyter_modelserve import names
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.governance.writing import Writer
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.errors import BadRequest, InvalidParameter

controller = _controller
PAGE: Final = 100
MOST: Final = 1000
SETTLE: Final = 2.0
"""Seconds to wait until the gateway knows a change of rights or tokens."""


def writer(request: Request) -> Writer:
    """Changes of the registry, judged as the caller's."""
    found: Controller = controller(request)
    return Writer(found.paths)


async def arguments(request: Request) -> dict[str, Any]:
    """Query and JSON body as one: some clients send a body with GET, others repeat path parameters in the query.

    Raises:
        BadRequest: the body is no JSON object.
    """
    found: dict[str, Any] = dict(request.query_params)
    raw = await request.body()
    if raw.strip():
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise BadRequest("the body is not JSON") from error
        if not isinstance(body, dict):
            raise BadRequest("the body must be a JSON object")
        found |= body
    return found


def word(values: dict[str, Any], field: str, default: str | None = None) -> str:
    """A text field; numbers are taken as their text.

    Raises:
        InvalidParameter: it is missing or something else.
    """
    value = values.get(field)
    if value is None or value == "":
        value = default
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidParameter(f"{field}: must be a text", details={"field": field})
    return value


def flag(values: dict[str, Any], field: str) -> bool:
    """A boolean of a body or a query. Raises InvalidParameter."""
    value = values.get(field, False)
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise InvalidParameter(f"{field}: must be true or false", details={"field": field})
    return value


def full_name(name: str) -> str:
    """Return *name* when it is ``catalog.schema.model``. Raises InvalidParameter."""
    names.check_model(name)
    if not names.is_three_level(name):
        raise InvalidParameter(
            f"{name!r} is no name of a catalog model: write catalog.schema.model; models with one word are in the "
            "workspace registry (registry URI: this address itself)",
            details={"field": "name"},
        )
    return name


def number(version: Any) -> str:
    """A version's number as text. Raises InvalidParameter."""
    text = str(version)
    if not text.isascii() or not text.isdigit():
        raise InvalidParameter(f"version: must be a number, not {text[:40]!r}", details={"field": "version"})
    return str(int(text))


def page(items: list[Any], values: dict[str, Any]) -> tuple[list[Any], str]:
    """One page of *items* and the token of the next; ``max_results`` 0 means as many as usual.

    Raises:
        InvalidParameter: a token that is not ours, or a negative size.
    """
    sizes = word(values, "max_results", "0"), word(values, "page_token", "0")
    if not all(each.isascii() and each.isdigit() for each in sizes):
        raise InvalidParameter("max_results and page_token: must be what the last answer gave, or numbers")
    size, start = min(int(sizes[0]) or PAGE, MOST), int(sizes[1])
    end = start + size
    return items[start:end], str(end) if end < len(items) else ""
