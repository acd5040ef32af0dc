"""Checks of the machine: daemons, port, uv, Python interpreters."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from jupyter_modelserve import launcher, locks
from jupyter_modelserve.cli.checks.finding import Finding, Level
from jupyter_modelserve.launcher import identity, private
from jupyter_modelserve.settings import Paths, Settings

_MINORS: Final = range(8, 15)


def daemons(paths: Paths) -> Finding:
    """Both daemons answer, or both are down."""
    if launcher.find(paths) is not None:
        return Finding(Level.OK, "daemons", "running")
    if not paths.run.is_dir():
        return Finding(Level.OK, "daemons", "not running")
    held = [daemon for daemon in private.DAEMONS if locks.is_held(paths.lock(daemon))]
    if not held:
        return Finding(Level.OK, "daemons", "not running")
    return Finding(
        Level.FAIL,
        "daemons",
        f"{' and '.join(held)} alive, but the pair does not answer",
        "look at `jupyter modelserve logs`; then `jupyter modelserve down` and `up`",
    )


def port(paths: Paths) -> Finding:
    """The instance's port is ours or free."""
    instance = identity.read(paths)
    if instance is None:
        return Finding(Level.OK, "port", "chosen at first start")
    if private.health(paths, "gateway") is not None or identity.is_free(instance.port):
        return Finding(Level.OK, "port", str(instance.port))
    return Finding(
        Level.FAIL,
        "port",
        f"{instance.port} is used by another program",
        "end that program, or choose another port: `jupyter modelserve up --port N`",
    )


def uv(_: Paths) -> Finding:
    """Environments are built by uv."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        return Finding(
            Level.WARN, "uv", "not found: only installed interpreters can serve models", "install it: `pip install uv`"
        )
    return Finding(Level.OK, "uv", found)


def interpreters(paths: Paths) -> Finding:
    """Interpreters that may serve a model as they are, or be the base of an environment."""
    named = [each for each in Settings.load(paths.home).python_interpreters.split(os.pathsep) if each]
    missing = [each for each in named if not os.access(each, os.X_OK)]
    if missing:
        return Finding(
            Level.WARN, "interpreters", f"cannot run {missing[0]}", "correct the setting python_interpreters"
        )
    on_path = [name for minor in _MINORS if shutil.which(name := f"python3.{minor}")]
    own = f"{sys.version_info.major}.{sys.version_info.minor} (ours)"
    return Finding(Level.OK, "interpreters", ", ".join([own, *on_path, *named]))
