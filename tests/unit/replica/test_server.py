"""The end of a worker's address: nobody who was accepted is cut off."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.replica.worker import server as module
from jupyter_modelserve.replica.worker.config import Config
from jupyter_modelserve.replica.worker.server import Server

KEY = "k" * 32
SPEC: dict[str, Any] = {
    "model": "m", "version": "1", "directory": "/nowhere", "unknown_columns": "warn", "timeout": 1.0,
    "kill_grace": 1.0, "startup_budget": 1.0, "body_limit": 1000, "json_depth": 64,
}  # fmt: skip
PING = f"GET /ping HTTP/1.1\r\nx-modelserve-key: {KEY}\r\n\r\n".encode()


def test_a_connection_accepted_in_the_last_moment_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "s"))
    listener.listen(1)
    document = {"key": KEY, "socket": str(tmp_path / "s"), "state_fd": -1, "parent_pid": 0, "spec": SPEC}
    server = Server(Config({**document, "listen_fd": listener.detach(), "lane": 1}))
    held, connected, ended = threading.Event(), threading.Event(), threading.Event()
    loop: asyncio.AbstractEventLoop = server._loop

    def end(code: int) -> None:
        ended.set()
        loop.stop()

    def drain_in_the_round_that_accepts() -> None:
        held.set()
        connected.wait(10)
        # Of one round, timers come after what the selector gave.
        loop.call_later(0, server._drain, 30.0)

    monkeypatch.setattr(module, "end_process", end)
    server.start()
    loop.call_soon_threadsafe(drain_in_the_round_that_accepts)
    assert held.wait(10)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(tmp_path / "s"))
        client.sendall(PING)
        connected.set()
        answer = client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in answer
    assert ended.wait(10)
