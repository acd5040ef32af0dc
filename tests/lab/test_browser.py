"""The built panel in a real JupyterLab and a real browser, with token and XSRF check on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
PANEL = ROOT / "jupyter_modelserve" / "labextension"
TOKEN = "test-token"
START_SECONDS = 60

pytestmark = pytest.mark.browser


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    pytest.fail(log.read_text())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab with the panel and a sample instance."""
    if not (PANEL / "static" / "style.js").is_file():
        missing("the built panel (make lab)")
    extensions = tmp_path / "extensions"
    extensions.mkdir()
    (extensions / "jupyter-modelserve").symlink_to(PANEL)
    work = tmp_path / "work"
    work.mkdir()
    port = free_port()
    log = tmp_path / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", f"--config={Path(__file__).with_name('lab_config.py')}"]
    command += [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={work}"]
    command += [f"--LabApp.extra_labextensions_path={extensions}", f"--LabApp.user_settings_dir={tmp_path / 'user'}"]
    command += [f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "JUPYTER_NO_CONFIG": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environ)
        try:
            wait_for(f"http://127.0.0.1:{port}/api", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.slow
@pytest.mark.req("REQ-044")
def test_the_panel_starts_the_instance_and_shows_what_is_served(lab: str, chromium: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=arguments)
        page = browser.new_page()
        page.goto(f"{lab}/lab?token={TOKEN}&reset")
        page.get_by_role("tab", name="Model serving").click(timeout=60_000)
        panel = page.get_by_role("region", name="Model serving")
        expect(panel).to_contain_text("Model serving is not running.")
        expect(panel).to_contain_text("%load_ext jupyter_modelserve")
        panel.get_by_role("button", name="Start").click()
        expect(panel.get_by_role("region", name="Instance")).to_contain_text("Running")
        expect(panel.get_by_role("list", name="Versions")).to_contain_text("Version 2")
        expect(panel.get_by_role("list", name="Versions")).to_contain_text("Ready")
        expect(panel.get_by_role("list", name="Endpoints")).to_contain_text("iris")
        browser.close()
