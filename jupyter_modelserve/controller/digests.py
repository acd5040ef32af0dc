"""What a model's files are, as one number: so that what was registered is what is served (architecture §8).

Also the one walk over a model's directory that refuses what must not travel: links that leave the directory, loops
and special files. The engines push exactly the files that this walk yields.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from jupyter_modelserve.errors import InvalidParameter

_IGNORED = frozenset({"registered_model_meta"})
"""Written by MLflow into the artifact directory when a registered version is loaded from it; not part of the model."""
_CHUNK = 1024 * 1024


def digest(directory: Path) -> str:
    """SHA-256 (64 hexadecimal digits) over the sorted relative paths and contents of the files in *directory*.

    Links that stay inside count as what they point to, because an upload turns them into files. Blocking: call it
    in a thread.

    Raises:
        InvalidParameter: *directory* is none, or holds a link that leaves it, a loop or a special file.
        OSError: a file cannot be read.
    """
    total = hashlib.sha256()
    for name, path in sorted(files(directory)):
        encoded = os.fsencode(name)
        total.update(b"%d:%s" % (len(encoded), encoded))
        total.update(_content(path))
    return total.hexdigest()


def _content(path: Path) -> bytes:
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.digest()


def files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a model as ``(relative path with /, real path)``, in no particular order.

    Raises:
        InvalidParameter: as in :func:`digest`.
    """
    if not directory.is_dir():
        raise InvalidParameter(f"{directory.name!r} is no directory of a model", details={"field": "directory"})
    root = Path(os.path.realpath(directory))
    yield from _walk(root, root, "", frozenset({root}))


def _walk(root: Path, directory: Path, prefix: str, above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if name in _IGNORED:
                continue
            real = Path(entry.path)
            if entry.is_symlink():
                real = _inside(root, real, name)
            mode = real.stat().st_mode
            if stat.S_ISREG(mode):
                yield name, real
            elif not stat.S_ISDIR(mode):
                raise _refused(name, "is neither a file nor a directory")
            elif real in above:
                raise _refused(name, "is a link to a directory that holds it")
            else:
                yield from _walk(root, real, f"{name}/", above | {real})


def _inside(root: Path, link: Path, name: str) -> Path:
    try:
        real = Path(os.path.realpath(link, strict=True))
    except OSError:
        raise _refused(name, "is a link to nothing, or to itself") from None
    if root not in real.parents:
        raise _refused(name, "is a link that leaves the directory")
    return real


def _refused(name: str, why: str) -> InvalidParameter:
    return InvalidParameter(
        f"model file {name!r} {why}; log the model again with real files", details={"field": "directory", "file": name}
    )
