"""Exclusive file locks: the proof that a daemon lives (floor 0: standard library only).

The kernel drops a ``flock`` when its holder dies, however it dies; a pid or a socket file proves nothing. So "exactly
one gateway and one controller" rests on these locks alone (docs/reference/internal-protocol.md, "Instance").
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Final

_WITHOUT_FLOCK: Final = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
_PAUSE_S: Final = 0.02


class LockUnsupported(OSError):
    """The file system that holds the lock file knows no ``flock``."""


class Lock:
    """A lock that is held until :meth:`release` or the end of the process. Not inherited by children."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor that holds the lock; -1 after :meth:`release`."""
        return self._descriptor

    def release(self) -> None:
        """Give the lock back; twice does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take(path: Path, *, patience: float = 0.3) -> Lock | None:
    """Take the lock in *path* and write our pid into the file; ``None`` when another process keeps it.

    Args:
        path: lock file; its directory exists. It is created 0600 and never removed.
        patience: seconds to go on trying. :func:`is_held` holds a lock for some microseconds, so that a daemon
            which gives up at the first refusal could lose its lock to a mere look.

    Raises:
        LockUnsupported: the file system has no ``flock``.
        OSError: the file cannot be opened.
    """
    until = time.monotonic() + patience
    while True:
        lock = _attempt(path)
        if lock is not None:
            os.ftruncate(lock.fileno(), 0)
            os.pwrite(lock.fileno(), f"{os.getpid()}\n".encode(), 0)
            return lock
        if time.monotonic() >= until:
            return None
        time.sleep(_PAUSE_S)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock in *path*. A file or directory that is missing is held by nobody.

    Raises:
        LockUnsupported: the file system has no ``flock``.
    """
    if not path.exists():
        return False
    lock = _attempt(path)
    if lock is None:
        return True
    lock.release()
    return False


def owner(path: Path) -> int | None:
    """The pid written in *path*: true only while :func:`is_held`, and only a hint then."""
    try:
        return int(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def _attempt(path: Path) -> Lock | None:
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            if error.errno in _WITHOUT_FLOCK:
                raise LockUnsupported(error.errno, "no file locks (flock) on this file system", str(path)) from error
            raise
        # A cleaner of temporary directories may have removed the file between open and flock: such a lock is of no
        # use, because the next process locks a new file of the same name.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return Lock(path, descriptor)
        os.close(descriptor)
