"""A replica's parent that misbehaves on demand: ``<python> stand_in_parent.py parent <directory>``.

The label ``mode`` of replica.json says how: ``hung`` accepts and never answers, ``foreign`` answers with another nonce,
``deaf`` ignores stop and SIGTERM, ``late`` binds only when a file ``go`` appears, ``exit`` ends with code 3, ``orphan``
leaves a deaf child in its session. Without a label it behaves.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def _handler(record: dict[str, Any], mode: str) -> Any:
    nonce = "another" if mode == "foreign" else record["nonce"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if mode == "hung":
                time.sleep(600)
            status = {"replica_id": record["replica_id"], "nonce": nonce, "pid": os.getpid(), "started_at": 1.0}
            self._answer(200, {**status, "workers": {}})

        def do_POST(self) -> None:
            self._answer(202, {})
            if mode != "deaf":
                threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGKILL)).start()

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            if self.headers.get("x-modelserve-key") != record["key"]:
                status, body = 421, {"message": "wrong key"}
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def address_string(self) -> str:
            return "replica"

        def log_message(self, *_: object) -> None:
            return

    return Handler


def main() -> None:
    if sys.argv[1] == "worker":
        signal.pause()
    directory = Path(sys.argv[2])
    record = json.loads((directory / "replica.json").read_text())
    mode = record.get("labels", {}).get("mode", "")
    if mode == "exit":
        print("cannot start: the reason")
        sys.exit(3)
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "orphan":
        worker = subprocess.Popen([sys.executable, __file__, "worker"])
        (directory / "orphan").write_text(str(worker.pid))
    while mode == "late" and not (directory / "go").exists():
        time.sleep(0.02)
    with _Server(record["sockets"] + "/control.sock", _handler(record, mode)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
