"""``stop``: nothing is left, and nobody else is hit."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve import locks
from jupyter_modelserve.launcher import ensure, find, stop, stopping
from jupyter_modelserve.settings import Paths
from tests.unit.launcher.conftest import StandIns


def test_stop_ends_both_and_leaves_the_mark(paths: Paths, stand_ins: StandIns) -> None:
    ensure(paths, spawn=stand_ins, timeout=20)
    assert stop(paths)
    assert not locks.is_held(paths.lock("controller"))
    assert not locks.is_held(paths.lock("gateway"))
    assert paths.stopping_file.exists()
    assert find(paths) is None


def test_stop_of_nothing_says_so(paths: Paths) -> None:
    assert stop(Paths(paths.home / "never")) is False
    paths.create()
    assert stop(paths) is False
    assert paths.stopping_file.exists(), "a daemon that was spawned a moment ago ends when it takes its lock"


def test_a_deaf_daemon_is_killed(paths: Paths, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_ESCALATION_S", 0.3)
    stand_ins.modes["gateway"] = "deaf"
    ensure(paths, spawn=stand_ins, timeout=20)
    assert stop(paths, timeout=0.3)
    assert not locks.is_held(paths.lock("gateway"))


def test_a_stranger_whose_pid_is_in_the_lock_file_is_left_alone(paths: Paths) -> None:
    paths.create()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path = paths.lock("gateway")
    with locks.take(path) or pytest.fail("not taken"):
        path.write_text(f"{stranger.pid}\n")
        assert stopping.signal_holder(path, signal.SIGKILL) is False
    assert stopping.signal_holder(path, signal.SIGKILL) is False
    assert stranger.poll() is None
    stranger.communicate(b"\n", timeout=10)
    assert stranger.returncode == 0


def test_orphaned_replicas_are_ended_through_their_own_socket(paths: Paths) -> None:
    paths.create()
    sockets, replica = paths.replica_sockets / "abc", paths.replicas / "abc"
    sockets.mkdir()
    replica.mkdir()
    (replica / "replica.json").write_text(json.dumps({"sockets": str(sockets), "key": "k1"}))
    seen: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, self.headers["x-modelserve-key"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def address_string(self) -> str:
            return ""

        def log_message(self, *_: Any) -> None:
            return

    with socketserver.UnixStreamServer(str(sockets / "control.sock"), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert stop(paths) is True
    assert seen == [("/stop?grace=2", "k1")]


def test_a_lock_is_free_as_soon_as_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    code = (
        "import sys; from pathlib import Path; from jupyter_modelserve import locks; "
        f"lock = locks.take(Path({str(path)!r})); print(lock is not None, flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"True\n"
    assert locks.is_held(path)
    assert locks.owner(path) == holder.pid
    assert locks.take(path, patience=0) is None
    holder.kill()
    holder.communicate(timeout=10)
    assert not locks.is_held(path)


def test_a_removed_lock_file_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = locks.take(path)
    assert first is not None
    path.unlink()
    second = locks.take(path, patience=0)
    assert second is not None
    assert locks.is_held(path)
    first.release()
    first.release()
    assert locks.is_held(path)
    second.release()
    assert not locks.is_held(path)


def test_lock_files_are_private(tmp_path: Path) -> None:
    lock = locks.take(tmp_path / "x.lock")
    assert lock is not None
    with lock:
        assert (tmp_path / "x.lock").stat().st_mode & 0o077 == 0
        assert not os.get_inheritable(lock.fileno())
