"""A real instance for end-to-end tests: its own home, started as a user starts it, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from jupyter_modelserve import launcher, locks
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.settings import Paths


@dataclass(frozen=True)
class RunningInstance:
    """Address, token and directories of a running instance."""

    url: str
    token: str
    paths: Paths

    @property
    def home(self) -> Path:
        """Its state directory."""
        return self.paths.home

    @property
    def headers(self) -> dict[str, str]:
        """The bearer token as a header."""
        return {"authorization": f"Bearer {self.token}"}

    def client(self) -> Client:
        """A client of ours; close it, or use it in a ``with`` block."""
        return Client.discover(paths=self.paths, url=self.url, token=self.token)

    def pid(self, daemon: str) -> int:
        """The pid of ``gateway`` or ``controller``."""
        found = locks.owner(self.paths.lock(daemon))
        assert found is not None
        return found

    def wait_for_mlflow(self, seconds: float = 60) -> None:
        """Wait until MLflow's REST answers."""
        until = time.monotonic() + seconds
        with self.client() as client:
            while client.status().mlflow.state != "running":
                assert time.monotonic() < until, "MLflow does not start"
                time.sleep(0.02)


@contextlib.contextmanager
def started_instance(name: str = "ms-") -> Iterator[RunningInstance]:
    """Start an instance in a short temporary directory; stop it at the end and prove that nothing is left."""
    home = Path(tempfile.mkdtemp(prefix=name))
    paths = Paths(home)
    try:
        instance = launcher.ensure(paths)
        yield RunningInstance(instance.url, paths.token_file.read_text().strip(), paths)
    finally:
        launcher.stop(paths)
        left = wait_until_gone(paths)
        shutil.rmtree(home, ignore_errors=True)
        assert left == [], f"still running: {left}"


def wait_until_gone(paths: Paths, seconds: float = 5) -> list[str]:
    """What still runs of an instance after at most *seconds*; empty when nothing does."""
    until = time.monotonic() + seconds
    while True:
        left = processes_of(paths)
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.02)


def processes_of(paths: Paths) -> list[str]:
    """Command lines of the processes that name the home directory, or that hold one of its locks."""
    found = [f"lock of {daemon}" for daemon in ("gateway", "controller") if locks.is_held(paths.lock(daemon))]
    for process in psutil.process_iter(["cmdline", "pid"]):
        arguments = process.info["cmdline"] or []
        if any(str(paths.home) in argument for argument in arguments) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(f"{process.info['pid']} {' '.join(arguments)[:200]}")
    return found
