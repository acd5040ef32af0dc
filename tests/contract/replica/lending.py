"""Replicas that one test after the other has: warming a zygote costs seconds, and most tests change only workers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.contract.replica.conftest import Replica, children, until

_PATIENCE = 20.0


class _Look(NamedTuple):
    """What a test that changed only workers leaves as it was."""

    zygote: int | None
    log: bytes


class Lender:
    """Keeps one replica per start method. What comes back other than it went is ended, and the next test has a new one.

    Args:
        root: directory for the replicas; their sockets lie where names are short.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sockets = Path(tempfile.mkdtemp(prefix="ms-"))
        self._made = 0
        self._kept: dict[str, tuple[Replica, _Look]] = {}

    def lend(self, method: str) -> Replica:
        """A running parent without workers."""
        if method not in self._kept:
            found = self._new(method)
            self._kept[method] = found, _look(found, method)
        return self._kept[method][0]

    def take_back(self, method: str) -> None:
        """Clear the replica away, or end it."""
        replica, before = self._kept[method]
        try:
            as_it_was = _without_workers(replica) and _look(replica, method) == before
        except (OSError, ValueError, AssertionError):
            as_it_was = False
        if not as_it_was:
            del self._kept[method]
            replica.end()

    def close(self) -> None:
        """End all."""
        for replica, _ in self._kept.values():
            replica.end()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _new(self, method: str) -> Replica:
        self._made += 1
        root, sockets = self._root / f"replica{self._made}", self._sockets / str(self._made)
        for directory in (root, sockets):
            directory.mkdir(mode=0o700)
        replica = Replica(root, sockets, start_method=method)
        replica.start()
        return replica


def _look(replica: Replica, method: str) -> _Look:
    if method == "fork":
        until(replica.zygote, "the zygote has been started", _PATIENCE)
    return _Look(replica.zygote(), (replica.root / "parent.log").read_bytes())


def _without_workers(replica: Replica) -> bool:
    """Whether nothing is left of what the test made: no worker, process, socket, log or scratch file."""
    if replica.process.poll() is not None:
        return False
    for worker in replica.control("GET", "/status").json["workers"]:
        replica.control("DELETE", f"/workers/{worker}?grace=0")
    until(_gone(replica), "the workers are gone", _PATIENCE)
    for path in [*(replica.root / "logs").glob("*"), *(replica.root / "work").glob("*")]:
        if path.is_file():
            path.unlink()
        elif path.name != "zygote":
            shutil.rmtree(path)
    return [each.name for each in replica.sockets.iterdir()] == ["control.sock"]


def _gone(replica: Replica) -> Callable[[], bool]:
    def look() -> bool:
        found = replica.control("GET", "/status").json["workers"]
        return not found and set(children(replica.process.pid)) <= {replica.zygote()}

    return look
