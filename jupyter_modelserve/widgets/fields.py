"""Input fields from a model's signature: one per column, of its type, filled from the input example."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ipywidgets

from jupyter_modelserve.errors import InvalidParameter

_WHOLE: Final = {"integer", "long"}
_BROKEN: Final = {"float", "double"}
_SIMPLE: Final = {*_WHOLE, *_BROKEN, "boolean", "string", "datetime"}
_WIDE: Final = ipywidgets.Layout(width="calc(100% - 4px)")


def is_table(inputs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every input is a named column of a simple type, so that a form can be made of them."""
    return bool(inputs) and all(each.get("name") and each.get("type") in _SIMPLE for each in inputs)


def first_row(example: Any) -> dict[str, Any]:
    """The first row of an input example by column; empty when the example is no table."""
    if not isinstance(example, Mapping):
        return {}
    split = example.get("dataframe_split")
    if isinstance(split, Mapping) and split.get("data"):
        return dict(zip(split.get("columns", []), split["data"][0], strict=False))
    records = example.get("dataframe_records")
    if isinstance(records, Sequence) and records and isinstance(records[0], Mapping):
        return dict(records[0])
    return {}


class Field(ipywidgets.VBox):
    """One column: its name and type above, the value below, and what is wrong with it beside."""

    def __init__(self, column: Mapping[str, Any], value: Any = None) -> None:
        self.name, self._type = str(column["name"]), str(column["type"])
        self._required = column.get("required", True) is not False
        label = ipywidgets.Label(f"{self.name} · {self._type}{'' if self._required else ', optional'}")
        if self._type == "boolean":
            options = ["true", "false"] if self._required else ["", "true", "false"]
            self._input: Any = ipywidgets.Dropdown(options=options, layout=_WIDE)
        else:
            self._input = ipywidgets.Text(layout=_WIDE, continuous_update=False)
        self._input.add_class("ms-field")
        super().__init__([label, self._input])
        self.text = "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)

    @property
    def text(self) -> str:
        """What stands in the field."""
        return str(self._input.value)

    @text.setter
    def text(self, value: str) -> None:
        if self._type != "boolean" or value in self._input.options:
            self._input.value = value

    def value(self) -> Any:
        """What is sent.

        Raises:
            InvalidParameter: it is empty or not of the column's type; the message names the column.
        """
        text = self.text if self._type == "string" else self.text.strip()
        if not text and not (self._type == "string" and self._required):
            if self._required:
                raise InvalidParameter(f"{self.name} is empty", details={"field": self.name})
            return None
        return self._typed(text)

    def _typed(self, text: str) -> Any:
        try:
            if self._type == "boolean":
                return text == "true"
            if self._type in _WHOLE:
                return int(text)
            if self._type in _BROKEN:
                return float(text)
        except ValueError as error:
            kind = "a whole number" if self._type in _WHOLE else "a number"
            raise InvalidParameter(f"{self.name} is {text!r}; it takes {kind}", details={"field": self.name}) from error
        return text
