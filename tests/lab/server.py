"""A real Jupyter server in a process of its own, below a prefix and with a token, as a hub runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "jupyter-test-token"
PREFIX = "/user/x/"
START_SECONDS = 60
NOT_INHERITED = ("JUPYTER_", "MODELSERVE_", "JPY_", "MLFLOW_", "JUPYTERHUB_")


@dataclass
class JupyterServer:
    """A running server: its address, its process and what it wrote."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    runtime: Path
    opened: list[httpx.Client] = field(default_factory=list)

    @property
    def ours(self) -> str:
        """Where everything of ours lies."""
        return f"{self.url}jupyter-modelserve/"

    @property
    def info_file(self) -> Path:
        """Where the server says who it is."""
        return self.runtime / f"jpserver-{self.process.pid}.json"

    def client(self, token: str | None = TOKEN, **headers: str) -> httpx.Client:
        """Plain HTTP; with the token unless told otherwise."""
        if token:
            headers["authorization"] = f"token {token}"
        made = httpx.Client(base_url=self.ours, headers=headers, timeout=30, trust_env=False)
        self.opened.append(made)
        return made

    def stop(self) -> str:
        """End it as an init system does; returns its log."""
        for each in self.opened:
            each.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        return self.log.read_text()


@contextlib.contextmanager
def jupyter_server(environ: dict[str, str], config: str = "", token: str = TOKEN) -> Iterator[JupyterServer]:
    """Start one with *environ* besides a clean environment, and *config* as further lines of its configuration."""
    with tempfile.TemporaryDirectory(prefix="ms-jupyter-") as name:
        directory = Path(name)
        port = _free_port()
        log = directory / "server.log"
        lines = [
            "c.ServerApp.jpserver_extensions = {'jupyter_modelserve': True}",
            f"c.ServerApp.base_url = {PREFIX!r}",
            f"c.ServerApp.port = {port}",
            "c.ServerApp.port_retries = 0",
            "c.ServerApp.ip = '127.0.0.1'",
            "c.ServerApp.open_browser = False",
            "c.ServerApp.allow_root = True",
            f"c.ServerApp.root_dir = {name!r}",
            "c.ServerApp.log_level = 'INFO'",
            f"c.IdentityProvider.token = {token!r}",
            config,
        ]
        file = directory / "jupyter_server_config.py"
        file.write_text("c = get_config()\n" + "\n".join(lines) + "\n")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
        clean |= {
            "PYTHONPATH": str(ROOT),
            "JUPYTER_CONFIG_DIR": str(directory / "config"),
            "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
            "IPYTHONDIR": str(directory / "ipython"),
        }
        command = [sys.executable, "-m", "jupyter_server", f"--config={file}"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**clean, **environ})
        server = JupyterServer(f"http://127.0.0.1:{port}{PREFIX}", process, log, directory / "runtime")
        try:
            _wait(server)
            yield server
        finally:
            server.stop()


def _wait(server: JupyterServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{server.url}api", timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(server.log.read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def events(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    """The data of server-sent events as they come."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
