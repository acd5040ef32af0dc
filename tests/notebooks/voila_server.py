"""A real Voila on the dashboards, with the kernels' surroundings that a user's would have."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from scripts import demo

DASHBOARDS = demo.ROOT / "notebooks" / "dashboards"
_START_SECONDS = 60


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def started_voila(home: Path, theme: str) -> Iterator[str]:
    """Start Voila; gives its address. *home* is the instance's state directory."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="voila-") as private:
        folder = Path(private)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MODELSERVE"))}
        environ |= {
            "MODELSERVE_HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "PYTHONPATH": str(demo.ROOT),
        }
        options = [f"--port={port}", "--no-browser", f"--theme={theme}", "--Voila.ip=127.0.0.1"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "voila", str(DASHBOARDS), *options],
                env=environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        try:
            _wait(f"http://127.0.0.1:{port}/", process, folder / "log")
            yield f"http://127.0.0.1:{port}/voila/render/"
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < until, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)
