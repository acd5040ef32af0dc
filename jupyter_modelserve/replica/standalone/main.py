"""``<python> <package>/replica serve MODEL [--port 8080]``: answer /ping and /invocations, without any of our daemons.

A parent and its worker run as anywhere else; this front only hands requests on to the worker's socket. So an exported
image answers with the same code as the endpoint that it came from.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, Optional, Tuple

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_WORKER = "model"
_BODY_LIMIT = 16 * 1024 * 1024
_TIMEOUT = 120.0
_HANDED_ON = ("content-type", "x-modelserve-format", "warning", "retry-after")


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("worker", timeout=_TIMEOUT + 20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Replica:
    """A parent of our own with one worker."""

    def __init__(self, model: str) -> None:
        self._directory = tempfile.mkdtemp(prefix="modelserve-")
        self._key = secrets.token_urlsafe(32)
        self._sockets = os.path.join(self._directory, "s")
        record = {"replica_id": _WORKER, "spec_hash": "", "nonce": "", "key": self._key, "sockets": self._sockets}
        with open(os.path.join(self._directory, "replica.json"), "w", encoding="utf-8") as stream:
            json.dump(record, stream)
        self.parent = subprocess.Popen([sys.executable, _PACKAGE, "parent", self._directory])
        self._put(model)

    def _put(self, model: str) -> None:
        spec = json.dumps({"model": _WORKER, "version": "1", "directory": os.path.abspath(model), "timeout": _TIMEOUT})
        deadline = time.monotonic() + 60
        while True:
            try:
                status, _, body = self.ask("control.sock", "PUT", "/workers/" + _WORKER, spec.encode("utf-8"))
                if status != 202:
                    raise SystemExit(body.decode("utf-8", "replace"))
                return
            except OSError:
                if time.monotonic() > deadline or self.parent.poll() is not None:
                    raise SystemExit("the parent does not answer") from None
                time.sleep(0.02)

    def ask(
        self, address: str, method: str, path: str, body: bytes = b"", headers: Optional[Dict[str, str]] = None
    ) -> Tuple[int, Dict[str, str], bytes]:
        """One request to a socket of the replica: status, headers in lower case, body."""
        connection = _Unix(os.path.join(self._sockets, address))
        try:
            connection.request(method, path, body, {**(headers or {}), "x-modelserve-key": self._key})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def state(self) -> Dict[str, Any]:
        """What the parent says about the model."""
        status = json.loads(self.ask("control.sock", "GET", "/status")[2])
        found: Dict[str, Any] = status["workers"][_WORKER]
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    replica: Replica

    def do_GET(self) -> None:
        """Signs of life, under the names that other servers use."""
        if self.path.split("?")[0] not in ("/ping", "/health"):
            self._error(404, "RESOURCE_DOES_NOT_EXIST", "there is /ping, and POST /invocations")
            return
        try:
            state = self.replica.state()
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            state = {"state": "STARTING"}
        if state["state"] == "READY":
            self._answer(200, {"content-type": "application/json"}, b"{}\n")
            return
        failure = (state.get("failure") or {}).get("message", "the model is being loaded")
        self._error(503, "TEMPORARILY_UNAVAILABLE", failure)

    def do_POST(self) -> None:
        """Hand a prediction on to the worker."""
        length = self.headers.get("content-length", "")
        if self.path.split("?")[0] != "/invocations":
            self._error(404, "RESOURCE_DOES_NOT_EXIST", "predictions are at /invocations")
        elif not length.isdigit():
            self._error(411, "BAD_REQUEST", "a content-length is needed")
        elif int(length) > _BODY_LIMIT:
            self._error(413, "PAYLOAD_TOO_LARGE", "the body has more than %d bytes" % _BODY_LIMIT)
        else:
            self._predict(self.rfile.read(int(length)))

    def _predict(self, body: bytes) -> None:
        given = {"content-type": self.headers.get("content-type", "application/json")}
        given["x-request-id"] = secrets.token_hex(8)
        try:
            status, headers, answer = self.replica.ask(_WORKER + ".sock", "POST", "/invocations", body, given)
        except (OSError, http.client.HTTPException):
            self._error(503, "TEMPORARILY_UNAVAILABLE", "the model is not ready; see /ping")
            return
        self._answer(status, {name: headers[name] for name in _HANDED_ON if name in headers}, answer)

    def _error(self, status: int, code: str, message: str) -> None:
        document = {"error_code": code, "message": message, "details": {}, "request_id": ""}
        # What was sent and not read would be taken for the next request.
        self.close_connection = True
        self._answer(status, {"content-type": "application/json"}, json.dumps(document).encode("utf-8"))

    def _answer(self, status: int, headers: Dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        """Nothing: a line per request would be all that the log holds."""


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(arguments: List[str]) -> int:
    """Serve until SIGTERM."""
    port = int(arguments[2]) if arguments[1:2] == ["--port"] and len(arguments) == 3 else 8080
    if len(arguments) not in (1, 3):
        return 64
    os.umask(0o077)
    replica = Replica(arguments[0])
    _Handler.replica = replica
    # An exported image is started to be reached: which address of the machine that is, `docker run -p` says.
    front = _Front(("0.0.0.0", port), _Handler)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        front.serve_forever()
    except KeyboardInterrupt:
        replica.parent.terminate()
        replica.parent.wait(10)
    return 0
