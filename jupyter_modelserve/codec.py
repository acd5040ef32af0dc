"""Our dataclasses as plain JSON values and back (floor 0). :mod:`jupyter_modelserve.types` offers both under its name.

Kept apart because every process needs it and the words themselves fill a file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, cast

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Plain JSON values of a dataclass, enum, tuple or mapping of ours."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(to_json(item) for item in value)
    return value


@lru_cache(maxsize=128)
def _adapter(cls: Any) -> Any:
    """What checks values of a type; making one takes milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def from_json(cls: type[T], value: Any) -> T:
    """Rebuild a type of ours from plain JSON values; unknown fields are ignored.

    Raises:
        InvalidParameter: a field is missing or has the wrong type; the message names it.
    """
    from pydantic import ValidationError

    from jupyter_modelserve.errors import InvalidParameter

    try:
        found: T = _adapter(cast("Hashable", cls)).validate_python(value)
        return found
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or cls.__name__
        raise InvalidParameter(f"{where}: {first['msg']}", details={"field": where}) from error
