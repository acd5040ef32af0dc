"""Start processes that outlive us, and leave no zombies of them.

asyncio's subprocesses are no use here: their transports kill the child when they are collected. A plain Popen with a
thread that waits for it is all that is needed.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECRET = re.compile(r"(_TOKEN|_PASSWORD|_SECRET|_KEY)$|^(MODELSERVE_|MLFLOW_TRACKING_|MLFLOW_REGISTRY_|DATABRICKS_)")
_UNWANTED = frozenset(
    {"PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__"}
)

_children: dict[int, tuple[subprocess.Popen[bytes], threading.Thread]] = {}
"""Every replica that this process started, shared by its engines; kept after the end for the exit code."""


def clean_environ(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a model's process: ours without secrets and without what would change its imports.

    A model's code must not find tokens of ours or of MLflow's servers in its environment, and our PYTHONPATH is
    none of its business.
    """
    source = os.environ if environ is None else environ
    return {name: value for name, value in source.items() if name not in _UNWANTED and not _SECRET.search(name.upper())}


def spawn(command: Sequence[str], log: Path) -> int:
    """Start *command* in a session of its own, output appended to *log* (0600); returns the pid.

    Raises:
        OSError: it cannot be executed.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=log.parent,
            env=clean_environ(),
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(descriptor)
    reaper = threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True)
    _children[child.pid] = (child, reaper)
    reaper.start()
    return child.pid


def exit_code(pid: int, *, ended: bool = False) -> int | None:
    """How a child of this process ended (negative: by that signal); ``None`` when it runs or was not ours.

    With *ended* (the process table no longer shows it) the reaper gets a moment to read the code.
    """
    if pid not in _children:
        return None
    child, reaper = _children[pid]
    if ended:
        reaper.join(0.5)
    return child.returncode


def forget(pid: int) -> None:
    """Drop what is remembered about a child that has ended."""
    if exit_code(pid, ended=True) is not None:
        del _children[pid]
