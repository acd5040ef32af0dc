"""Start one daemon as a process of its own: own session, own log, nothing inherited that belongs to a notebook.

The daemons use the same functions to start each other again.
"""

from __future__ import annotations

import dataclasses
import os
import re
import site
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jupyter_modelserve.settings import Paths, Settings

_SECRET: Final = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY|COOKIE", re.I)
_KEPT: Final = ("PIP_", "UV_")
"""Package index settings: environment builds need them, credentials included (architecture §6)."""
_SETTINGS: Final = frozenset(f"MODELSERVE_{each.name.upper()}" for each in dataclasses.fields(Settings))
"""None of our settings is a secret, whatever it is called; ``secret_key_file`` names a file."""
_KERNEL: Final = re.compile(
    r"JPY_.*|MPLBACKEND|PYDEVD_.*|IPYTHON.*|PAGER|GIT_PAGER|FORCE_COLOR|CLICOLOR.*|"
    r"PYTHON(DONTWRITEBYTECODE|STARTUP|INSPECT|BREAKPOINT|OPTIMIZE|WARNINGS|PROFILEIMPORTTIME|VERBOSE)"
)
_OLD_LOGS: Final = 3


def spawn_gateway(paths: Paths) -> int:
    """Start the gateway of *paths*; returns its pid. One that finds its lock held ends by itself, exit code 0."""
    return spawn(paths, "gateway").pid


def spawn_controller(paths: Paths) -> int:
    """Start the controller of *paths*; returns its pid. One that finds its lock held ends by itself, exit code 0."""
    return spawn(paths, "controller").pid


def command(paths: Paths, daemon: str) -> list[str]:
    """The command line of a daemon; it holds no secret."""
    return [sys.executable, "-m", f"jupyter_modelserve.{daemon}", "--home", str(paths.home)]


def spawn(paths: Paths, daemon: str, argv: list[str] | None = None) -> subprocess.Popen[bytes]:
    """Start ``gateway`` or ``controller`` (or *argv* in its place, for tests) and return its process.

    Raises:
        OSError: the log cannot be opened or the process not be started.
    """
    log = log_file(paths, daemon)
    rotate(log, Settings.load(paths.home).log_limit)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            argv or command(paths, daemon),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=paths.home,
            env=environment(paths),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    # A daemon outlives most of those who start it; one that does not must not stay behind as a zombie of a kernel.
    threading.Thread(target=process.wait, name=f"reap-{daemon}", daemon=True).start()
    return process


def environment(paths: Paths, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The daemon's environment: ours without secrets and without what Jupyter sets for kernels only."""
    source = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in source.items()
        if not _KERNEL.fullmatch(name) and (name.startswith(_KEPT) or name in _SETTINGS or not _SECRET.search(name))
    }
    kept["MODELSERVE_HOME"] = str(paths.home)
    # `-m` would put the working directory, which is the home, in front of everything.
    kept["PYTHONSAFEPATH"] = "1"
    package_root = str(Path(__file__).resolve().parents[2])
    if package_root not in [*site.getsitepackages(), site.getusersitepackages()]:
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [package_root, kept.get("PYTHONPATH", "")]))
    return kept


def log_file(paths: Paths, daemon: str) -> Path:
    """Where ``gateway``, ``controller`` or ``mlflow`` writes its log."""
    return paths.logs / f"{daemon}.log"


def rotate(log: Path, limit: int) -> None:
    """Move a log of more than *limit* bytes aside (``.1`` to ``.3``); done between two lives of a daemon."""
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    for number in range(_OLD_LOGS, 0, -1):
        older = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))


def tail(log: Path, lines: int, *, start: int = 0) -> list[str]:
    """The last *lines* lines of *log* from byte *start* on; reads at most the last 256 KiB."""
    try:
        with log.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(min(start, end), end - 256 * 1024))
            return stream.read().decode("utf-8", "replace").splitlines()[-lines:] if lines > 0 else []
    except FileNotFoundError:
        return []
