"""The two doors of MLflow's app: an ASGI middleware around everything, and a check in front of its Flask half.

MLflow answers artifacts natively in ASGI and all the rest in Flask; a rule on one side alone would leave the other
open (facts: MLflow server).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, unquote

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.plugins.mlflow_artifacts import judge_request
from jupyter_modelserve.plugins.mlflow_governance import PRINCIPAL_HEADER, Governor
from jupyter_modelserve.plugins.mlflow_rules import is_served

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PASS_HEADER = "x-modelserve-pass"  # noqa: S105 - a header's name


class Guard:
    """Lets through what the gateway sent (it names a principal) to an address that we serve, and files only to whom
    they may go.

    Raises nothing: a refusal is answered in MLflow's error shape, 404 for an address and 403 for a missing principal
    or right.
    """

    def __init__(self, app: App, governor: Governor) -> None:
        self._app = app
        self._governor = governor
        self._pass = secrets.token_hex(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            # MLflow has no websocket that we serve, and its lifespan calls docker for a feature that we refuse.
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = [pair for pair in scope["headers"] if pair[0] != _PASS_HEADER.encode()]
        if not is_served(scope["path"]):
            await _refuse(send, 404, "ENDPOINT_NOT_FOUND", f"{scope['path'][:200]} is not served here")
        elif scope["path"] != "/health" and not any(name == PRINCIPAL_HEADER.encode() for name, _ in headers):
            await _refuse(send, 403, "PERMISSION_DENIED", "this socket answers the gateway only")
        elif scope["path"] != "/health" and (problem := await asyncio.to_thread(self._problem, scope)):
            await _refuse(send, 403, "PERMISSION_DENIED", problem)
        else:
            passed = [*headers, (_PASS_HEADER.encode(), self._pass.encode())]
            await self._app({**scope, "headers": passed}, receive, send)

    def _problem(self, scope: Scope) -> str:
        """Why the caller may not do this, as far as the address tells; the stores judge the rest."""
        from mlflow.exceptions import MlflowException

        named = {name: value for name, value in scope["headers"] if name == PRINCIPAL_HEADER.encode()}
        who = unquote(named[PRINCIPAL_HEADER.encode()].decode("latin-1"))
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        try:
            self._governor.require(who, Operation.TRACKING)
            judge_request(self._governor, who, scope["method"], scope["path"], query)
        except MlflowException as error:
            return str(error.message)
        return ""

    def check_flask(self) -> Any:
        """Flask's ``before_request``: refuses whatever did not come through this middleware."""
        from flask import jsonify, request

        if secrets.compare_digest(request.headers.get(_PASS_HEADER, ""), self._pass):
            return None
        answer = jsonify(error_code="PERMISSION_DENIED", message="this server answers the gateway only")
        answer.status_code = 403
        return answer


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
