"""The log of one version: what its worker prints, bounded and rotated, with a tail to show.

The parent pumps it, because a worker that wrote to a file itself could fill the disk and would not rotate.
"""

from __future__ import annotations

import asyncio
import os
from typing import List

_KEPT = 3
_TAIL_BYTES = 1024 * 1024


class RotatingLog:
    """Appends to *path*; at *limit* bytes the file becomes ``.1``, and three old ones are kept (0600)."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = max(limit, 1024)
        self._descriptor = self._open()
        self._size = os.fstat(self._descriptor).st_size

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Append; a full disk loses lines but never stops the model."""
        try:
            if self._size and self._size + len(data) > self._limit:
                self._rotate()
            while data:
                written = os.write(self._descriptor, data)
                self._size += written
                data = data[written:]
        except OSError:
            return

    def note(self, text: str) -> None:
        """A line of ours among the worker's."""
        self.write(("modelserve: " + text + "\n").encode("utf-8", "replace"))

    def _rotate(self) -> None:
        os.close(self._descriptor)
        for number in range(_KEPT, 0, -1):
            older = self._path if number == 1 else "%s.%d" % (self._path, number - 1)
            if os.path.exists(older):
                os.replace(older, "%s.%d" % (self._path, number))
        self._descriptor = self._open()
        self._size = 0

    def tail(self, lines: int) -> List[str]:
        """The last *lines* lines, over a rotation if need be."""
        found = _last_bytes(self._path)
        # The first line may be the rest of one that a rotation has divided.
        if found.count(b"\n") <= lines:
            found = _last_bytes(self._path + ".1") + found
        return found.decode("utf-8", "replace").splitlines()[-lines:] if lines > 0 else []

    def close(self) -> None:
        """Let go of the file; the log itself stays."""
        try:
            os.close(self._descriptor)
        except OSError:
            return


def _last_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - _TAIL_BYTES))
            return stream.read()
    except OSError:
        return b""


async def pump(descriptor: int, log: RotatingLog) -> None:
    """Copy from a pipe until its end; closes *descriptor*."""
    reader = asyncio.StreamReader()
    stream = os.fdopen(descriptor, "rb", buffering=0)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_event_loop().connect_read_pipe(lambda: protocol, stream)
    try:
        while True:
            data = await reader.read(64 * 1024)
            if not data:
                return
            log.write(data)
    finally:
        transport.close()
