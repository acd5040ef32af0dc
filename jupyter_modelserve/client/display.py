"""What every result shows in a notebook: text, HTML (always escaped, never a script) and JSON for machines.

The JSON goes under our own MIME type with a ``kind`` and a ``schema`` number, so that papermill outputs can be read by
programs and notebooks can be compared.
"""

from __future__ import annotations

import html
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from jupyter_modelserve.client.cards import CARD_MIME

MIME: Final = "application/vnd.jupyter-modelserve+json"
SCHEMA: Final = 1


class Rich(ABC):
    """Base of every result object; ``repr`` is the text."""

    @abstractmethod
    def text(self) -> str:
        """Plain text, for terminals and logs."""

    @abstractmethod
    def html(self) -> str:
        """HTML without scripts; everything that came from a user is escaped."""

    @abstractmethod
    def json(self) -> dict[str, Any]:
        """Plain JSON values with a ``kind``; never a secret."""

    def card(self) -> dict[str, str]:
        """What a live card shows instead of the HTML (see :mod:`.cards`); empty for results that do not change."""
        return {}

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = {"text/plain": self.text(), "text/html": self.html(), MIME: {"schema": SCHEMA, **self.json()}}
        if live := self.card():
            bundle[CARD_MIME] = {"schema": SCHEMA, **live}
        wanted = set(include or bundle) - set(exclude or ())
        return {key: value for key, value in bundle.items() if key in wanted}


def told(message: str, hint: str) -> str:
    """Why something failed and what to do, in one line."""
    if not hint:
        return message
    return f"{message} {hint}" if message.endswith((".", "!", "?", ":", ";")) else f"{message}; {hint}"


def escape(value: object) -> str:
    """*value* as text that is safe in HTML."""
    return html.escape(str(value))


def html_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with left-aligned cells."""
    style = ' style="text-align:left"'
    top = "".join(f"<th{style}>{escape(each)}</th>" for each in head)
    body = "".join("<tr>" + "".join(f"<td{style}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def text_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The same table as aligned text."""
    cells = [[str(each) for each in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)


def when(milliseconds: int) -> str:
    """Local time of milliseconds since 1970."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000)) if milliseconds else ""
