"""What ties a worker to its parent: standard input, and on Linux the kernel's own death signal.

The end of standard input means that the parent is gone, however it died. A model that holds the interpreter lock for
minutes would delay the thread that watches it, so the kernel is asked to kill us as well where it can.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any, Callable, Dict

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask Linux to kill this process when its parent ends; elsewhere the watched pipe has to do."""
    if sys.platform.startswith("linux"):
        try:
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        except (ImportError, OSError, AttributeError):
            return
    if os.getppid() != parent_pid:
        os._exit(0)


def take_standard_input() -> int:
    """Move standard input to a descriptor that no child and no code of the model sees; returns it."""
    private = os.dup(0)
    os.set_inheritable(private, False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return private


def read_line(descriptor: int) -> bytes:
    """One line, byte by byte once (nothing behind it may be swallowed); empty at the end of the stream."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            break
        line += piece
    return bytes(line)


def watch(descriptor: int, on_command: Callable[[Dict[str, Any]], None]) -> None:
    """Follow the parent's commands (JSON lines) in a thread; its end ends this process at once."""

    def follow() -> None:
        while True:
            line = read_line(descriptor)
            if not line:
                os._exit(0)
            on_command(json.loads(line))

    threading.Thread(target=follow, name="lifeline", daemon=True).start()
