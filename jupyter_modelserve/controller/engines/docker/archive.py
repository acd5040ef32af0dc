"""Model files as a tar stream that is made while it is sent: a model may be larger than the memory.

Everything arrives as root's and readable by all, so that the model can read but not change it. The digest is taken of
the very bytes that are sent.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Final

from jupyter_modelserve.controller.digests import files
from jupyter_modelserve.controller.engines.base import EngineRejected
from jupyter_modelserve.errors import InvalidParameter

_CHUNK: Final = 1024 * 1024
_END: Final = b"\0" * 1024
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def walk(source: Path) -> list[tuple[str, Path]]:
    """The files of a model in the order of its digest. Blocking.

    Raises:
        EngineRejected: something that must not travel (a link that leaves the model, a special file), or that cannot
            be read.
    """
    try:
        return sorted(files(source))
    except InvalidParameter as error:
        raise EngineRejected(error.message) from None
    except OSError as error:
        raise _unreadable(os.path.relpath(error.filename or source, source), error) from None


def stream(found: list[tuple[str, Path]], prefix: str, digest: str = "") -> Iterator[bytes]:
    """A tar archive of *found* below *prefix*, in pieces. Blocking.

    Raises:
        EngineRejected: the files are not those of *digest* (when it is a SHA-256): they changed in the meantime; or a
            file cannot be read.
    """
    total = hashlib.sha256()
    known: set[str] = set()
    yield from _directories(known, PurePosixPath(prefix) / "x")
    for relative, path in found:
        yield from _directories(known, PurePosixPath(prefix) / relative)
        encoded = os.fsencode(relative)
        total.update(b"%d:%s" % (len(encoded), encoded))
        content = hashlib.sha256()
        yield from _file(f"{prefix}/{relative}", path, content)
        total.update(content.digest())
    if _SHA256.fullmatch(digest) and total.hexdigest() != digest:
        raise EngineRejected("the model's files changed while they were brought to the container")
    yield _END


def text(name: str, content: str) -> bytes:
    """An archive of one small file."""
    data = content.encode()
    return _header(name, len(data)) + data + b"\0" * (-len(data) % 512) + _END


def first_file(archive: bytes) -> str:
    """Content of the only file in an archive."""
    with tarfile.open(fileobj=BytesIO(archive)) as opened:
        member = opened.next()
        found = opened.extractfile(member) if member is not None and member.isfile() else None
        return "" if found is None else found.read().decode(errors="replace")


def _directories(known: set[str], path: PurePosixPath) -> Iterator[bytes]:
    for parent in reversed(path.parents):
        name = str(parent)
        if name != "." and name not in known:
            known.add(name)
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            yield info.tobuf(tarfile.PAX_FORMAT)


def _file(name: str, path: Path, content: hashlib._Hash) -> Iterator[bytes]:
    try:
        opened = path.open("rb")
    except OSError as error:
        # As it is, it would be taken for a word of the engine's socket.
        raise _unreadable(name, error) from None
    with opened:
        size = os.fstat(opened.fileno()).st_size
        yield _header(name, size)
        left = size
        while left and (chunk := opened.read(min(left, _CHUNK))):
            left -= len(chunk)
            content.update(chunk)
            yield chunk
        if left or opened.read(1):
            raise EngineRejected(f"model file {name!r} changed while it was read")
    yield b"\0" * (-size % 512)


def _unreadable(name: str, error: OSError) -> EngineRejected:
    return EngineRejected(f"model file {name!r} cannot be read: {error.strerror}")


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)
