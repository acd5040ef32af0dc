"""``logs``: the daemons' files, or an endpoint's log through the API."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jupyter_modelserve.launcher.spawning import log_file, tail
from jupyter_modelserve.settings import Paths

DAEMONS: Final = ("gateway", "controller", "mlflow")
_FILE_PAUSE_S: Final = 0.25
_ENDPOINT_PAUSE_S: Final = 1.0
_ENDPOINT_WINDOW: Final = 10_000


def logs(arguments: argparse.Namespace) -> int:
    """Print the last lines; with ``--follow`` go on until interrupted."""
    if arguments.name and arguments.name not in DAEMONS:
        return _endpoint(arguments)
    names = [arguments.name] if arguments.name else list(DAEMONS)
    files = {name: log_file(Paths.default(), name) for name in names}
    ends = {name: _size(path) for name, path in files.items()}
    for name, path in files.items():
        _show(name, tail(path, arguments.lines), many=len(files) > 1)
    while arguments.follow:
        time.sleep(_FILE_PAUSE_S)
        for name, path in files.items():
            ends[name] = _news(name, path, ends[name], many=len(files) > 1)
    return 0


def _show(name: str, lines: Sequence[str], *, many: bool) -> None:
    for line in lines:
        print(f"{name:<10}  {line}" if many else line, flush=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _news(name: str, path: Path, seen: int, *, many: bool) -> int:
    """Print the complete lines behind byte *seen*; returns how far it got. A rotated log begins anew."""
    if _size(path) < seen:
        seen = 0
    if _size(path) == seen:
        return seen
    with path.open("rb") as stream:
        stream.seek(seen)
        found = stream.read()
    complete = found[: found.rfind(b"\n") + 1]
    _show(name, complete.decode("utf-8", "replace").splitlines(), many=many)
    return seen + len(complete)


def _endpoint(arguments: argparse.Namespace) -> int:
    """All versions and replicas in one, by time (REQ-197); each line says whose it is where there are several."""
    from jupyter_modelserve.cli.connection import connect

    wanted = {"model": arguments.model, "version": arguments.version, "replica": arguments.replica}
    with connect() as client:
        found = client.merged_logs(arguments.name, **wanted, tail=max(arguments.lines, 1))
        if arguments.lines:
            _print(found.logs)
        after = found.next
        while arguments.follow:
            time.sleep(_ENDPOINT_PAUSE_S)
            found = client.merged_logs(arguments.name, **wanted, tail=_ENDPOINT_WINDOW, after=after)
            after = found.next
            _print(found.logs)
    return 0


def _print(text: str) -> None:
    if text:
        print(text, end="", flush=True)
