"""Keeps the values of secrets out of what a model prints and out of what is said about it (REQ-140).

A model may print what it was given, above all in a traceback; a log is read by more people than a secret is for. This
is a net, not a wall: a model that encodes a secret before it prints it is not caught. Parent and worker use it: whoever
shortens a text hides first, because half a value is not found any more.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, List, Optional, Pattern, Set, Tuple

HIDDEN = "[secret]"
SHORTEST = 4
"""Characters below which a value is left alone: the log would lose every 1 and every yes."""


class Hider:
    """Replaces values in texts. Each stream of output needs its own :meth:`stream`."""

    def __init__(self, values: Iterable[str]) -> None:
        self._forms = _forms(values)
        self._pattern: Optional[Pattern[bytes]] = None
        if self._forms:
            self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms))

    def clean(self, data: bytes) -> bytes:
        """*data* without the values."""
        return data if self._pattern is None else self._pattern.sub(HIDDEN.encode("ascii"), data)

    def places(self, data: bytes) -> List[Tuple[int, int]]:
        """Begin and end of the values in *data*."""
        return [] if self._pattern is None else [found.span() for found in self._pattern.finditer(data)]

    def clean_text(self, text: str) -> str:
        """*text* without the values."""
        return text if self._pattern is None else self.clean(text.encode("utf-8", "replace")).decode("utf-8")

    def clean_all(self, value: Any) -> Any:
        """A JSON value without them, in whatever text they stand."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.clean_text(value)
        if isinstance(value, dict):
            return {key: self.clean_all(each) for key, each in value.items()}
        return [self.clean_all(each) for each in value] if isinstance(value, list) else value

    def stream(self) -> "Stream":
        """For output that arrives in pieces."""
        return Stream(self, self._forms)


class Stream:
    """Holds back the end of a piece as long as it may be the beginning of a value."""

    def __init__(self, hider: Hider, forms: List[bytes]) -> None:
        self._hider = hider
        self._forms = forms
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may be written now."""
        data = self._held + data
        cut = len(data) - max((_overlap(data, form) for form in self._forms), default=0)
        # What is found now may be the first part of a longer value, and must not be cut in two either.
        cut = next((begin for begin, end in self._hider.places(data) if begin < cut < end), cut)
        self._held = data[cut:]
        return self._hider.clean(data[:cut])

    def end(self) -> bytes:
        """What was held back."""
        rest, self._held = self._held, b""
        return self._hider.clean(rest)


def _overlap(data: bytes, form: bytes) -> int:
    """How many bytes at the end of *data* are the beginning of *form*, less than all of it."""
    first = max(0, len(data) - len(form) + 1)
    for start in range(first, len(data)):
        if data[start] == form[0] and form.startswith(data[start:]):
            return len(data) - start
    return 0


def _forms(values: Iterable[str]) -> List[bytes]:
    """The values as they are, and as Python and JSON write them; the longest first."""
    found: Set[str] = set()
    for value in values:
        if len(value) >= SHORTEST:
            found.update(
                (value, repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
            )
    return sorted((each.encode("utf-8", "replace") for each in found), key=len, reverse=True)
