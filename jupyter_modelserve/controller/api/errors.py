"""Every error leaves in the one error shape, with the request's id and never with a traceback."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from jupyter_modelserve.controller.registry.reader import RegistryNotReady
from jupyter_modelserve.errors import (
    InvalidParameter,
    MethodNotAllowed,
    ModelServeError,
    NotFound,
    Unavailable,
)

log = logging.getLogger(__name__)


def request_id(request: Request) -> str:
    """The id that the gateway gave the request, or a new one."""
    return request.headers.get("x-request-id") or secrets.token_hex(8)


def answer(request: Request, error: ModelServeError) -> JSONResponse:
    """The one error shape."""
    headers = {"x-request-id": request_id(request)}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    return JSONResponse(error.body(headers["x-request-id"]), error.status, headers)


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ModelServeError)
        return answer(request, error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path"}) or "body"
        return answer(request, InvalidParameter(f"{where}: {first['msg']}", details={"field": where}))

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        cls = {404: NotFound, 405: MethodNotAllowed}.get(error.status_code, InvalidParameter)
        return answer(request, cls(f"{request.method} {request.url.path}: {error.detail}"))

    async def not_ready(request: Request, _: Exception) -> JSONResponse:
        return answer(request, Unavailable("the registry is starting; try again in a second", retry_after_s=1))

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("request %s failed", request_id(request), exc_info=error)
        return answer(request, ModelServeError("something went wrong inside the controller; its log has the details"))

    app.add_exception_handler(ModelServeError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(RegistryNotReady, not_ready)
    app.add_exception_handler(Exception, unexpected)
