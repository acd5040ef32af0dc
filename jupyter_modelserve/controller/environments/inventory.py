"""What an interpreter offers: its Python, its markers and its installed distributions, asked in one short subprocess.

The answer is remembered until one of the interpreter's package directories changes, because asking takes a tenth of
a second or more and happens before each start of a model.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from jupyter_modelserve.controller.engines.children import clean_environ

INSPECT_DEADLINE = 30.0
"""Seconds that an interpreter may take to describe itself; a cold disk needs several."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution; ``extra_requires`` are its Requires-Dist lines that depend on an extra."""

    name: str
    version: str
    extra_requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """What one interpreter offers. ``places`` are the directories of its import path."""

    interpreter: str
    markers: dict[str, str]
    distributions: dict[str, Distribution]
    places: tuple[str, ...] = ()
    conda: bool = False

    @property
    def python_version(self) -> str:
        """Full version, e.g. ``3.11.7``."""
        return self.markers["python_full_version"]

    @property
    def minor(self) -> str:
        """Minor version, e.g. ``3.11``."""
        return self.markers["python_version"]

    @cached_property
    def fingerprint(self) -> str:
        """Changes when a distribution is installed, removed or replaced; 32 hexadecimal digits."""
        lines = sorted(f"{each.name}=={each.version}" for each in self.distributions.values())
        text = "\n".join([self.interpreter, self.python_version, *lines])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Inspector:
    """Asks interpreters what they offer, and remembers the answers."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Inventory]] = {}

    async def inspect(self, interpreter: str) -> Inventory | None:
        """What *interpreter* (an absolute path) offers; ``None`` when unusable: missing, unsafe, older than 3.8."""
        if not await asyncio.to_thread(usable, interpreter):
            return None
        remembered = self._known.get(interpreter)
        if remembered and remembered[0] == await asyncio.to_thread(_stamps, interpreter, remembered[1].places):
            return remembered[1]
        found = await _ask(interpreter)
        if found is not None:
            self._known[interpreter] = (await asyncio.to_thread(_stamps, interpreter, found.places), found)
        return found


def usable(interpreter: str) -> bool:
    """Whether *interpreter* is an executable file that only its owner, whom we trust anyway, may change."""
    try:
        found = Path(interpreter).stat()
        trusted = {0, os.getuid(), Path(sys.executable).stat().st_uid}
    except OSError:
        return False
    return (
        Path(interpreter).is_absolute()
        and stat.S_ISREG(found.st_mode)
        and os.access(interpreter, os.X_OK)
        and found.st_uid in trusted
        and not found.st_mode & stat.S_IWOTH
    )


def _stamps(interpreter: str, places: tuple[str, ...]) -> tuple[int, ...]:
    stamps = []
    for place in (interpreter, *places):
        try:
            stamps.append(Path(place).stat().st_mtime_ns)
        except OSError:
            stamps.append(0)
    return tuple(stamps)


async def _ask(interpreter: str) -> Inventory | None:
    script = await asyncio.to_thread(Path(__file__).with_name("inspection.py").read_text, encoding="utf-8")
    try:
        process = await asyncio.create_subprocess_exec(
            interpreter,
            "-c",
            script,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env=clean_environ(),
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(INSPECT_DEADLINE):
            output, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _read(interpreter, output) if process.returncode == 0 else None


def _read(interpreter: str, output: bytes) -> Inventory | None:
    # A sitecustomize of the candidate may print lines of its own before.
    try:
        value: dict[str, Any] = json.loads(output[output.index(b'{"markers"') :])
    except ValueError:
        return None
    distributions: dict[str, Distribution] = {}
    for name, version, requires in value["distributions"]:
        # The first on the import path wins, as it does for the import.
        canonical = canonicalize_name(name)
        distributions.setdefault(canonical, Distribution(canonical, version, tuple(requires)))
    return Inventory(
        interpreter=interpreter,
        markers=value["markers"],
        distributions=distributions,
        places=tuple(value["places"]),
        conda=value["conda"],
    )
