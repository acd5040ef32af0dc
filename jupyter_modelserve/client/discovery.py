"""Finds an instance behind this process's own Jupyter server, for when the instance's sockets cannot be reached.

A kernel in a container or on another machine has no socket of the instance, but a Jupyter server to which it belongs:
the one that its environment names, or the one that started it. Others that happen to run are never tried, because the
first of several servers may be anybody's. Standard library only, so that looking costs nothing.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

BELOW: Final = "jupyter-modelserve"
_STATUS: Final = f"{BELOW}/lab/status"
_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Server:
    """A Jupyter server that this process belongs to: its address with a slash at the end, and its token."""

    url: str
    token: str = field(repr=False)


def through_jupyter(environ: Mapping[str, str]) -> Server | None:
    """The own Jupyter server behind which an instance runs, or ``None``; its ``url`` is then the instance's address."""
    for server in own_servers(environ):
        if _serves(server):
            return Server(server.url + BELOW, server.token)
    return None


def own_servers(environ: Mapping[str, str]) -> Iterator[Server]:
    """The servers that this process belongs to, in the order in which they are asked.

    ``JUPYTER_MODELSERVE_INFO_FILE`` (our extension sets it), then the server whose process started this kernel
    (``JPY_PARENT_PID``), then the one that a hub started this process for (``JUPYTERHUB_SERVICE_URL``).
    """
    if environ.get("JUPYTER_MODELSERVE_INFO_FILE"):
        yield from _from_file(Path(environ["JUPYTER_MODELSERVE_INFO_FILE"]))
    parent = environ.get("JPY_PARENT_PID", "")
    if parent.isdigit() and int(parent) > 1:
        yield from _from_file(_runtime_dir(environ) / f"jpserver-{parent}.json", pid=int(parent))
    yield from _from_hub(environ)


def _runtime_dir(environ: Mapping[str, str]) -> Path:
    if environ.get("JUPYTER_RUNTIME_DIR"):
        return Path(environ["JUPYTER_RUNTIME_DIR"])
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def _from_file(path: Path, pid: int | None = None) -> Iterator[Server]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        url, token, owner = str(found["url"]), str(found.get("token") or ""), int(found["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    # A server that listens on a unix socket only has no address for us; and a server does not ask itself.
    ours = owner != os.getpid() and (pid is None or owner == pid)
    if ours and urlsplit(url).scheme in {"http", "https"}:
        yield Server(url if url.endswith("/") else url + "/", token)


def _from_hub(environ: Mapping[str, str]) -> Iterator[Server]:
    url, token = environ.get("JUPYTERHUB_SERVICE_URL", ""), environ.get("JUPYTERHUB_API_TOKEN", "")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not token:
        return
    # The address that a server listens on; all interfaces include loopback.
    host = "127.0.0.1" if parts.hostname in {"0.0.0.0", "::"} else parts.hostname
    where = f"{host}:{parts.port}" if parts.port else host
    path = environ.get("JUPYTERHUB_SERVICE_PREFIX") or parts.path or "/"
    yield Server(urlunsplit((parts.scheme, where, path if path.endswith("/") else path + "/", "", "")), token)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A server that sends us elsewhere (to its login page) is not ours, and the token goes nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def _serves(server: Server) -> bool:
    """Whether an instance runs behind *server*; any failure means no."""
    headers = {"Authorization": f"token {server.token}"} if server.token else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        request = urllib.request.Request(server.url + _STATUS, headers=headers)  # noqa: S310 - scheme was checked
        with opener.open(request, timeout=_SECONDS) as answer:
            found = json.loads(answer.read())
    except (OSError, ValueError, HTTPException):
        return False
    return isinstance(found, dict) and found.get("running") is True
