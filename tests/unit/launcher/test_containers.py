"""``down`` after the controller was killed: containers end through their own sockets, and Docker removes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from jupyter_modelserve.launcher import stop
from jupyter_modelserve.settings import Paths

INSTANCE = "0123456789abcdef"
REPLICA = "aaaaaaaaaaaa"
NAME = f"modelserve-01234567-{REPLICA}"


class Server:
    """Answers on a unix socket with what is in ``there`` and remembers what was asked."""

    def __init__(self, path: Path, there: dict[str, Any]) -> None:
        self.there = there
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                outer.asked.append((self.command, self.path))
                found = outer.there.get(self.path)
                body = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as http.server calls them

            def address_string(self) -> str:
                return "test"

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingUnixStreamServer(str(path), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def home(paths: Paths) -> Paths:
    paths.create()
    paths.instance_file.write_text(json.dumps({"instance_id": INSTANCE, "port": 1, "nonce": "n"}))
    (paths.home / "settings.toml").write_text(f'docker_host = "unix://{paths.home}/d.sock"\n')
    for each in (paths.containers / REPLICA, paths.replica_sockets / REPLICA):
        each.mkdir(mode=0o700)
    (paths.containers / REPLICA / "replica.json").write_text(json.dumps({"key": "k1", "sockets": "/run/modelserve"}))
    return paths


def labelled(instance: str) -> dict[str, Any]:
    marks = {"modelserve.instance": instance, "modelserve.replica": REPLICA}
    return {
        f"/containers/{NAME}/json": {"Config": {"Labels": marks}},
        f"/containers/{NAME}?force=1&v=1": {},
        f"/volumes/{NAME}": {"Labels": marks},
        f"/volumes/{NAME}?force=1": {},
    }


@pytest.fixture
def engine(home: Paths) -> Iterator[Server]:
    made = Server(home.home / "d.sock", labelled(INSTANCE))
    yield made
    made.end()


def removed(engine: Server) -> list[str]:
    return [path for method, path in engine.asked if method == "DELETE"]


def test_container_volume_and_record_go(home: Paths, engine: Server) -> None:
    control = home.replica_sockets / REPLICA / "control.sock"
    parent = Server(control, {"/stop?grace=2": {}})
    threading.Timer(0.2, control.unlink).start()
    assert stop(home) is True
    parent.end()
    assert parent.asked == [("POST", "/stop?grace=2")]
    assert removed(engine) == [f"/containers/{NAME}?force=1&v=1", f"/volumes/{NAME}?force=1"]
    assert not (home.containers / REPLICA).exists()
    assert not (home.replica_sockets / REPLICA).exists()
    assert stop(home) is False


def test_what_is_not_ours_stays(home: Paths, engine: Server) -> None:
    engine.there = labelled("another instance")
    stop(home)
    assert removed(engine) == []
    assert (home.containers / REPLICA).exists()


def test_what_is_gone_already_leaves_no_record(home: Paths, engine: Server) -> None:
    engine.there = {}
    stop(home)
    assert not (home.containers / REPLICA).exists()


def test_without_an_engine_the_record_stays_for_the_next_start(home: Paths) -> None:
    assert stop(home) is True
    assert (home.containers / REPLICA).exists()
