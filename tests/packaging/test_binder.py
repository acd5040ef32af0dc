"""What Binder does with ``binder/``, step by step: a fresh environment, requirements, postBuild, start; then two pages.

Not done here: Binder's own base image and its Python, and the build of the panel when ``make`` has built it already.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.controller.environments.pipconfig import build_environ
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Paths, Settings
from tests.support.instance import wait_until_gone

ROOT = Path(__file__).resolve().parents[2]
PANEL = "jupyter_modelserve/labextension"
MEMORY = 2 * 1024**3
"""What a visitor of mybinder.org gets."""
TOKEN = "visitor"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(environ: dict[str, str], folder: Path, *command: str) -> str:
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a clone would have, and the built panel if there is one."""
    target = tmp_path_factory.mktemp("binder") / "repository"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT / PANEL / "static" / "style.js").is_file():
        shutil.copytree(ROOT / PANEL, target / PANEL, dirs_exist_ok=True)
    return target


@pytest.fixture(scope="module")
def built(repository: Path) -> dict[str, str]:
    """The environment variables of a visitor, after requirements and postBuild."""
    home = repository.parent / "home"
    home.mkdir()
    run(dict(os.environ), repository, sys.executable, "-m", "venv", str(home / "env"))
    drop = ("JUPYTER", "MODELSERVE", "PYTHON", "VIRTUAL_ENV", "MLFLOW")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    # uv does not read what this machine told pip; on Binder there is nothing to read.
    environ |= {
        name: value
        for name, value in build_environ(Settings(), Declared("", ()), os.environ).items()
        if name[:3] == "UV_"
    }
    cache = environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
    environ |= {
        "UV_CACHE_DIR": cache,
        "HOME": str(home),
        "PATH": f"{home / 'env' / 'bin'}{os.pathsep}{environ['PATH']}",
    }
    run(environ, repository, "python", "-m", "pip", "install", "--quiet", "-r", "binder/requirements.txt")
    listed = run(environ, repository, "binder/postBuild")
    assert "jupyter-modelserve v" in listed
    assert re.search(r"jupyter_modelserve\W+(\[32m)?\W*enabled", listed), listed
    return environ


@pytest.fixture(scope="module")
def lab(repository: Path, built: dict[str, str]) -> Iterator[str]:
    """Address of a JupyterLab that ``binder/start`` has started."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [
        "jupyter",
        "lab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--IdentityProvider.token={TOKEN}",
    ]
    options = ["--allow-root"] if os.geteuid() == 0 else []
    log = repository.parent / "lab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["binder/start", *command, *options],
            env=built,
            cwd=repository,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        home = Path(built["HOME"]) / ".modelserve"
        down = built | {"MODELSERVE_HOME": str(home)}
        subprocess.run(["jupyter", "modelserve", "down"], env=down, cwd=repository, check=False, timeout=60)
        assert wait_until_gone(Paths(home), 20) == []


def test_a_visitor_finds_a_model_served(lab: str, built: dict[str, str]) -> None:
    """The lab answers, the dashboard runs, the model scores, and all of it fits into a visitor's memory."""
    headers = {"Authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=lab, headers=headers, trust_env=False, timeout=120) as http:
        until(lambda: http.get("/api/status").is_success, 60)
        assert http.get("/lab/tree/notebooks/quickstart.ipynb").is_success
        home = Path(built["HOME"]) / ".modelserve"
        until(lambda: "succeeded" in (home / "tour.log").read_text() or dead(home), 300)
        assert "succeeded" in (home / "tour.log").read_text(), (home / "tour.log").read_text()
        page = http.get("/voila/render/notebooks/dashboards/serving_monitor.ipynb").text
        # What the view shows comes over the kernel's socket; tests/notebooks looks at it with a browser.
        assert "application/vnd.jupyter.widget-view+json" in page
        assert "error when executing" not in page
        with Client.discover(paths=Paths(home), start=False) as client:
            (endpoint,) = client.endpoints()
            assert endpoint.status.versions[0].serving
            assert client.invoke("tour@Champion", example(client)).predictions
    used = memory(home.parent)
    print(f"memory: {used / 1024**2:.0f} MiB")
    assert 0 < used < MEMORY


def example(client: Client) -> bytes:
    return json.dumps(client.detail("tour", "2")["example"]).encode()


def dead(home: Path) -> bool:
    """Whether the tour has ended, well or not."""
    return "error" in (home / "tour.log").read_text()


def until(wanted: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError, ModelServeError, OSError):
            if wanted():
                return
        assert time.monotonic() < end
        time.sleep(0.2)


def memory(home: Path) -> int:
    """Bytes (PSS) of everything that runs below a visitor's home: lab, kernels, daemons, models."""
    total = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOME") == str(home) or str(home) in " ".join(process.cmdline()):
                total += process.memory_full_info().pss
    return total
