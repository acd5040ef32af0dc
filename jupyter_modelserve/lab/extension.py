"""The extension as Jupyter Server sees it: settings, handlers, and what runs from its start to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar, Final

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, default

from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.lab.activity import served
from jupyter_modelserve.lab.folders import FOLDER_ROUTES
from jupyter_modelserve.lab.handlers import ROUTES
from jupyter_modelserve.lab.proxy import PROXY_ROUTES
from jupyter_modelserve.lab.runs import RUN_SCHEMA, RUN_SCHEMA_ID, RunTeller
from jupyter_modelserve.lab.service import Service
from jupyter_modelserve.lab.snippets import SNIPPET_ROUTES
from jupyter_modelserve.lab.surroundings import Surroundings
from jupyter_modelserve.lab.upstream import Upstream
from jupyter_modelserve.lab.watch import SCHEMA_ID, Watcher
from jupyter_modelserve.settings import Paths

SERVICE_KEY: Final = "modelserve_service"
UPSTREAM_KEY: Final = "modelserve_upstream"
"""Names under which the handlers find what they share in the web application's settings."""
EVENT_SCHEMA: Final = Path(__file__).with_name("event_schemas") / "endpoint_changed.yaml"


class ModelServeExtension(ExtensionApp):
    """Model serving in Jupyter: everything below ``{base_url}jupyter-modelserve/``."""

    name = "jupyter_modelserve"
    app_name = "jupyter-modelserve"
    description = "Register, serve and score models from notebooks."
    extension_url = "/lab"
    load_other_extensions = True
    service_class: ClassVar[type[Service]] = Service
    """What answers the handlers; tests put a service of their own here."""

    start_with_server = Bool(
        False,
        help="Start model serving together with Jupyter Server. Otherwise it starts on first use: the panel's Start "
        "button, a magic, the command line.",
    ).tag(config=True)
    set_tracking_uri = Bool(
        help="Let MLflow in new kernels track and register at the instance (MLFLOW_TRACKING_URI), unless that variable "
        "is set already, and if the instance runs when Jupyter Server starts. Kernels of other environments need "
        "this package as well then. By default as start_with_server."
    ).tag(config=True)

    @default("set_tracking_uri")
    def _default_set_tracking_uri(self) -> bool:
        return bool(self.start_with_server)

    def initialize_settings(self) -> None:
        """Make what the handlers share; it connects on first use, so that a server's start costs nothing."""
        self.surroundings = Surroundings()
        self._tasks: list[asyncio.Task[None]] = []
        self.settings[SERVICE_KEY] = self.service_class()
        self.settings[UPSTREAM_KEY] = Upstream()
        self._events.register_event_schema(EVENT_SCHEMA)
        self._events.register_event_schema(RUN_SCHEMA)

    @property
    def _events(self) -> Any:
        server: Any = self.serverapp
        return server.event_logger

    def initialize_handlers(self) -> None:
        """Add the REST handlers."""
        self.handlers.extend([*ROUTES, *SNIPPET_ROUTES, *FOLDER_ROUTES, *PROXY_ROUTES])

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Once the server runs: tell kernels where things are, follow changes, start the instance when so set."""
        self.surroundings.announce_server(str(serverapp.info_file))
        service: Service = self.settings[SERVICE_KEY]
        teller = RunTeller(service.notebook_runs, self._emit_run)
        watcher = Watcher(service, self._emit, also=teller.follow)
        self._tasks = [asyncio.create_task(watcher.run()), asyncio.create_task(self._begin())]

    async def _begin(self) -> None:
        service: Service = self.settings[SERVICE_KEY]
        if not self.start_with_server and not self.set_tracking_uri:
            return
        try:
            found = await (service.start() if self.start_with_server else service.status())
        except ModelServeError as error:
            self.log.warning("Model serving was not started: %s", error.message)
            return
        if found["running"] and self.set_tracking_uri:
            self.surroundings.announce_tracking(found["instance"]["url"])

    def _emit(self, data: dict[str, Any]) -> None:
        self._events.emit(schema_id=SCHEMA_ID, data=data)

    def _emit_run(self, data: dict[str, Any]) -> None:
        self._events.emit(schema_id=RUN_SCHEMA_ID, data=data)

    def current_activity(self) -> dict[str, list[str]] | None:
        """The endpoints that are served; a server that serves is not idle.

        Jupyter Server ends itself after ``shutdown_no_activity_timeout`` without kernels unless an extension reports
        activity. The daemons would go on, but their addresses below this server would not, and in a container of its
        own nothing would. A culler of a hub looks at requests instead: scoring counts there, an open panel does not.
        """
        names = served(Paths.default())
        return {"endpoints": names} if names else None

    async def stop_extension(self) -> None:
        """Give everything back; the daemons go on, for they belong to the user and not to this server."""
        tasks, self._tasks = getattr(self, "_tasks", []), []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if hasattr(self, "surroundings"):
            self.surroundings.restore()
        for key in (SERVICE_KEY, UPSTREAM_KEY):
            shared = self.settings.get(key)
            if shared is not None:
                await shared.close()
