"""Files of registered versions below ``/api/2.0/fs``, as databricks-sdk and the ``databricks-uc`` registry ask.

Reading needs version.read on the model. Writing is possible only while a version is being registered, by whoever
registers it. There are no uploads in parts and no signed addresses: the SDK then sends and fetches whole files here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final
from weakref import WeakValueDictionary

from fastapi import Request, Response
from fastapi.responses import FileResponse, JSONResponse

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.errors import request_id
from jupyter_modelserve.controller.api.faces.common import controller, full_name, number
from jupyter_modelserve.controller.api.faces.table import FS
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import uploads
from jupyter_modelserve.controller.registry import files, reader
from jupyter_modelserve.errors import InvalidParameter, NotFound, PermissionDenied, Unavailable
from jupyter_modelserve.types import ModelVersion

operations = Operations(FS, listed=False)
FILE: Final = "/files/Models/{catalog}/{schema}/{model}/{version}/{path:path}"
DIRECTORY: Final = "/directories/Models/{catalog}/{schema}/{model}/{path:path}"
_locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
"""One for each version's directory: nothing may be put into it while, or after, the registration ends."""
PARTS: Final = ".parts"
"""Behind a version's directory: where uploads lie until they are complete. The registry sweeps such directories."""


def _named(request: Request) -> str:
    named = request.path_params
    return full_name(f"{named['catalog']}.{named['schema']}.{named['model']}")


async def directory_of(request: Request, version: ModelVersion) -> Path:
    """Where the files of *version* lie on this machine. Raises NotFound: they lie elsewhere, or are gone."""
    parts = controller(request)
    try:
        address = await parts.database.run(files.artifact_address, version)
        found = files.local_directory(address, parts.paths)
    except (files.FilesMissing, ValueError) as error:
        raise NotFound(f"the files of {version.model} version {version.version} are gone") from error
    if found is None:
        raise NotFound(f"the files of {version.model} version {version.version} lie in another artifact store")
    return found


def inside(directory: Path, path: str) -> Path:
    """*path* below *directory*.

    Raises:
        InvalidParameter: it would leave the directory.
    """
    segments = [each for each in path.split("/") if each]
    if any(each in {".", ".."} or "\\" in each or "\0" in each for each in segments):
        raise InvalidParameter("path: must stay inside the version's directory", details={"field": "path"})
    found = directory.joinpath(*segments)
    if not found.resolve().is_relative_to(directory.resolve()):
        raise InvalidParameter("path: must stay inside the version's directory", details={"field": "path"})
    return found


async def _readable(request: Request, version: str) -> Path:
    parts = controller(request)
    name, actor, wanted = _named(request), actor_of(request), number(version)
    found = await reader.when_ready(
        lambda: parts.governance.read(actor, uploads.readable, name, wanted), parts.settings.hold
    )
    return await directory_of(request, found)


@operations.operation("PUT", FILE, Rule.USE, status_code=204)
async def put_file(request: Request, version: str, path: str) -> Response:
    """Upload one file of a version that is being registered; an earlier one of that name is replaced."""
    governance, actor, name = controller(request).governance, actor_of(request), _named(request)
    found = await governance.read(actor, uploads.writable, name, number(version))
    directory = await directory_of(request, found)
    target = inside(directory, path)
    if target == directory:
        raise InvalidParameter("path: names no file", details={"field": "path"})
    waiting = directory.with_name(directory.name + PARTS)
    part = waiting / secrets.token_hex(8)
    await asyncio.to_thread(waiting.mkdir, 0o700, True, True)
    try:
        await _store(request.stream(), part)
        async with _lock(directory):
            # The upload may have taken long: the version may be registered by now, or gone.
            await governance.read(actor, uploads.writable, name, number(version))
            await asyncio.to_thread(_place, part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
    return Response(status_code=204)


def _lock(directory: Path) -> asyncio.Lock:
    return _locks.setdefault(directory, asyncio.Lock())


async def _store(stream: AsyncIterator[bytes], part: Path) -> None:
    file = await asyncio.to_thread(part.open, "xb")
    try:
        async for piece in stream:
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_sync, file)
    finally:
        file.close()


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _place(part: Path, target: Path) -> None:
    if target.is_dir():
        raise InvalidParameter("path: is a directory", details={"field": "path"})
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidParameter("path: goes through a file", details={"field": "path"}) from error
    try:
        part.replace(target)
    except FileNotFoundError as error:
        # The MLflow child has started anew and swept what no version refers to.
        raise Unavailable("the upload was interrupted; send the file again", retry_after_s=1) from error


@operations.operation("POST", FILE, Rule.USE)
async def begin_upload(request: Request, version: str) -> JSONResponse:
    """``?action=initiate-upload`` for large files: answered such that the SDK goes on with one request."""
    parts = controller(request)
    await parts.governance.read(actor_of(request), uploads.writable, _named(request), number(version))
    if request.query_params.get("action") != "initiate-upload":
        raise InvalidParameter("action: only initiate-upload is known", details={"field": "action"})
    return JSONResponse({"multipart_upload": {"session_token": secrets.token_hex(8)}})


@operations.operation("POST", "/create-upload-part-urls", Rule.USE)
async def part_addresses(request: Request) -> JSONResponse:
    """501: there are no parts."""
    return _no_parts(request)


@operations.operation("POST", "/create-abort-upload-url", Rule.USE)
async def abort_address(request: Request) -> JSONResponse:
    """501: there are no parts."""
    return _no_parts(request)


def _no_parts(request: Request) -> JSONResponse:
    body = {
        "error_code": "NOT_IMPLEMENTED",
        "message": "files are uploaded whole, by PUT to /api/2.0/fs/files/…",
        "details": {},
        "request_id": request_id(request),
    }
    return JSONResponse(body, 501)


@operations.operation("GET", FILE, Rule.USE)
async def get_file(request: Request, version: str, path: str) -> Response:
    """Download one file, whole or a range of it."""
    found = inside(await _readable(request, version), path)
    if not await asyncio.to_thread(found.is_file):
        raise NotFound(f"version {version} of {_named(request)} has no file {path[:200]}")
    return FileResponse(found, media_type="application/octet-stream")


@operations.operation("HEAD", FILE, Rule.USE)
async def head_file(request: Request, version: str, path: str) -> Response:
    """Size and time of one file."""
    answer: Response = await get_file(request, version, path)
    return answer


async def _directory(request: Request, path: str) -> tuple[Path, str]:
    version, _, rest = path.strip("/").partition("/")
    found = inside(await _readable(request, version), rest)
    if not await asyncio.to_thread(found.is_dir):
        raise NotFound(f"version {version} of {_named(request)} has no directory {rest[:200] or '/'}")
    base = f"/Models/{_named(request).replace('.', '/')}/{number(version)}"
    return found, f"{base}/{rest}".rstrip("/")


@operations.operation("HEAD", DIRECTORY, Rule.USE)
async def head_directory(request: Request, path: str) -> Response:
    """Whether there is such a directory; who may not know is told so by the GET that follows.

    A refusal of HEAD has no body: clients would show "Forbidden" without the missing right. The answer to somebody
    without rights is the same whatever there is.
    """
    with contextlib.suppress(PermissionDenied):
        await _directory(request, path)
    return Response()


@operations.operation("GET", DIRECTORY, Rule.USE)
async def list_directory(request: Request, path: str) -> JSONResponse:
    """Files and directories in one directory, by name."""
    found, base = await _directory(request, path)
    return JSONResponse({"contents": await asyncio.to_thread(_contents, found, base)})


def _contents(directory: Path, base: str) -> list[dict[str, Any]]:
    return [
        {
            "path": f"{base}/{each.name}",
            "name": each.name,
            "is_directory": each.is_dir(),
            "file_size": 0 if each.is_dir() else each.stat().st_size,
            "last_modified": int(each.stat().st_mtime * 1000),
        }
        for each in sorted(directory.iterdir())
    ]


async def finalize(request: Request, name: str, version: str) -> None:
    """End the registration: the files are complete and hold a model with a signature (REQ-063).

    Clients repeat a request whose answer was lost: finishing twice changes nothing.

    Raises:
        PermissionDenied, NotFound, InvalidParameter.
    """
    parts, actor = controller(request), actor_of(request)
    if await parts.governance.read(actor, uploads.finished, name, version):
        return
    found = await parts.governance.read(actor, uploads.writable, name, version)
    directory = await directory_of(request, found)
    async with _lock(directory):
        await asyncio.to_thread(uploads.check_files, name, directory)
        await parts.governance.change(actor, uploads.finish, name, version)
    await asyncio.to_thread(shutil.rmtree, directory.with_name(directory.name + PARTS), True)
