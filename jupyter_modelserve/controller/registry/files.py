"""From a registered version to a local directory with its files.

Artifacts of our own store and local paths are used where they lie; anything else (a bucket, another server) is
downloaded by MLflow in a process of its own, so that the controller neither imports mlflow nor waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection

from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Cause, Failure, ModelVersion

_DOWNLOAD = "import sys, mlflow.artifacts as a; a.download_artifacts(artifact_uri=sys.argv[1], dst_path=sys.argv[2])"
DOWNLOAD_TIMEOUT = 1800.0


class FilesMissing(Exception):
    """The files of a version cannot be had; ``failure`` is what the user reads."""

    def __init__(self, message: str, hint: str, log: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.failure = Failure(Cause.ARTIFACTS_MISSING, message, hint, log)


def artifact_address(connection: Connection, version: ModelVersion, depth: int = 8) -> str:
    """Follow ``models:/`` and ``runs:/`` references to the address that holds the files.

    Raises:
        FilesMissing: the referenced run, LoggedModel or version is gone.
    """
    address = version.location
    for _ in range(depth):
        scheme, _, rest = address.partition(":")
        rest = rest.lstrip("/")
        if scheme == "models":
            address = _model_reference(connection, rest, version)
        elif scheme == "runs":
            run, _, path = rest.partition("/")
            root = reader.run_location(connection, run)
            if root is None:
                raise _gone(version, f"run {run}")
            address = f"{root.rstrip('/')}/{path}"
        else:
            return address
    raise _gone(version, f"{version.source} (its references form a ring)")


def _model_reference(connection: Connection, rest: str, version: ModelVersion) -> str:
    name, _, tail = rest.partition("/")
    if name.startswith("m-") and not tail:
        found = reader.logged_model_location(connection, name)
        if found is None:
            raise _gone(version, f"the logged model {name}")
        return found
    model = reader.read_models(connection, [name]).get(name)
    for each in model.versions if model else ():
        if each.version == tail:
            return each.location
    raise _gone(version, f"version {tail} of {name}")


def _gone(version: ModelVersion, what: str) -> FilesMissing:
    return FilesMissing(
        f"{version.model} version {version.version} refers to {what}, which no longer exists",
        "register the model again; a copied version needs the files of its source",
    )


async def fetch(version: ModelVersion, address: str, paths: Paths) -> Path:
    """The local directory of *version*.

    Raises:
        FilesMissing: nothing is there, or the download failed.
    """
    directory = local_directory(address, paths)
    if directory is None:
        directory = await _download(version, address, paths)
    if not await asyncio.to_thread((directory / "MLmodel").is_file):
        raise FilesMissing(
            f"the files of {version.model} version {version.version} are missing from the artifact store",
            "they were deleted there; register the model again",
        )
    return directory


def local_directory(address: str, paths: Paths) -> Path | None:
    """Where *address* lies on this machine, or ``None`` when it does not.

    Raises:
        ValueError: the address tries to leave the artifact store.
    """
    parts = urlsplit(address)
    if parts.scheme == "mlflow-artifacts":
        root = paths.artifacts.resolve()
        inside = (root / unquote(parts.path).lstrip("/")).resolve()
        if not inside.is_relative_to(root):
            raise ValueError("an artifact address leaves the artifact store")
        return inside
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme == "" and address.startswith("/"):
        return Path(address)
    return None


async def _download(version: ModelVersion, address: str, paths: Paths) -> Path:
    name = hashlib.sha256(f"{version.model}\0{version.version}\0{address}".encode()).hexdigest()[:16]
    target = paths.home / "downloads" / name
    await asyncio.to_thread(shutil.rmtree, target, True)
    await asyncio.to_thread(os.makedirs, target, 0o700)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DOWNLOAD, address, str(target),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DOWNLOAD_TIMEOUT):
            _, errors = await child.communicate()
    except BaseException:
        child.kill()
        raise
    if child.returncode:
        tail = tuple(errors.decode(errors="replace").splitlines()[-5:])
        raise FilesMissing(
            f"the files of {version.model} version {version.version} could not be downloaded",
            "check that this machine may read the artifact store of the model",
            tail,
        )
    return await asyncio.to_thread(lambda: next((each.parent for each in sorted(target.rglob("MLmodel"))), target))
