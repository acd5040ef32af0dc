"""What a notebook found, for programs: ``ms.record`` leaves JSON in its output, ``ms.recorded`` reads it.

A schedule, a test or the next notebook needs the figures, not the pictures. They lie under our own MIME type like every
other result, so that papermill's output file is all that has to be kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_modelserve.client.display import MIME, Rich, escape, html_table, text_table
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import to_json


@dataclass(frozen=True, repr=False)
class Recorded(Rich):
    """Named values of a notebook. Show it (as the last line of a cell): only what is shown is kept."""

    name: str
    values: dict[str, Any]

    def _rows(self) -> list[tuple[object, ...]]:
        return [(key, json.dumps(value, ensure_ascii=False)) for key, value in self.values.items()]

    def text(self) -> str:
        """One line per value."""
        return f"{self.name}\n{text_table(('value', 'is'), self._rows())}"

    def html(self) -> str:
        """The same as a table."""
        return f"<div><b>{escape(self.name)}</b>{html_table(('value', 'is'), self._rows())}</div>"

    def json(self) -> dict[str, Any]:
        """Name and values."""
        return {"kind": "record", "name": self.name, "values": self.values}


def record(name: str = "result", /, **values: Any) -> Recorded:
    """Values for whoever reads the executed notebook; the last line of a cell.

    Args:
        name: several records of one notebook have different names.
        values: numbers, texts, lists and dicts, numpy's and our own types as well.

    Raises:
        InvalidParameter: a value is none that JSON can hold; the message names it.
    """
    return Recorded(name, {key: _plain(key, value) for key, value in values.items()})


def recorded(notebook: str | Path) -> dict[str, dict[str, Any]]:
    """The records of an executed notebook by name; the last one counts where a name comes twice.

    Raises:
        NotFound: there is no such file. InvalidParameter: it is no notebook.
    """
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    except OSError as error:
        raise NotFound(f"{notebook}: {error.strerror}", details={"field": "notebook"}) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidParameter(f"{notebook} is no notebook", details={"field": "notebook"}) from error
    outputs = (output.get("data", {}).get(MIME) for cell in cells for output in cell.get("outputs", []))
    return {each["name"]: each["values"] for each in outputs if each and each.get("kind") == "record"}


def _plain(key: str, value: Any) -> Any:
    value = to_json(value)
    if hasattr(value, "tolist"):  # an array or scalar of numpy, a series of pandas
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(f"{key}.{name}", each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(f"{key}[{number}]", each) for number, each in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidParameter(f"{key} is {value}, which JSON cannot hold; use None", details={"field": key})
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    kind = type(value).__name__
    raise InvalidParameter(f"{key} is a {kind}; use numbers, texts, lists and dicts", details={"field": key})


__all__ = ["Recorded", "record", "recorded"]
