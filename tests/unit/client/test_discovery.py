"""Each step by which an instance is found behind the own Jupyter server, and that no other server is ever asked."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve import launcher
from jupyter_modelserve.client.address import Address, locate
from jupyter_modelserve.client.discovery import own_servers, through_jupyter
from jupyter_modelserve.errors import NotRunning
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Instance


class Jupyter:
    """A server that answers as our extension does; notes what it is asked."""

    def __init__(self) -> None:
        self.running = True
        self.redirect = ""
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Be quiet."""

            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization", "")))
                self.send_response(302 if outer.redirect else 200)
                if outer.redirect:
                    self.send_header("Location", outer.redirect)
                self.end_headers()
                self.wfile.write(json.dumps({"running": outer.running, "instance": None, "endpoints": []}).encode())

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/user/x/"

    def info(self, file: Path, pid: int, **more: Any) -> Path:
        """Write its info file."""
        file.write_text(json.dumps({"url": self.url, "token": "jt", "pid": pid, **more}))
        return file


@pytest.fixture
def jupyter() -> Iterator[Jupyter]:
    found = Jupyter()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home in which nothing runs."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text("ms_local")
    monkeypatch.setattr(launcher, "find", lambda paths: None)
    monkeypatch.setattr(launcher, "ensure", lambda paths: Instance("i", 8123, "n"))
    return Paths(tmp_path / "home")


OTHER = 999_999


def steps(jupyter: Jupyter, tmp_path: Path) -> dict[str, dict[str, str]]:
    runtime = {"JUPYTER_RUNTIME_DIR": str(tmp_path)}
    return {
        "info file": {"JUPYTER_MODELSERVE_INFO_FILE": str(jupyter.info(tmp_path / "own.json", OTHER))},
        "parent": {**runtime, "JPY_PARENT_PID": str(jupyter.info(tmp_path / "jpserver-4242.json", 4242).stem[9:])},
        "hub": {"JUPYTERHUB_SERVICE_URL": jupyter.url.replace("127.0.0.1", "0.0.0.0"), "JUPYTERHUB_API_TOKEN": "jt"},
        "hub prefix": {
            "JUPYTERHUB_SERVICE_URL": jupyter.url.removesuffix("user/x/"),
            "JUPYTERHUB_SERVICE_PREFIX": "/user/x/",
            "JUPYTERHUB_API_TOKEN": "jt",
        },
    }


@pytest.mark.parametrize("step", ["info file", "parent", "hub", "hub prefix"])
def test_each_step(jupyter: Jupyter, tmp_path: Path, paths: Paths, step: str) -> None:
    environ = steps(jupyter, tmp_path)[step]
    found = locate(paths=paths, environ=environ)
    assert found == Address(jupyter.url + "jupyter-modelserve", "jt")
    assert jupyter.asked == [("/user/x/jupyter-modelserve/lab/status", "token jt")]
    assert "jt" not in repr(found) + repr(next(own_servers(environ)))


def test_the_order(jupyter: Jupyter, tmp_path: Path) -> None:
    known = steps(jupyter, tmp_path)
    (tmp_path / "own.json").write_text(json.dumps({"url": "http://a/", "token": "1", "pid": OTHER}))
    (tmp_path / "jpserver-4242.json").write_text(json.dumps({"url": "http://b/", "token": "2", "pid": 4242}))
    environ = {**known["info file"], **known["parent"], **known["hub"]}
    assert [each.url for each in own_servers(environ)] == ["http://a/", "http://b/", jupyter.url]


def test_the_local_instance_comes_before_any_server(
    jupyter: Jupyter, tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "find", lambda paths: Instance("i", 8123, "n"))
    assert locate(paths=paths, environ=steps(jupyter, tmp_path)["info file"]).local
    assert jupyter.asked == []


def test_at_last_an_instance_is_started(jupyter: Jupyter, tmp_path: Path, paths: Paths) -> None:
    jupyter.running = False
    environ = steps(jupyter, tmp_path)["info file"]
    assert locate(paths=paths, environ=environ) == Address(
        "http://127.0.0.1:8123", "ms_local", token_file=paths.token_file, local=True
    )
    with pytest.raises(NotRunning):
        locate(start=False, paths=paths, environ=environ)


def test_a_server_that_is_not_ours_is_never_asked(jupyter: Jupyter, tmp_path: Path, paths: Paths) -> None:
    """Plain Python, papermill from a terminal: several servers may run, and none of them is the own one."""
    for pid in (11, 12):
        jupyter.info(tmp_path / f"jpserver-{pid}.json", pid)
    runtime = {"JUPYTER_RUNTIME_DIR": str(tmp_path)}
    for environ in (runtime, {**runtime, "JPY_PARENT_PID": "13"}, {**runtime, "JPY_PARENT_PID": "1"}):
        assert locate(paths=paths, environ=environ).local
    jupyter.info(tmp_path / "jpserver-14.json", 11)  # left by a process whose number was given away again
    assert locate(paths=paths, environ={**runtime, "JPY_PARENT_PID": "14"}).local
    assert jupyter.asked == []


def test_a_server_does_not_ask_itself(jupyter: Jupyter, tmp_path: Path) -> None:
    file = jupyter.info(tmp_path / "own.json", os.getpid())
    assert list(own_servers({"JUPYTER_MODELSERVE_INFO_FILE": str(file)})) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "http+unix://x", "pid": 1}', '{"url": "http://x"}'])
def test_a_damaged_info_file_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "own.json").write_text(content)
    assert through_jupyter({"JUPYTER_MODELSERVE_INFO_FILE": str(tmp_path / "own.json")}) is None
    assert through_jupyter({"JUPYTER_MODELSERVE_INFO_FILE": str(tmp_path / "none.json")}) is None


def test_a_redirect_is_not_followed_with_the_token(jupyter: Jupyter, tmp_path: Path) -> None:
    jupyter.redirect = jupyter.url + "elsewhere"
    assert through_jupyter(steps(jupyter, tmp_path)["info file"]) is None
    assert len(jupyter.asked) == 1


def test_a_server_without_our_extension_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"url": "http://127.0.0.1:9/", "token": "t", "pid": OTHER}))
    assert through_jupyter({"JUPYTER_MODELSERVE_INFO_FILE": str(file)}) is None
