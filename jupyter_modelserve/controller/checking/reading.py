"""Who checks a logged model must be allowed to read it: MLflow is asked as the caller, for the rule is its guard's."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, unquote, urlsplit

import httpx

from jupyter_modelserve.controller.registry import files
from jupyter_modelserve.controller.sockets import over_unix
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import InvalidParameter, ModelServeError, NotFound, Unavailable, from_body
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ModelVersion

_SCHEMES = ("models:/", "runs:/", "mlflow-artifacts:/")
_SECONDS = 60.0
_PAUSE = 0.2


async def readable(database: Database, paths: Paths, actor: Actor, source: str, hold: float = 0.0) -> str:
    """The address of the files behind *source*, once MLflow has given the caller the MLmodel file there.

    MLflow that starts is waited for, *hold* seconds at most.

    Raises:
        InvalidParameter: *source* is no logged model of this instance. NotFound: there is none.
        PermissionDenied: the caller may not read it. Unavailable: MLflow does not answer.
    """
    if not source.startswith(_SCHEMES):
        raise InvalidParameter(
            f"source: {source[:80]!r} is none of models:/m-…, runs:/… or mlflow-artifacts:/…",
            details={"field": "source"},
        )
    wanted = ModelVersion(model=source, version="", stage="", location=source, source=source, run_id="", created_at=0)
    try:
        address = await database.run(files.artifact_address, wanted)
        inside = files.local_directory(address, paths)
    except files.FilesMissing as error:
        raise NotFound(f"{source[:200]} leads nowhere; log the model again", details={"field": "source"}) from error
    except ValueError as error:
        raise InvalidParameter(f"source: {error}", details={"field": "source"}) from error
    parts = urlsplit(address)
    if ".." in unquote(parts.path).split("/"):
        raise InvalidParameter("source: must not hold ..", details={"field": "source"})
    if parts.scheme != "mlflow-artifacts" or inside is None:
        raise InvalidParameter(
            "source: its files do not lie in this instance's store; log the model here first",
            details={"field": "source"},
        )
    answer = await _ask(paths, actor, f"{parts.path.strip('/')}/MLmodel", hold)
    if not answer.is_success:
        raise _refusal(answer, source)
    return address


async def _ask(paths: Paths, actor: Actor, path: str, hold: float) -> httpx.Response:
    headers = {"x-modelserve-principal": quote(actor.principal), "x-request-id": actor.request_id or "-"}
    loop = asyncio.get_running_loop()
    until = loop.time() + hold
    async with httpx.AsyncClient(
        transport=over_unix(paths.mlflow_socket), base_url="http://127.0.0.1", timeout=_SECONDS, trust_env=False
    ) as http:
        while True:
            try:
                return await http.get(f"/api/2.0/mlflow-artifacts/artifacts/{path}", headers=headers)
            except httpx.HTTPError as error:
                if loop.time() >= until:
                    raise Unavailable("the registry does not answer; try again in a second", retry_after_s=1) from error
            await asyncio.sleep(_PAUSE)


def _refusal(answer: httpx.Response, source: str) -> ModelServeError:
    if answer.status_code in {400, 404, 500}:
        return NotFound(f"{source[:200]} has no MLmodel file; log the model again", details={"field": "source"})
    try:
        body = answer.json()
    except ValueError:
        body = {}
    return from_body(answer.status_code, body if isinstance(body, dict) else {})
