"""An instance in a user's own home directory, with one endpoint, for tests of who finds it and what disturbs it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_modelserve import launcher
from jupyter_modelserve.settings import Paths
from tests.lab.server import ROOT
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of, wait_until_gone

T = TypeVar("T")
MODEL = "flowers"
ROW = "[[5.1, 3.5, 1.4, 0.2]]"
BODY = json.dumps({"dataframe_split": {"columns": zoo.IRIS_SHORT, "data": [[5.1, 3.5, 1.4, 0.2]]}})
PATH = f"/model/{MODEL}/1/invocations"
SCORING = f'import jupyter_modelserve as ms\nprint("pre" + "dicted", ms.score("{MODEL}", {ROW}))'
API = "/api/modelserve/v1"


@dataclass(frozen=True)
class Home:
    """A user's home directory and the instance in it."""

    directory: Path
    instance: RunningInstance

    def environ(self, **more: str) -> dict[str, str]:
        """What a login shell of this user has, and nothing of ours."""
        return shell(self.directory, **more)


def shell(home: Path, **more: str) -> dict[str, str]:
    """The environment of a fresh shell whose home directory is *home*."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **more}


@contextlib.contextmanager
def home_with_instance() -> Iterator[Home]:
    """A home directory whose instance is where it is by default, with MLflow running."""
    directory = Path(tempfile.mkdtemp(prefix="ms-"))
    paths = Paths(directory / ".local" / "share" / "jupyter" / "modelserve")
    try:
        instance = launcher.ensure(paths)
        found = RunningInstance(instance.url, paths.token_file.read_text().strip(), paths)
        found.wait_for_mlflow()
        yield Home(directory, found)
    finally:
        launcher.stop(paths)
        left = wait_until_gone(paths)
        shutil.rmtree(directory, ignore_errors=True)
        assert left == [], f"still running: {left}"


def serve_flowers(instance: RunningInstance) -> None:
    """Register a classifier and serve it under its own name."""
    with mlflow_of(instance) as mlflow:
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        zoo.register(mlflow, MODEL, model, frame.head(2))
    with instance.client() as client:
        from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity

        spec = EndpointSpec(MODEL, (ServedEntity(MODEL, Selector(SelectorKind.ACTIVE)),))
        client.wait_ready(MODEL, client.put_endpoint(spec).generation, timeout=120)


@contextlib.contextmanager
def kernel(environ: dict[str, str]) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A real IPython kernel with exactly this environment."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environ)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run(client: BlockingKernelClient, code: str, seconds: float = 60) -> tuple[str, dict[str, Any]]:
    """Run *code* in a kernel; what it printed or displayed as text, and its reply."""
    shown: list[str] = []

    def note(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            shown.append(content["text"])
        if message["msg_type"] in {"execute_result", "display_data"}:
            shown.append(str(content["data"].get("text/plain", "")))

    reply: dict[str, Any] = client.execute_interactive(code, timeout=seconds, output_hook=note)
    return "".join(shown), reply["content"]


def until(what: str, check: Callable[[], T | None], seconds: float = 60) -> T:
    """Wait until *check* gives something true; what it gives."""
    deadline = time.monotonic() + seconds
    while True:
        seen = check()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"in {seconds:g} s never: {what}"
        time.sleep(0.05)
