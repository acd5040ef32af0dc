"""Bring a version's files to a replica on the same machine: hard links, or copies where links cannot be made.

The mark that says which digest lies there is beside the files, not among them, so that a model cannot forge it by
carrying a file of that name.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from jupyter_modelserve.controller.digests import files
from jupyter_modelserve.controller.engines.base import EngineRejected
from jupyter_modelserve.errors import InvalidParameter

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


def check_name(kind: str, name: str) -> str:
    """Return *name* when it is safe as a file name.

    Raises:
        EngineRejected: it could lead out of its directory.
    """
    if not _NAME.match(name):
        raise EngineRejected(f"{kind} id {name[:80]!r} must be 1 to 64 letters, digits, - or _")
    return name


def push(models: Path, worker: str, source: Path, digest: str, *, link: bool = True) -> Path:
    """Bring the files of *source* to ``<models>/<worker>``; nothing happens when *digest* lies there already.

    Without *link* they are copies, which whoever writes to *source* does not reach.

    Blocking: call it in a thread.

    Raises:
        EngineRejected: a link leaves the model, a special file, or *source* is no directory.
        OSError: no space, no right.
    """
    target = models / check_name("worker", worker)
    mark = models / f"{worker}.digest"
    if target.is_dir() and _read(mark) == digest:
        return target
    models.mkdir(mode=0o700, exist_ok=True)
    fresh = models / f".{worker}.new"
    discard(models, worker)
    try:
        _fill(fresh, source, link)
        fresh.rename(target)
        mark.write_text(digest, encoding="utf-8")
    except InvalidParameter as error:
        raise EngineRejected(error.message) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def discard(models: Path, worker: str) -> None:
    """Remove a worker's files, half-pushed ones too. Blocking."""
    check_name("worker", worker)
    # The mark goes first: files without a mark are pushed again, a mark without files would be trusted.
    with suppress(FileNotFoundError):
        (models / f"{worker}.digest").unlink()
    for name in (worker, f".{worker}.new"):
        shutil.rmtree(models / name, ignore_errors=True)


def _fill(target: Path, source: Path, link: bool) -> None:
    target.mkdir(mode=0o700)
    for name, path in files(source):
        place = target / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (link and _linked(path, place)):
            shutil.copyfile(path, place)


def _linked(path: Path, place: Path) -> bool:
    try:
        os.link(path, place, follow_symlinks=False)
    except OSError:
        # Another device, a file system without links, or a file of another user's: a copy is as good.
        return False
    return True


def _read(mark: Path) -> str:
    try:
        return mark.read_text(encoding="utf-8")
    except OSError:
        return ""
