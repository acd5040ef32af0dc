"""What ``doctor`` says about a Docker engine, against a socket that answers as one (and some that do not)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from jupyter_modelserve.cli.checks import engine
from jupyter_modelserve.cli.checks.finding import Level
from jupyter_modelserve.settings import Paths

INFO = {"ServerVersion": "20.10", "OSType": "linux", "LiveRestoreEnabled": True, "DockerRootDir": "/nowhere"}


class Engine:
    """The two answers that doctor asks for."""

    def __init__(self, path: Path) -> None:
        self.info: dict[str, Any] = dict(INFO)
        self.images = True
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                there = self.path == "/info" or engine.images
                body = json.dumps(engine.info if self.path == "/info" else {}).encode()
                self.send_response(200 if there else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return "test"

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingUnixStreamServer(str(path), Handler)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    monkeypatch.setenv("MODELSERVE_ENGINE", "docker")
    monkeypatch.setenv("MODELSERVE_DOCKER_HOST", f"unix://{tmp_path}/d.sock")
    return found


@pytest.fixture
def answering(paths: Paths, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "d.sock")
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_all_is_well(paths: Paths, answering: Engine) -> None:
    assert engine.docker(paths).level is Level.OK


def test_no_engine(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine.docker(paths)
    assert (found.level, "no engine answers" in found.message) == (Level.FAIL, True)
    monkeypatch.setenv("MODELSERVE_ENGINE", "process")
    found = engine.docker(paths)
    assert (found.level, "not needed" in found.message) == (Level.OK, True)


def test_no_right(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("socket.socket.connect", refuse)
    found = engine.docker(paths)
    assert found.level is Level.FAIL
    assert "usermod" in found.advice


@pytest.mark.parametrize(
    ("change", "level", "message"),
    [
        ({"LiveRestoreEnabled": False}, Level.WARN, "live-restore"),
        ({"SecurityOptions": ["name=rootless"]}, Level.FAIL, "shifts user ids"),
        ({"DockerRootDir": "/"}, Level.WARN, "GiB free"),
    ],
)
def test_what_stands_in_the_way(
    paths: Paths, answering: Engine, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], level: Level, message: str
) -> None:
    monkeypatch.setattr(engine, "_LITTLE", 10**18)
    answering.info |= change
    found = engine.docker(paths)
    assert (found.level, message in found.message) == (level, True), found


def test_no_base_image(paths: Paths, answering: Engine) -> None:
    answering.images = False
    found = engine.docker(paths)
    assert found.level is Level.WARN
    assert "base_image" in found.advice


def test_an_engine_elsewhere(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSERVE_DOCKER_HOST", "tcp://elsewhere:2376")
    assert "not on this machine" in engine.docker(paths).message
