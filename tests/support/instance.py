"""A real instance for end-to-end tests: its own home, started as a user starts it, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from jupyter_modelserve import launcher, locks
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.settings import Paths


@dataclass(frozen=True)
class RunningInstance:
    """Address, token and directories of a running instance."""

    url: str
    token: str = field(repr=False)
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
def started_instance(name: str = "ms-", settings: str = "") -> Iterator[RunningInstance]:
    """Start an instance in a short temporary directory; stop it at the end and prove that nothing is left.

    *settings* is the text of its settings.toml.
    """
    home = Path(tempfile.mkdtemp(prefix=name))
    (home / "settings.toml").write_text(settings)
    paths = Paths(home)
    try:
        instance = launcher.ensure(paths)
        yield RunningInstance(instance.url, paths.token_file.read_text().strip(), paths)
    finally:
        launcher.stop(paths)
        left = wait_until_gone(paths)
        shutil.rmtree(home, ignore_errors=True)
        assert left == [], f"still running: {left}"


@contextlib.contextmanager
def mlflow_of(instance: RunningInstance) -> Iterator[Any]:
    """The mlflow module as a notebook has it, pointed at *instance*; everything as it was afterwards.

    MLflow keeps its addresses in module state and in the environment, so a test that sets them would reach into
    every later one.
    """
    kinds = ("TRACKING_URI", "REGISTRY_URI", "TRACKING_TOKEN", "DISABLE_TELEMETRY", "EXPERIMENT_ID", "EXPERIMENT_NAME")
    names = [f"MLFLOW_{kind}" for kind in kinds]
    before = {name: os.environ.get(name) for name in names}
    os.environ["MLFLOW_TRACKING_TOKEN"], os.environ["MLFLOW_DISABLE_TELEMETRY"] = instance.token, "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        mlflow.set_tracking_uri(instance.url)
        mlflow.set_registry_uri(instance.url)
        # The experiment that an earlier test chose is the module's, too, and this instance may not have it.
        mlflow.set_experiment(experiment_id="0")
        try:
            yield mlflow
        finally:
            while mlflow.active_run():
                mlflow.end_run()
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
            mlflow.set_registry_uri(None)  # type: ignore[arg-type]
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


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
