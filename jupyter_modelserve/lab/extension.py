"""The extension as Jupyter Server sees it: a name, its handlers and what they share."""

from __future__ import annotations

from typing import ClassVar

from jupyter_server.extension.application import ExtensionApp

from jupyter_modelserve.lab.handlers import ROUTES
from jupyter_modelserve.lab.service import Service

SERVICE_KEY = "modelserve_service"
"""Name under which the handlers find the service in the web application's settings."""


class ModelServeExtension(ExtensionApp):
    """Model serving in Jupyter: the panel's REST interface below ``{base_url}jupyter-modelserve/api/v1/``."""

    name = "jupyter_modelserve"
    app_name = "jupyter-modelserve"
    description = "Register, serve and score models from notebooks."
    extension_url = "/lab"
    load_other_extensions = True
    service_class: ClassVar[type[Service]] = Service
    """What answers the handlers; tests put a service of their own here."""

    def initialize_settings(self) -> None:
        """Make the service; it connects on first use, so that a server's start costs nothing."""
        self.settings[SERVICE_KEY] = self.service_class()

    def initialize_handlers(self) -> None:
        """Add the REST handlers."""
        self.handlers.extend(ROUTES)

    async def stop_extension(self) -> None:
        """Give the connections back; the daemons go on, for they belong to the user and not to this server."""
        service = self.settings.get(SERVICE_KEY)
        if isinstance(service, Service):
            await service.close()
