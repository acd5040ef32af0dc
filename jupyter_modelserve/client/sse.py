"""Reads server-sent events line by line, with no I/O, so that both clients share it and tests need no server."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """One event: its kind (``status`` or an event's kind), number (0 when it has none) and data."""

    kind: str
    data: str
    number: int = 0


@dataclass(slots=True)
class Parser:
    """Feed it lines; it returns a message whenever one is complete. Comments (``: ping``) are skipped."""

    _kind: str = ""
    _number: int = 0
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> Message | None:
        """Take one line without its end; an empty line completes a message."""
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and value.isdigit():
            self._number = int(value)
        return None

    def _complete(self) -> Message | None:
        message = Message(self._kind or "message", "\n".join(self._data), self._number) if self._data else None
        self._kind, self._number, self._data = "", 0, []
        return message
