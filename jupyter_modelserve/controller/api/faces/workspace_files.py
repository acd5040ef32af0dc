"""Files of the workspace registry's versions, as MLflow asks for them with the registry URI ``databricks``.

So ``MlflowClient(registry_uri="databricks").copy_model_version("models:/iris/1", "prod.ml.iris")`` brings a model from
the workspace registry into a catalog (REQ-109). The client fetches files without its token, hence the tickets.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import FileResponse, JSONResponse

from jupyter_modelserve import names, tickets
from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces.common import arguments, controller, number, word
from jupyter_modelserve.controller.api.faces.files import directory_of, inside
from jupyter_modelserve.controller.api.faces.table import FS, VERSIONS
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of
from jupyter_modelserve.controller.governance import uploads
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.errors import InvalidParameter, NotFound

addresses = Operations(VERSIONS, listed=False)
operations = Operations(FS, listed=False)
FILE = "/files/WorkspaceModels/{name}/{version}/{path:path}"


async def _directory(request: Request, name: str, version: str) -> Path:
    """Where a version's files are, once the caller's right to read them is judged."""
    if names.is_three_level(names.check_model(name)):
        raise InvalidParameter(f"{name} is a catalog model; use the registry URI databricks-uc for it")
    parts, wanted = controller(request), number(version)
    found = await reader.when_ready(
        lambda: parts.governance.read(actor_of(request), uploads.readable, name, wanted), parts.settings.hold
    )
    return await directory_of(request, found)


async def _asked(request: Request) -> tuple[str, str, str, Path]:
    values = await arguments(request)
    name, version = word(values, "name"), number(word(values, "version"))
    return name, version, word(values, "path", ""), await _directory(request, name, version)


@addresses.operation("GET", "/list-artifacts", Rule.USE)
async def list_artifacts(request: Request) -> JSONResponse:
    """Files in a directory of a version: ``{"name", "version", "path"}``; of a file, the file itself."""
    _, _, path, root = await _asked(request)
    return JSONResponse({"files": await asyncio.to_thread(_listed, root, inside(root, path))})


def _listed(root: Path, found: Path) -> list[dict[str, Any]]:
    each = [found] if found.is_file() else sorted(found.iterdir()) if found.is_dir() else []
    return [
        {"path": path.relative_to(root).as_posix(), "is_dir": path.is_dir(), "file_size": _size(path)} for path in each
    ]


def _size(path: Path) -> int:
    return 0 if path.is_dir() else path.stat().st_size


@addresses.operation("GET", "/get-signed-download-uri", Rule.USE)
async def download_address(request: Request) -> JSONResponse:
    """The address of one file, and the header with which it can be fetched for a quarter of an hour."""
    name, version, path, root = await _asked(request)
    if not await asyncio.to_thread(inside(root, path).is_file):
        raise NotFound(f"version {version} of {name} has no file {path[:200]}")
    parts = controller(request)
    address = f"{FS}/files/WorkspaceModels/{name}/{version}/{path.strip('/')}"
    token = request.headers.get("x-modelserve-token", "")
    ticket = tickets.make(parts.instance.nonce, tickets.Ticket(token, address, now_ms() + tickets.LIFETIME_MS))
    body = {
        "signed_uri": parts.instance.url + quote(address),
        "headers": [{"name": "Authorization", "value": f"Bearer {ticket}"}],
    }
    return JSONResponse(body, headers={"cache-control": "no-store"})


@operations.operation("GET", FILE, Rule.USE)
async def get_file(request: Request, name: str, version: str, path: str) -> Response:
    """Download one file, whole or a range of it."""
    found = inside(await _directory(request, name, version), path)
    if not await asyncio.to_thread(found.is_file):
        raise NotFound(f"version {version} of {name} has no file {path[:200]}")
    return FileResponse(found, media_type="application/octet-stream")
