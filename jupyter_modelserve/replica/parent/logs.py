"""The log of one version: what its worker prints, bounded and rotated, with a tail to show.

The parent pumps it, because a worker that wrote to a file itself could fill the disk and would not rotate. Each line
begins with when it came, to the microsecond and never the same twice, so that the logs of replicas can be put together.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from typing import List, Optional

from ..hiding import Hider

_KEPT = 3
_TAIL_BYTES = 1024 * 1024
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ")


class RotatingLog:
    """Appends to *path*; at *limit* bytes the file becomes ``.1``, and three old ones are kept (0600).

    What *hider* hides never reaches the file.
    """

    def __init__(self, path: str, limit: int, hider: Optional[Hider] = None) -> None:
        self.hider = hider or Hider(())
        self._fresh = True
        self._last = 0
        self._path = path
        self._limit = max(limit, 1024)
        self._descriptor = self._open()
        self._size = os.fstat(self._descriptor).st_size

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Append; a full disk loses lines but never stops the model."""
        data = self._stamped(data)
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
        line = ("modelserve: " + text + "\n").encode("utf-8", "replace")
        self.write((b"" if self._fresh else b"\n") + self.hider.clean(line))

    def _stamped(self, data: bytes) -> bytes:
        """*data* with the time in front of each line that begins in it."""
        pieces = []
        for line in _LINE.findall(data):
            if self._fresh:
                pieces.append(self._stamp())
            pieces.append(line)
            self._fresh = line.endswith(b"\n")
        return b"".join(pieces)

    def _stamp(self) -> bytes:
        self._last = max(int(time.time() * 1e6), self._last + 1)
        seconds, micros = divmod(self._last, 1000000)
        return ("%s.%06dZ " % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)), micros)).encode("ascii")

    def _rotate(self) -> None:
        os.close(self._descriptor)
        for number in range(_KEPT, 0, -1):
            older = self._path if number == 1 else "%s.%d" % (self._path, number - 1)
            if os.path.exists(older):
                os.replace(older, "%s.%d" % (self._path, number))
        self._descriptor = self._open()
        self._size = 0

    def tail(self, lines: int, *, times: bool = False) -> List[str]:
        """The last *lines* lines, over a rotation if need be; with *times* as they stand in the file."""
        found = _last_bytes(self._path)
        # The first line may be the rest of one that a rotation has divided.
        for number in range(1, _KEPT + 1):
            if found.count(b"\n") > lines:
                break
            found = _last_bytes("%s.%d" % (self._path, number)) + found
        # Only a line feed ends a line, here as in _stamped: what a model prints may hold other breaks.
        every = found.decode("utf-8", "replace").split("\n")
        last = [_ended(each) for each in (every if every[-1] else every[:-1])[-lines:]] if lines > 0 else []
        return last if times else [_STAMP.sub("", line, count=1) if _STAMP.match(line) else line for line in last]

    def close(self) -> None:
        """Let go of the file; the log itself stays."""
        try:
            os.close(self._descriptor)
        except OSError:
            return
        finally:
            self._descriptor = -1


def _ended(line: str) -> str:
    """Without the carriage return of a line that ends in two characters."""
    return line[:-1] if line.endswith("\r") else line


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
    reader, output = asyncio.StreamReader(), log.hider.stream()
    stream = os.fdopen(descriptor, "rb", buffering=0)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_event_loop().connect_read_pipe(lambda: protocol, stream)
    try:
        while True:
            data = await reader.read(64 * 1024)
            if not data:
                return
            log.write(output.feed(data))
    finally:
        log.write(output.end())
        transport.close()
