"""What versions print, as the API shows it (floor 0); :mod:`jupyter_modelserve.types` offers it under its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a version printed. ``at``: milliseconds since 1970, 0 = not known; ``replica``: the replica's id."""

    at: int
    replica: str
    model: str
    version: str
    text: str


@dataclass(frozen=True, slots=True)
class MergedLog:
    """Lines of several logs by time, as data and as text; ``next`` is the cursor for what comes after them."""

    logs: str
    lines: tuple[LogLine, ...]
    next: str
