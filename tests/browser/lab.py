"""A real JupyterLab with the built panel, below a prefix and with a token, in front of a real instance."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts import demo
from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
PANEL = ROOT / "jupyter_modelserve" / "labextension"
TOKEN = "browser-test-token"
PREFIX = "/user/x/"
START_SECONDS = 90
NOT_INHERITED = ("JUPYTER_", "MODELSERVE_", "JPY_", "MLFLOW_", "JUPYTERHUB_", "HOME")
CONFIG = """
c = get_config()
c.ServerApp.jpserver_extensions = {"jupyterlab": True, "jupyter_modelserve": True}
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port_retries = 0
c.LabApp.news_url = None
c.LabApp.expose_app_in_browser = True
"""


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    root: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """With the token and a fresh layout."""
        return f"{self.url}lab?token={TOKEN}&reset"

    def again(self) -> str:
        """The same with the layout as it was left; the cookie says who comes."""
        return f"{self.url}lab"


@contextlib.contextmanager
def started_lab(home: Path, prefix: str = PREFIX, **given: str) -> Iterator[Lab]:
    """Start JupyterLab on the instance in *home*, with *given* environment variables; ends it afterwards."""
    if not (PANEL / "static" / "style.js").is_file():
        missing("the built panel (make lab)")
    directory = Path(tempfile.mkdtemp(prefix="ms-lab-"))
    try:
        extensions = directory / "extensions"
        extensions.mkdir()
        (extensions / "jupyter-modelserve").symlink_to(PANEL)
        work = directory / "work"
        work.mkdir()
        config = directory / "jupyter_config.py"
        config.write_text(CONFIG)
        quiet = directory / "user" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True)
        quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        port = _free_port()
        log = directory / "lab.log"
        arguments = {
            "config": config,
            "ServerApp.port": port,
            "ServerApp.base_url": prefix,
            "ServerApp.root_dir": work,
            "IdentityProvider.token": TOKEN,
            "LabApp.extra_labextensions_path": extensions,
            "LabApp.user_settings_dir": directory / "user",
            "LabApp.workspaces_dir": directory / "workspaces",
        }
        command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in arguments.items())]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        environ |= {
            "HOME": str(directory),
            "MODELSERVE_HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "JUPYTER_PATH": str(demo.install_kernel(directory / "jupyter")),
            "JUPYTER_CONFIG_DIR": str(directory / "config"),
            "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
            "IPYTHONDIR": str(directory / "ipython"),
            **given,
        }
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environ)
        lab = Lab(f"http://127.0.0.1:{port}{prefix}", work, log, process)
        try:
            _wait(lab)
            yield lab
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait(lab: Lab) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{lab.url}api", timeout=5):
            return
        assert lab.process.poll() is None, lab.log.read_text()
        assert time.monotonic() < deadline, lab.log.read_text()
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
