"""The panel's own operations, below ``lab/``, and what every handler of ours shares.

That is: parse, ask the service, answer in the one error shape.

Every verb is written out here with both decorators and its resource by name. ``authorized`` keeps the resource and
action of its first call, so a decorated verb that two handlers inherit would be judged by the rule of the first.
"""

from __future__ import annotations

import json
import uuid
from http.client import responses
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.lab.service import Service

AUTH_RESOURCE = "modelserve"
"""What a Jupyter Server authorizer is asked about, with the action read, write or execute."""

CODES = {400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 405: "METHOD_NOT_ALLOWED"}
"""Error codes for what Jupyter Server itself refuses before a handler of ours runs."""

ROOT = "jupyter-modelserve"
"""Everything of ours is below ``{base_url}jupyter-modelserve/``."""

NAMESPACE = f"{ROOT}/lab"
"""The panel's operations. The instance's own API is proxied as it is, below ``api/v1`` (see ``proxy``)."""


class ModelServeHandler(ExtensionHandlerMixin, APIHandler):
    """Base of our handlers: finds the service and turns every failure into the one error shape."""

    @property
    def service(self) -> Service:
        """The service of this server."""
        found: Service = self.settings["modelserve_service"]
        return found

    def answer(self, body: Any) -> None:
        """Send JSON that no cache keeps, for it is true only now."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in the one error shape; never a traceback."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        request_id = uuid.uuid4().hex
        if isinstance(error, ModelServeError):
            self.set_status(error.status)
            if error.retry_after_s is not None:
                self.set_header("Retry-After", str(error.retry_after_s))
            self.answer(error.body(request_id))
            return
        body = {
            "error_code": CODES.get(status_code, ModelServeError.error_code),
            "message": self._message(status_code, error),
            "details": {},
            "request_id": request_id,
        }
        self.answer(body)

    @staticmethod
    def _message(status_code: int, error: object) -> str:
        if isinstance(error, web.HTTPError) and status_code < ModelServeError.status:
            if error.log_message:
                return error.log_message % error.args if error.args else error.log_message
            return error.reason or responses.get(status_code, "")
        return "Something went wrong in Jupyter Server; its log tells more."

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what a user can act on as one line; a fault of ours keeps its traceback in the log."""
        if isinstance(value, ModelServeError) and value.status != ModelServeError.status:
            self.log.warning("%s: %s", value.error_code, value.message)
            return
        super().log_exception(typ, value, tb)


class StatusHandler(ModelServeHandler):
    """``GET status``: is an instance running, and what does it serve."""

    _track_activity = False

    @web.authenticated
    @authorized(action="read", resource=AUTH_RESOURCE)
    async def get(self) -> None:
        """Answer ``{"running", "instance", "endpoints"}``; no instance is not an error."""
        self.service.touch()
        self.answer(await self.service.status())


class StartHandler(ModelServeHandler):
    """``POST start``: start the instance."""

    @web.authenticated
    @authorized(action="execute", resource=AUTH_RESOURCE)
    async def post(self) -> None:
        """Start the instance unless it runs; answer as ``GET status`` does, once it runs."""
        self.service.touch()
        self.answer(await self.service.start())


ROUTES: list[tuple[str, type[ModelServeHandler]]] = [
    (url_path_join("/", NAMESPACE, "status"), StatusHandler),
    (url_path_join("/", NAMESPACE, "start"), StartHandler),
]
"""The panel's routes; the base URL of the server goes in front."""
