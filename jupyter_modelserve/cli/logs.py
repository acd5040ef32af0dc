"""``logs``: the daemons' files, or an endpoint's log through the API."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jupyter_modelserve.launcher.spawning import log_file, tail
from jupyter_modelserve.settings import Paths

if TYPE_CHECKING:
    from jupyter_modelserve.client.sync import Client

DAEMONS: Final = ("gateway", "controller", "mlflow")
_FILE_PAUSE_S: Final = 0.25
_ENDPOINT_PAUSE_S: Final = 1.0
_ENDPOINT_WINDOW: Final = 1000


def logs(arguments: argparse.Namespace) -> int:
    """Print the last lines; with ``--follow`` go on until interrupted."""
    if arguments.name and arguments.name not in DAEMONS:
        return _endpoint(arguments.name, arguments.lines, arguments.follow)
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


def _endpoint(name: str, lines: int, follow: bool) -> int:
    from jupyter_modelserve.cli.connection import connect

    with connect() as client:
        seen = _windows(client, name, max(lines, _ENDPOINT_WINDOW) if follow else max(lines, 1))
        for label, window in seen.items():
            _show(label, window[-lines:] if lines else [], many=len(seen) > 1)
        while follow:
            time.sleep(_ENDPOINT_PAUSE_S)
            now = _windows(client, name, _ENDPOINT_WINDOW)
            for label, window in now.items():
                _show(label, unseen(seen.get(label, []), window), many=len(now) > 1)
            seen = now
    return 0


def _windows(client: Client, name: str, lines: int) -> dict[str, list[str]]:
    """The last lines of each version of the endpoint, by ``model/version``."""
    versions = client.endpoint(name).status.versions
    return {
        f"{each.model}/{each.version}": client.logs(name, each.model, each.version, lines).splitlines()
        for each in versions
    }


def unseen(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """The lines of *now* behind the longest end of *before* with which it begins: two windows on one growing log."""
    for length in range(min(len(before), len(now)), 0, -1):
        if list(before[-length:]) == list(now[:length]):
            return list(now[length:])
    return list(now)
