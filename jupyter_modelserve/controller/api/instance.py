"""Operations on the instance: status, models, interpreters."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import Body, Request
from fastapi.responses import JSONResponse

from jupyter_modelserve import __version__, computing
from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.endpoints import _controller
from jupyter_modelserve.controller.api.operations import Operations, admit, caller_of
from jupyter_modelserve.controller.api.rules import actor_of, seen
from jupyter_modelserve.controller.idle import GatewayAddress
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.controller.store import feed, knowledge, notebook_runs, secrets
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import DaemonStatus, InstanceStatus, Model, to_json

operations = Operations(API)


@operations.operation("GET", "/status", Rule.USE)
async def status(request: Request) -> JSONResponse:
    """Both daemons and the MLflow child as one thing."""
    admit(Rule.USE, caller_of(request))
    controller = _controller(request)
    found = InstanceStatus(
        url=controller.instance.url,
        instance_id=controller.instance.instance_id,
        version=__version__,
        gateway=await _gateway(controller),
        controller=controller.itself(),
        mlflow=DaemonStatus(controller.mlflow.state, controller.mlflow.pid, controller.mlflow.started_at),
        endpoints=len(await controller.endpoints.listing()),
        engine=controller.endpoints.capabilities.name,
        isolation=controller.endpoints.capabilities.isolation,
        registry=await controller.database.run(feed.newest),
        notebook_runs=await controller.database.run(notebook_runs.newest),
    )
    return JSONResponse(to_json(found))


async def _gateway(controller: Controller) -> DaemonStatus:
    try:
        health = await GatewayAddress(controller.paths).health()
        return DaemonStatus("running", int(str(health["pid"])), int(str(health["started_at"])))
    except (httpx.HTTPError, ValueError, KeyError):
        return DaemonStatus("stopped")


@operations.operation("GET", "/openapi.json", Rule.USE)
async def openapi(request: Request) -> JSONResponse:
    """This API as an OpenAPI document."""
    admit(Rule.USE, caller_of(request))
    return JSONResponse(request.app.openapi())


@operations.operation("GET", "/models", Rule.USE)
async def list_models(request: Request) -> JSONResponse:
    """Registered models with versions, aliases and stages."""
    admit(Rule.USE, caller_of(request))
    found = await _read(_controller(request))
    return JSONResponse({"models": to_json([found[name] for name in sorted(await seen(request, found))])})


@operations.operation("GET", "/models/{name}", Rule.USE)
async def get_model(request: Request, name: str) -> JSONResponse:
    """One registered model."""
    admit(Rule.USE, caller_of(request))
    found = await _read(_controller(request), [name])
    if name not in found:
        raise NotFound(f"{name} is not registered; `%models` lists what is", details={"model": name})
    return JSONResponse(to_json(found[name]))


async def _read(controller: Controller, names: list[str] | None = None) -> dict[str, Model]:
    return await reader.when_ready(lambda: controller.database.run(reader.read_models, names), controller.settings.hold)


@operations.operation("GET", "/compute/advice", Rule.USE)
async def advice(request: Request, requests_per_second: float, seconds: float) -> JSONResponse:
    """Concurrency, workload size and replicas that carry a load: requests × seconds of a prediction (REQ-133)."""
    admit(Rule.USE, caller_of(request))
    return JSONResponse(to_json(computing.advise(requests_per_second, seconds)))


@operations.operation("POST", "/interpreters", Rule.MANAGE)
async def add_interpreter(request: Request, body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
    """A kernel says which interpreter registers models: a candidate to borrow.

    Only the local user may: an interpreter is a program that the instance will run.
    """
    caller = caller_of(request)
    admit(Rule.MANAGE, caller)
    controller = _controller(request)
    if caller.principal != controller.local_user:
        raise InvalidParameter("path: only the local user may name interpreters", details={"field": "path"})
    path = str(body.get("path", ""))
    version = await _python_version(path)
    await controller.database.run(knowledge.saw_interpreter, path)
    return JSONResponse({"path": path, "python_version": version})


@operations.operation("POST", "/secret-key/rotate", Rule.MANAGE)
async def rotate_secret_key(request: Request) -> JSONResponse:
    """Seal all secrets under a new key and forget the one before (REQ-140). Nothing is started anew.

    With ``secret_key_file`` the first key of that file is the new one, and the answer says which may be removed.
    """
    admit(Rule.MANAGE, caller_of(request))
    database = _controller(request).database
    found = await database.run(secrets.rotate, actor_of(request))
    return JSONResponse(to_json(replace(found, unused=await database.run(secrets.forget_keys))))


async def _python_version(path: str) -> str:
    problem = InvalidParameter("path: must be the absolute path of a Python interpreter", details={"field": "path"})
    if not Path(path).is_absolute() or not shutil.which(path):
        raise problem
    code = "import json, platform; print(json.dumps(platform.python_version()))"
    child = await asyncio.create_subprocess_exec(
        path, "-I", "-c", code, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            output, _ = await child.communicate()
        return str(json.loads(output))
    except (TimeoutError, ValueError) as error:
        raise problem from error
    finally:
        if child.returncode is None:
            child.kill()
