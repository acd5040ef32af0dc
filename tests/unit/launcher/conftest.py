"""A short home directory with stand-in daemons; everything that was started is ended by its lock."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_modelserve import locks
from jupyter_modelserve.launcher import private, spawning, stopping
from jupyter_modelserve.settings import Paths

STAND_IN = Path(__file__).parents[2] / "support" / "stand_in.py"


class StandIns:
    """Spawns stand-in daemons; ``modes`` says how each behaves."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.modes: dict[str, str] = {}
        self._spawned: list[subprocess.Popen[bytes]] = []

    def __call__(self, paths: Paths, daemon: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(STAND_IN), daemon, str(paths.home), self.modes.get(daemon, "")]
        self._spawned.append(spawning.spawn(paths, daemon, argv))
        return self._spawned[-1]

    def end(self) -> None:
        """End what was spawned, also what has not taken its lock yet and would write into a home that goes away."""
        for process in self._spawned:
            process.kill()
            process.wait()

    def starts(self) -> list[str]:
        """The daemons that got their lock, in order."""
        found = self.paths.home / "starts"
        return [line.split()[0] for line in found.read_text().splitlines()] if found.exists() else []


@pytest.fixture
def paths() -> Iterator[Paths]:
    home = Path(tempfile.mkdtemp(prefix="ms-"))
    yield Paths(home)
    found = Paths(home)
    for daemon in private.DAEMONS:
        if found.run.is_dir() and locks.is_held(found.lock(daemon)):
            stopping.signal_holder(found.lock(daemon), signal.SIGKILL)
    shutil.rmtree(home)


@pytest.fixture
def stand_ins(paths: Paths) -> Iterator[StandIns]:
    found = StandIns(paths)
    yield found
    found.end()
