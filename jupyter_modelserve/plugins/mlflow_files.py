"""The registry owns the bytes: what a new version is made of is copied into a directory that nobody else writes.

So deleting a run or a logged model, ``mlflow gc``, or changing a file after the registration cannot break a version,
and its files can be judged by the model they belong to.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from jupyter_modelserve import names
from jupyter_modelserve.controller import digests
from jupyter_modelserve.controller.registry import files
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.plugins.mlflow_rules import REGISTRY
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ModelVersion

PREFIX: Final = f"mlflow-artifacts:/{REGISTRY}/"
_NO_REFLINK: Final = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM}
_CHUNK: Final = 1 << 30


def address_of(connection: Connection, model: str, source: str) -> str:
    """The artifact address that *source* leads to.

    Raises:
        NotFound: its run, logged model or version is gone.
    """
    wanted = ModelVersion(model=model, version="?", stage="", location=source, source=source, run_id="", created_at=0)
    try:
        return files.artifact_address(connection, wanted)
    except files.FilesMissing as error:
        raise NotFound(f"{source[:200]} leads nowhere: {error.failure.message}") from error


def directory_of(address: str, paths: Paths) -> Path | None:
    """The local directory with a model's files, ``None`` when they lie elsewhere or are not there."""
    try:
        found = files.local_directory(address, paths)
    except ValueError as error:
        raise InvalidParameter(str(error)) from error
    return found if found is not None and (found / "MLmodel").is_file() else None


def copy(directory: Path, paths: Paths) -> str:
    """Copy a model's files; returns the address of the copy, which nothing refers to yet.

    Raises:
        InvalidParameter: it holds links that leave it, or special files. OSError: no space, not readable.
    """
    name = secrets.token_hex(16)
    target = paths.artifacts / REGISTRY / name
    target.mkdir(mode=0o700, parents=True)
    try:
        for relative, path in digests.files(directory):
            place = target / relative
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy_file(path, place)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return PREFIX + name


def reserve(paths: Paths) -> str:
    """Address of an empty directory for the files that a client will upload."""
    name = secrets.token_hex(16)
    (paths.artifacts / REGISTRY / name).mkdir(mode=0o700, parents=True)
    return PREFIX + name


def _copy_file(source: Path, target: Path) -> None:
    """A copy that is on disk when this returns; file systems that can, share the blocks until one side changes."""
    with source.open("rb") as reading, target.open("xb") as writing:
        if not _clone(reading.fileno(), writing.fileno(), os.fstat(reading.fileno()).st_size):
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            shutil.copyfileobj(reading, writing, 1 << 20)
        writing.flush()
        os.fsync(writing.fileno())


def _clone(source: int, target: int, size: int) -> bool:
    if not hasattr(os, "copy_file_range"):
        return False
    done = 0
    try:
        while done < size:
            count = os.copy_file_range(source, target, min(size - done, _CHUNK))
            if not count:
                return False
            done += count
    except OSError as error:
        if error.errno in _NO_REFLINK:
            return False
        raise
    return True


def remove(address: str, paths: Paths) -> None:
    """Delete a copy of ours; other addresses are left alone."""
    name = address.removeprefix(PREFIX)
    if address.startswith(PREFIX) and len(name) == 32 and name.isalnum():
        shutil.rmtree(paths.artifacts / REGISTRY / name, ignore_errors=True)


def locations(connection: Connection, model: str, version: str | None = None) -> list[str]:
    """Addresses of a model's registered versions, or of one of them."""
    query = "SELECT storage_location FROM model_versions WHERE name = :name AND current_stage <> 'Deleted_Internal'"
    found = connection.execute(
        text(query + (" AND version = :version" if version is not None else "")), {"name": model, "version": version}
    )
    return [str(each) for each in found.scalars() if each]


def sweep(connection: Connection, paths: Paths) -> int:
    """Delete copies that no version refers to (a process was killed before it registered them); returns how many."""
    root = paths.artifacts / REGISTRY
    if not root.is_dir():
        return 0
    query = text("SELECT storage_location FROM model_versions WHERE current_stage <> 'Deleted_Internal'")
    known = {str(each).removeprefix(PREFIX) for each in connection.execute(query).scalars()}
    left = [each for each in root.iterdir() if each.name not in known]
    for each in left:
        shutil.rmtree(each, ignore_errors=True)
    return len(left)


def check_signature(model: str, directory: Path | None) -> None:
    """A catalog takes only models with a signature of inputs and outputs (REQ-063); others pass.

    Raises:
        InvalidParameter: says how to get one.
    """
    if not names.is_three_level(model):
        return
    if directory is None:
        raise InvalidParameter(
            f"{model} is a catalog model, and its files cannot be read here to check its signature (REQ-063); log the "
            "model to this server first (log_model), then register it",
            details={"field": "source"},
        )
    from mlflow.models import Model

    load: Any = Model.load
    signature = load(str(directory)).signature
    if signature is None or signature.inputs is None or signature.outputs is None:
        lacks = "has none" if signature is None else "lacks inputs or outputs"
        raise InvalidParameter(
            f"{model} is a catalog model, which needs a signature with inputs and outputs (REQ-063), and this model "
            f"{lacks}; log it again with input_example=… or signature=infer_signature(X, model.predict(X)), "
            "or register it under a name without dots",
            details={"field": "signature"},
        )
