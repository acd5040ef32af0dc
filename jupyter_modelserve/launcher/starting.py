"""Make sure that exactly one pair of daemons runs, however many processes ask for it at the same moment."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from jupyter_modelserve import locks
from jupyter_modelserve.errors import Conflict, InvalidParameter, NotRunning
from jupyter_modelserve.launcher import finding, identity, private, spawning
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Instance

Spawn = Callable[[Paths, str], "subprocess.Popen[bytes]"]
_PAUSE_S: Final = 0.03
_TRIES: Final = 5
_SHOWN_LINES: Final = 15


def ensure(
    paths: Paths | None = None, *, timeout: float = 60, port: int | None = None, spawn: Spawn = spawning.spawn
) -> Instance:
    """Return the running instance of *paths*, starting what is missing.

    Args:
        paths: the home; by default ``MODELSERVE_HOME`` or the Jupyter data directory.
        timeout: seconds until both daemons must answer.
        port: port of the gateway; only needed to choose or change it. Changing needs a stopped instance.
        spawn: starts one daemon (replaced in tests).

    Raises:
        InvalidParameter: the platform or the home directory cannot be used, or the port is out of range.
        Conflict: *port* differs from the one the running instance listens on.
        NotRunning: a daemon ended at start or did not answer in time; holds the last log lines.
    """
    check_platform()
    paths = paths or Paths.default()
    deadline = time.monotonic() + timeout
    found = finding.find(paths)
    if found is None:
        identity.prepare(paths)
        found = _queue(paths, deadline, port, spawn)
    if port is not None and found.port != port:
        raise Conflict(f"the instance already runs at {found.url}; run `jupyter modelserve down` to change its port")
    return found


def check_platform() -> None:
    """Raise :class:`InvalidParameter` on Windows, where it works inside WSL2 only."""
    if sys.platform == "win32":
        raise InvalidParameter("jupyter-modelserve runs on Linux and macOS; on Windows run Jupyter inside WSL2")


def _queue(paths: Paths, deadline: float, port: int | None, spawn: Spawn) -> Instance:
    while True:
        lock = locks.take(paths.lock("launch"), patience=0.1)
        if lock is not None:
            with lock:
                return _start(paths, deadline, port, spawn)
        found = finding.find(paths)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise NotRunning("another process is starting or stopping the instance and does not finish; try again")


def _start(paths: Paths, deadline: float, port: int | None, spawn: Spawn) -> Instance:
    paths.stopping_file.unlink(missing_ok=True)
    known = identity.read(paths)
    if known is not None and any(locks.is_held(paths.lock(daemon)) for daemon in private.DAEMONS):
        instance = known
    else:
        instance = identity.settle(paths, port)
    identity.ensure_token(paths)
    daemons = [_Daemon(paths, instance, daemon, spawn) for daemon in private.DAEMONS]
    while True:
        # Every daemon is looked at in each round: both shall start side by side.
        seen = [daemon.look() for daemon in daemons]
        if all(seen):
            return instance
        if time.monotonic() > deadline:
            silent = next(daemon for daemon in daemons if not daemon.answered)
            raise silent.failure("did not answer in time")
        time.sleep(_PAUSE_S)


class _Daemon:
    """One daemon on its way up."""

    def __init__(self, paths: Paths, instance: Instance, name: str, spawn: Spawn) -> None:
        self.paths = paths
        self.instance = instance
        self.name = name
        self.answered = False
        self._spawn = spawn
        self._process: subprocess.Popen[bytes] | None = None
        self._spawned = 0
        log = spawning.log_file(paths, name)
        self._log_start = log.stat().st_size if log.exists() else 0

    def look(self) -> bool:
        """Whether it answers; starts it when nobody holds its lock and it is not about to take it."""
        self.answered = self._answers()
        if self.answered or locks.is_held(self.paths.lock(self.name)):
            return self.answered
        if self._process is None or self._process.poll() == 0:
            self._spawn_again()
        elif self._process.poll() is not None:
            raise self.failure(f"ended at start with exit code {self._process.poll()}")
        return False

    def _answers(self) -> bool:
        found = private.health(self.paths, self.name)
        if found is not None and found.get("nonce") != self.instance.nonce:
            raise NotRunning(
                f"the {self.name} that runs in {self.paths.home} belongs to an earlier instance.json; "
                "run `jupyter modelserve down`, then `jupyter modelserve up`"
            )
        return found is not None

    def _spawn_again(self) -> None:
        # Exit code 0 means that it found its lock held: by the partner's start of it, or by somebody's look at it.
        if self._spawned >= _TRIES:
            raise self.failure("ends at start again and again")
        self._spawned += 1
        try:
            self._process = self._spawn(self.paths, self.name)
        except OSError as error:
            raise self.failure(f"could not be started ({(error.strerror or 'unknown error').lower()})") from error

    def failure(self, what: str) -> NotRunning:
        """The error for the user, with the last lines that this start wrote to the log."""
        log = spawning.log_file(self.paths, self.name)
        lines = spawning.tail(log, _SHOWN_LINES, start=self._log_start)
        shown = "".join(f"\n    {line}" for line in lines)
        return NotRunning(f"the {self.name} {what}; its log is {log}{':' if lines else ''}{shown}")
