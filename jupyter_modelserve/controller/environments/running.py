"""Run uv as a child that cannot hang us and leaves nothing behind when we are cancelled."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jupyter_modelserve.controller.environments.redaction import redact

_KEPT_LINES = 200
_LONGEST = 64 * 1024
_TERM_PATIENCE = 2.0


class BuildLog:
    """The log of one build (0600), redacted, with its last lines in memory."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def write(self, line: str) -> None:
        """Append one line."""
        clean = redact(line.rstrip())
        self.lines.append(clean)
        self._stream.write(f"{clean}\n")

    def close(self) -> None:
        """End of the build."""
        self._stream.close()


async def run(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], log: BuildLog, heard: Callable[[str], None]
) -> int:
    """Run *command* to its end; output goes to *log* and line by line to *heard*. Returns the exit code.

    When this call is cancelled, the command's process group is ended before it returns.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env=dict(environ),
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        await _pump(process.stdout, log, heard)
        return await process.wait()
    finally:
        await _end(process)


async def _pump(stream: asyncio.StreamReader, log: BuildLog, heard: Callable[[str], None]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    pending = ""
    while chunk := await stream.read(_LONGEST):
        *lines, pending = re.split(r"[\r\n]+", pending + decoder.decode(chunk))
        if len(pending) > _LONGEST:
            lines, pending = [*lines, pending], ""
        for line in filter(str.strip, lines):
            log.write(line)
            heard(line)
    if pending.strip():
        log.write(pending)
        heard(pending)


async def _end(process: asyncio.subprocess.Process) -> None:
    # The group may outlive its leader: a compiler started by a source build.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if process.returncode is not None:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), _TERM_PATIENCE)
