"""What a check returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from jupyter_modelserve.settings import Paths


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do (empty when there is nothing to do)."""

    level: Level
    subject: str
    message: str
    advice: str = ""


class Check(Protocol):
    """A check: changes nothing and takes at most a few seconds."""

    __name__: str

    def __call__(self, paths: Paths, /) -> Finding:
        """Look and report."""
        ...
