"""Find a Python of a wanted minor version on this machine to build an environment with.

Nothing is downloaded: which Pythons a machine has is its owner's decision, so a missing one is a clear failure that
names the setting.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.inventory import Inspector
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import Cause, Failure

_FIND_DEADLINE = 30.0


async def find_python(minor: str, settings: Settings, inspector: Inspector, uv: str, environ: Mapping[str, str]) -> str:
    """Path of an interpreter with *minor* (e.g. ``3.10``).

    Raises:
        EnvironmentFailed: ``python missing``; the hint says what to install or set.
    """
    seen: set[str] = set()
    for path in (*configured(settings), *_likely(minor, environ)):
        if path not in seen:
            seen.add(path)
            if await _fits(path, minor, inspector):
                return path
    found = await _ask_uv(minor, uv, environ)
    if found and await _fits(found, minor, inspector):
        return found
    raise EnvironmentFailed(
        Failure(
            Cause.PYTHON_MISSING,
            f"the model needs Python {minor}, and no interpreter of that version was found",
            f"Install Python {minor} (for example: uv python install {minor}), or name one in the setting "
            f"python_interpreters (MODELSERVE_PYTHON_INTERPRETERS=/path/to/python{minor}), or log the model again "
            f"with the Python of this machine.",
        )
    )


def configured(settings: Settings) -> list[str]:
    """The interpreters of the setting ``python_interpreters``; a directory means the Python installed in it."""
    found: list[str] = []
    for each in filter(None, settings.python_interpreters.split(os.pathsep)):
        path = Path(each).expanduser()
        found += [str(path / "bin" / "python")] if path.is_dir() else [str(path)]
    return found


async def _fits(path: str, minor: str, inspector: Inspector) -> bool:
    offered = await inspector.inspect(path)
    # A venv over a conda Python finds conda's shared libraries only while that environment stays as it is.
    return offered is not None and offered.minor == minor and not offered.conda


def _likely(minor: str, environ: Mapping[str, str]) -> Iterator[str]:
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield sys.executable
    for place in filter(None, environ.get("PATH", "").split(os.pathsep)):
        path = Path(place) / f"python{minor}"
        if path.is_file():
            yield str(path.absolute())
    yield from _pyenv(minor, environ)


def _pyenv(minor: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Shims of pyenv refuse a version that is not active; the installations themselves work."""
    home = Path(environ.get("HOME") or Path.home())
    versions = Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    with suppress(OSError):
        named = [each for each in versions.iterdir() if re.fullmatch(rf"{re.escape(minor)}\.\d+", each.name)]
        for each in sorted(named, key=lambda path: int(path.name.rpartition(".")[2]), reverse=True):
            yield str(each / "bin" / "python")


async def _ask_uv(minor: str, uv: str, environ: Mapping[str, str]) -> str | None:
    process = await asyncio.create_subprocess_exec(
        uv,
        *("python", "find", "--no-project", "--offline", minor),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env=dict(environ),
    )
    try:
        async with asyncio.timeout(_FIND_DEADLINE):
            output, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return output.decode(errors="replace").strip() or None
