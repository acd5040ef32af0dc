"""Checks of the state directory: rights, disk, sockets, settings, database, leftovers."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from jupyter_modelserve import locks
from jupyter_modelserve.cli.checks.finding import Finding, Level
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Paths, Settings

_LITTLE: Final = 2 * 1024**3
_TOO_LITTLE: Final = 200 * 1024**2
_REMOTE: Final = ("nfs", "cifs", "smb", "fuse.sshfs", "lustre", "beegfs", "gpfs", "afs", "9p", "ceph", "glusterfs")
_SOCKET_LIMIT: Final = 104 if sys.platform == "darwin" else 107


def directory(paths: Paths) -> Finding:
    """The home exists, is ours, private and writable."""
    subject, home = "state directory", paths.home
    if not home.exists():
        return Finding(Level.OK, subject, f"{home} does not exist yet; the first start makes it")
    found = home.stat()
    if found.st_uid != os.getuid():
        return Finding(
            Level.FAIL, subject, f"{home} belongs to another user", "set MODELSERVE_HOME to a directory of yours"
        )
    if not os.access(home, os.W_OK | os.X_OK):
        return Finding(Level.FAIL, subject, f"{home} cannot be written", f"chmod 700 {home}")
    for path in (home, paths.run, paths.token_file, paths.instance_file, paths.database, paths.secret_key_file):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            mode = "700" if path.is_dir() else "600"
            return Finding(Level.FAIL, subject, f"others may read {path}", f"chmod {mode} {path}")
    return Finding(Level.OK, subject, str(home))


def file_system(paths: Paths) -> Finding:
    """Locks and SQLite want a local disk."""
    subject, kind = "file system", _kind(_existing(paths.home))
    if kind.startswith(_REMOTE):
        return Finding(
            Level.WARN,
            subject,
            f"{paths.home} lies on a network file system ({kind}): SQLite and file locks may fail there",
            "set MODELSERVE_HOME to a directory on a local disk",
        )
    return Finding(Level.OK, subject, f"local{f' ({kind})' if kind else ''}")


def disk(paths: Paths) -> Finding:
    """Room for models and environments."""
    free = shutil.disk_usage(_existing(paths.home)).free
    message = f"{free / 1024**3:.1f} GiB free"
    if free < _LITTLE:
        level = Level.FAIL if free < _TOO_LITTLE else Level.WARN
        return Finding(level, "disk", message, f"make room, or remove unused environments in {paths.environments}")
    return Finding(Level.OK, "disk", message)


def sockets(paths: Paths) -> Finding:
    """Paths of unix sockets are short."""
    longest = len(os.fsencode(paths.replica_sockets)) + len("/000000000000/000000000000.sock")
    if longest > _SOCKET_LIMIT:
        return Finding(
            Level.FAIL,
            "sockets",
            f"{paths.run} is too long for unix sockets ({longest} of {_SOCKET_LIMIT} bytes)",
            "set TMPDIR or MODELSERVE_HOME to a shorter path",
        )
    return Finding(Level.OK, "sockets", str(paths.run))


def settings(paths: Paths) -> Finding:
    """settings.toml and MODELSERVE_* variables can be read."""
    try:
        Settings.load(paths.home)
    except InvalidParameter as error:
        return Finding(Level.FAIL, "settings", error.message, "correct or remove it")
    written = paths.home / "settings.toml"
    return Finding(Level.OK, "settings", str(written) if written.exists() else "defaults")


def database(paths: Paths) -> Finding:
    """The database is whole (``PRAGMA quick_check``); opened read-only."""
    subject, path = "database", paths.database
    if not path.exists():
        return Finding(Level.OK, subject, "not made yet")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        return Finding(
            Level.FAIL, subject, f"{path} is damaged ({answer[:80]})", "stop the instance, restore a backup of it"
        )
    return Finding(Level.OK, subject, f"whole, {path.stat().st_size / 1024**2:.1f} MiB")


def stale(paths: Paths) -> Finding:
    """Files that a killed process left; all of them are harmless, and the next start or stop removes them."""
    alive = any(locks.is_held(paths.lock(daemon)) for daemon in ("gateway", "controller"))
    left = (
        []
        if alive
        else [path for path in (paths.gateway_socket, paths.controller_socket, paths.mlflow_socket) if path.exists()]
    )
    left += [] if alive else list(paths.replica_sockets.glob("*/control.sock"))
    if left:
        return Finding(
            Level.WARN,
            "leftovers",
            f"{len(left)} sockets of processes that are gone or orphaned in {paths.run}",
            "run `jupyter modelserve down`: it ends orphaned replicas",
        )
    return Finding(Level.OK, "leftovers", "none")


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _kind(path: Path) -> str:
    """The type of the file system that holds *path*; empty where the system does not tell."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    mounts = {line.split()[1].replace("\\040", " "): line.split()[2] for line in lines if len(line.split()) > 2}
    real = path.resolve()
    return next((mounts[str(each)] for each in (real, *real.parents) if str(each) in mounts), "")
