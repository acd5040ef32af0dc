"""Registering a folder of this Jupyter server from the panel, as ``%register NAME FOLDER`` does it in a notebook.

The work is done by a process of its own (see ``authoring.__main__``). The folder is named as the file browser shows it
and must lie below the server's root, so that the panel reaches no more than the file browser does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_modelserve.errors import DeadlineExceeded, InvalidParameter, ModelServeError, NotFound, from_body
from jupyter_modelserve.lab.handlers import AUTH_RESOURCE, NAMESPACE, ModelServeHandler

SECONDS: Final = 600.0
"""How long a registration may take; the files of a large model are copied and uploaded in it."""
_FIELDS: Final = ("path", "name", "alias", "description")


def locate(root: Path, path: str) -> Path:
    """The folder that *path* names below *root*.

    Raises:
        InvalidParameter: it is outside, or no folder with an MLmodel file. NotFound: it is not there.
    """
    top = root.resolve()
    found = (top / path.strip().lstrip("/")).resolve()
    if found.name == "MLmodel":
        found = found.parent
    if not found.is_relative_to(top):
        raise InvalidParameter(f"{path} is outside of what this server shows", details={"field": "path"})
    if not found.is_dir():
        raise NotFound(f"there is no folder {path}", details={"field": "path"})
    if not (found / "MLmodel").is_file():
        raise InvalidParameter(
            f"{path} holds no MLflow model (it has no MLmodel file)",
            details={"field": "path", "hint": "save one there with mlflow.<flavor>.save_model"},
        )
    return found


async def register(given: dict[str, str], seconds: float = SECONDS) -> dict[str, Any]:
    """Run the registration and wait for its end.

    Raises:
        ModelServeError: whatever the registration was refused for. DeadlineExceeded: it took longer than *seconds*.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "jupyter_modelserve.authoring",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "JPY_SESSION_NAME": given["path"]},
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate(json.dumps(given).encode())
    except TimeoutError:
        raise DeadlineExceeded(f"registering took longer than {seconds:.0f} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        raise ModelServeError("registering ended without an answer") from None
    if "error_code" in found:
        raise from_body(int(found.get("status", 500)), found)
    return found


class RegisterHandler(ModelServeHandler):
    """``POST register``: ``{"path", "name", "alias", "description"}`` to ``{"name", "version"}``."""

    @web.authenticated
    @authorized(action="execute", resource=AUTH_RESOURCE)
    async def post(self) -> None:
        """Register the folder as a new version."""
        self.service.touch()
        given = self._given()
        folder = await asyncio.to_thread(locate, Path(self.settings["server_root_dir"]).expanduser(), given["path"])
        self.answer(await register({**given, "path": str(folder)}))

    def _given(self) -> dict[str, str]:
        try:
            found: Any = json.loads(self.request.body)
        except ValueError:
            found = None
        given = found if isinstance(found, dict) else {}
        for field in _FIELDS:
            if not isinstance(given.get(field, ""), str) or (field in {"path", "name"} and not given.get(field)):
                raise InvalidParameter(f"{field}: must be text", details={"field": field})
        return {field: given.get(field, "") for field in _FIELDS}


FOLDER_ROUTES: list[tuple[str, type[ModelServeHandler]]] = [
    (url_path_join("/", NAMESPACE, "register"), RegisterHandler)
]
