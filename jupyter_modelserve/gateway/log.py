"""The access log: one JSON line per request, rotated by size, without queries, bodies or secrets.

Lines are gathered and written once a second, so that logging costs a request microseconds. A full disk must not stop
scoring: what cannot be written is dropped.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from jupyter_modelserve.gateway.request import Request

_KEPT: Final = 3
_GATHERED: Final = 20_000
_METHODS: Final = {each: f'"{each}"' for each in ("POST", "GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")}


def _quote(text: str) -> str:
    """*text* in JSON; most ids need nothing but the quotes."""
    return f'"{text}"' if text.isalnum() and text.isascii() else json.dumps(text)


@lru_cache(256)
def _path(raw: bytes) -> str:
    return json.dumps(raw[:2048].decode("latin-1"))


class AccessLog:
    """Appends to *path* (0600); at *limit* bytes it is rotated and three old files are kept."""

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lines: list[str] = []
        self._second = 0
        self._stamp = ""

    def add(self, request: Request, seconds: float) -> None:
        """Note a finished request; dropped when lines come faster than they can be written."""
        if len(self._lines) >= _GATHERED:
            return
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        method = _METHODS.get(request.method) or json.dumps(request.method)
        self._lines.append(
            f'{{"at": "{self._stamp}", "id": {_quote(request.id)}, "method": {method}, '
            f'"path": {_path(request.raw_path)}, "status": {request.status}, '
            f'"ms": {seconds * 1000:.2f}, "sent": {request.sent}, "token": "{request.grant_id}", '
            f'"version": "{request.version}"}}\n'
        )

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._write("".join(lines).encode())
        except OSError:
            return

    def _write(self, data: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, data)
            size = os.fstat(handle).st_size
        finally:
            os.close(handle)
        if size >= self._limit:
            self._rotate()

    def _rotate(self) -> None:
        for number in range(_KEPT, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)

    async def run(self) -> None:
        """Write once a second."""
        while True:
            await asyncio.sleep(1.0)
            self.flush()
