"""A stand-in for the gateway that notes every byte it was sent, and answers as a test wants."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "ms_instance_secret"


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Gateway:
    """Where it listens, what it saw, and the switches of a test."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    first_bytes: threading.Event = field(default_factory=threading.Event)
    more: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    streams: int = 0

    @property
    def environ(self) -> dict[str, str]:
        """What makes a Jupyter server take it for the instance."""
        return {"MODELSERVE_URL": self.url, "MODELSERVE_TOKEN": TOKEN}


@contextlib.contextmanager
def gateway() -> Iterator[Gateway]:
    """Run one on a free port of loopback."""
    state = Gateway()

    class Bound(_Handler):
        gateway = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gateway: Gateway

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Be quiet."""

    def do_GET(self) -> None:
        self._note(b"")
        if self.path.endswith("/events"):
            self._stream()
        elif self.path.endswith("/broken"):
            self._head(200, {"content-length": "1000"})
            self.wfile.write(b"half")
            self.close_connection = True
        else:
            self._answer(200)

    def do_POST(self) -> None:
        begun = b""
        if self.path.endswith("/slow-start/invocations"):
            begun = self.rfile.read(1)
            self.gateway.first_bytes.set()
        if "/too-large/" in self.path:
            self._answer(413)
            self.close_connection = True
            # As the real one: a close with unread input would reset the connection, and the answer would be lost.
            self.connection.shutdown(socket.SHUT_WR)
            time.sleep(0.5)
            return
        length = int(self.headers.get("content-length", 0)) - len(begun)
        body = begun + (self.rfile.read(length) if "content-length" in self.headers else self._chunks())
        if len(body) < length:
            self.gateway.left.set()
            return
        self._note(body)
        self._answer(200)

    do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        return found

    def _note(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("user-agent") == "jupyter-modelserve":
            return  # the server's own looks, for its hints
        self.gateway.seen.append(Seen(self.command, self.path, headers, body))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int) -> None:
        body = json.dumps({"answered": status, "error_code": "PAYLOAD_TOO_LARGE" if status == 413 else ""}).encode()
        self._head(
            status,
            {
                "content-type": "application/json",
                "content-length": str(len(body)),
                "set-cookie": "secret=1",
                "access-control-allow-origin": "*",
                "keep-alive": "timeout=5",
                "x-request-id": "r1",
                "served-model-name": "iris",
            },
        )
        self.wfile.write(body)

    def _stream(self) -> None:
        """One event at once; a ping every 50 ms; another event when the test says so. Notes when nobody listens."""
        self.gateway.streams += 1
        self._head(200, {"content-type": "text/event-stream", "connection": "close"})
        self.close_connection = True
        self.gateway.left.clear()
        try:
            self.wfile.write(b'event: status\ndata: {"n": 1}\n\n')
            while not self.gateway.more.is_set():
                self.wfile.write(b": ping\n\n")
                time.sleep(0.05)
            self.wfile.write(b'event: status\ndata: {"n": 2}\n\n')
        except OSError:
            self.gateway.left.set()
