"""Whoever runs a notebook finds the running instance: papermill, Voila and Python for real, and below a hub's prefix.

Each prints a prediction of the one model that the instance serves, so an instance of its own would be found out.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.served import MODEL, ROW, SCORING, Home, shell, until
from tests.lab.server import PREFIX, TOKEN, JupyterServer, jupyter_server
from tests.lab.test_live import in_kernel

nbformat: Any = import_module("nbformat")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]
FOUND = "predicted"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook that scores, as its author saved it."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    magic = f"%load_ext jupyter_modelserve\nanswer = %score {MODEL} {ROW}\nprint('ma' + 'gic', answer)"
    made.cells = [nbformat.v4.new_code_cell(each) for each in (SCORING, magic)]
    path = tmp_path / "dashboard.ipynb"
    nbformat.write(made, str(path))
    return path


@pytest.fixture(scope="module")
def hub(home: Home) -> Iterator[JupyterServer]:
    """A server as JupyterHub starts it: below its prefix, with the hub's names in its environment, and with Voila."""
    extensions = "c.ServerApp.jpserver_extensions = {'jupyter_modelserve': True, 'voila.server_extension': True}"
    environ = {"HOME": str(home.directory), "JUPYTERHUB_USER": "x", "JUPYTERHUB_SERVICE_PREFIX": PREFIX}
    with jupyter_server(environ, extensions) as found:
        yield found


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """The home directory of a process that sees nothing of the instance's; none may be started in it."""
    yield tmp_path / "elsewhere"
    assert not list((tmp_path / "elsewhere").rglob("instance.json")), "an instance of its own was started"


def execute(command: list[str], environ: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *command], env=environ, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def printed(path: Path) -> str:
    outputs = [each for cell in nbformat.read(str(path), 4).cells for each in cell.get("outputs", [])]
    return "".join(each.get("text", "") for each in outputs)


def papermill(notebook: Path, environ: dict[str, str]) -> str:
    target = notebook.with_name("out.ipynb")
    execute(["-m", "papermill", "-k", "python3", str(notebook), str(target)], environ, notebook.parent)
    return printed(target)


def by_address(home: Home) -> dict[str, str]:
    """The variables that a scheduler sets for a job on another machine."""
    return {"MODELSERVE_URL": home.instance.url, "MODELSERVE_TOKEN_FILE": str(home.instance.paths.token_file)}


def test_plain_python_in_a_fresh_shell(home: Home, tmp_path: Path) -> None:
    assert FOUND in execute(["-c", SCORING], home.environ(), tmp_path)


def test_plain_python_with_an_address_and_a_token_file(home: Home, elsewhere: Path, tmp_path: Path) -> None:
    assert FOUND in execute(["-c", SCORING], shell(elsewhere, **by_address(home)), tmp_path)


@pytest.mark.parametrize("given", ["nothing", "address"])
def test_papermill(home: Home, notebook: Path, elsewhere: Path, given: str) -> None:
    environ = home.environ() if given == "nothing" else shell(elsewhere, **by_address(home))
    found = papermill(notebook, environ)
    assert FOUND in found
    assert "magic" in found


def test_papermill_inside_a_jupyter_server(hub: JupyterServer, notebook: Path) -> None:
    """A notebook that runs another notebook, as a scheduler in JupyterLab does."""
    target = notebook.with_name("out.ipynb")
    command = f"[sys.executable, '-m', 'papermill', '-k', 'python3', {str(notebook)!r}, {str(target)!r}]"
    code = (
        f"import subprocess, sys; done = subprocess.run({command}, capture_output=True, text=True); "
        "print(done.returncode, done.stderr[-500:])"
    )
    assert in_kernel(hub, code).startswith("0 ")
    assert FOUND in printed(target)


@contextlib.contextmanager
def voila(notebook: Path, environ: dict[str, str]) -> Iterator[str]:
    """A Voila server of its own for *notebook*; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = notebook.with_name("voila.log")
    command = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environ, cwd=notebook.parent, stdout=out, stderr=subprocess.STDOUT)
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{port}/static/", timeout=5, trust_env=False).status_code < 500
            return False

        until("Voila listens", answers)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def rendered(url: str, **headers: str) -> str:
    answer = httpx.get(url, headers=headers, timeout=120, trust_env=False, follow_redirects=True)
    assert answer.status_code == 200, answer.text[-2000:]
    return answer.text


@pytest.mark.parametrize("given", ["nothing", "address"])
def test_voila(home: Home, notebook: Path, elsewhere: Path, given: str) -> None:
    environ = home.environ() if given == "nothing" else shell(elsewhere, **by_address(home))
    with voila(notebook, environ) as url:
        page = rendered(url)
    assert FOUND in page
    assert "magic" in page


def test_voila_inside_a_jupyter_server_below_a_prefix(hub: JupyterServer, notebook: Path) -> None:
    root = hub.log.parent
    (root / "dashboard.ipynb").write_bytes(notebook.read_bytes())
    assert FOUND in rendered(f"{hub.url}voila/render/dashboard.ipynb", authorization=f"token {TOKEN}")


def test_a_kernel_below_a_hubs_prefix(hub: JupyterServer) -> None:
    assert FOUND in in_kernel(hub, SCORING)


def test_another_process_of_the_hub_user_finds_it_through_the_server(
    hub: JupyterServer, elsewhere: Path, tmp_path: Path
) -> None:
    """In a container of its own: no socket and no file of the instance, only what the hub sets."""
    environ = shell(
        elsewhere, JUPYTERHUB_API_TOKEN=TOKEN, JUPYTERHUB_SERVICE_PREFIX=PREFIX,
        JUPYTERHUB_SERVICE_URL=hub.url.replace("127.0.0.1", "0.0.0.0"),
    )  # fmt: skip
    code = SCORING + "\nfrom jupyter_modelserve.client import session; print(session.current().url)"
    found = execute(["-c", code], environ, tmp_path)
    assert FOUND in found
    assert found.split()[-1] == hub.ours.rstrip("/")
    assert os.environ.get("JUPYTERHUB_API_TOKEN") != TOKEN
