"""HTTP over the private unix sockets: the smallest client that does, so that finding an instance stays fast."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.settings import Paths

DAEMONS: Final = ("controller", "gateway")
_HEALTH_TIMEOUT_S: Final = 2.0


class UnixConnection(http.client.HTTPConnection):
    """An ``http.client`` connection to a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def socket_of(paths: Paths, daemon: str) -> Path:
    """The private socket of ``controller`` or ``gateway``."""
    return paths.controller_socket if daemon == "controller" else paths.gateway_socket


def request(
    path: Path,
    method: str,
    target: str,
    *,
    body: object = None,
    headers: dict[str, str] | None = None,
    timeout: float = _HEALTH_TIMEOUT_S,
) -> tuple[int, bytes] | None:
    """Send one request; ``None`` when nobody answers there in *timeout* seconds."""
    connection = UnixConnection(path, timeout)
    sent = dict(headers or {})
    payload = None
    if body is not None:
        payload = json.dumps(body).encode()
        sent["content-type"] = "application/json"
    try:
        connection.request(method, target, body=payload, headers=sent)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def health(paths: Paths, daemon: str) -> dict[str, Any] | None:
    """What the daemon says about itself (``daemon, instance_id, nonce, pid, started_at, state``), or ``None``."""
    answer = request(socket_of(paths, daemon), "GET", "/internal/health")
    if answer is None or answer[0] != 200:
        return None
    try:
        found = json.loads(answer[1])
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("daemon") == daemon else None
