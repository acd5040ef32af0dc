"""A tiny stand-in for a daemon: lock, private socket, health and stop as the protocol says, and nothing else.

``python stand_in.py <daemon> <home> [mode]``; modes: ``deaf`` ignores stop and SIGTERM, ``broken`` ends at start with
exit code 3, ``foreign`` answers with another instance's nonce.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_modelserve import locks
from jupyter_modelserve.launcher import identity, private
from jupyter_modelserve.settings import Paths


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def _handler(daemon: str, health: dict[str, Any], mode: str, stopped: threading.Event) -> Any:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(health)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self._answer({"state": "stopping"})
            if mode != "deaf":
                stopped.set()

        def _answer(self, body: dict[str, Any]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def address_string(self) -> str:
            return daemon

        def log_message(self, *_: object) -> None:
            return

    return Handler


def main() -> None:
    daemon, home, mode = sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
    paths = Paths(home)
    if mode == "broken":
        print("the engine fell off")
        sys.exit(3)
    lock = locks.take(paths.lock(daemon))
    if lock is None or paths.stopping_file.exists():
        sys.exit(0)
    with (home / "starts").open("a") as stream:
        stream.write(f"{daemon} {os.getpid()}\n")
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    instance = identity.read(paths)
    assert instance is not None
    nonce = "another" if mode == "foreign" else instance.nonce
    health = {"daemon": daemon, "instance_id": instance.instance_id, "nonce": nonce, "pid": os.getpid()}
    stopped = threading.Event()
    socket = private.socket_of(paths, daemon)
    socket.unlink(missing_ok=True)
    with _Server(str(socket), _handler(daemon, health, mode, stopped)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stopped.wait()


if __name__ == "__main__":
    main()
