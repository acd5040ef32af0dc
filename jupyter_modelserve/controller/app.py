"""The controller's application on its unix socket."""

from __future__ import annotations

from fastapi import FastAPI

from jupyter_modelserve import __version__
from jupyter_modelserve.controller.api import endpoints, errors, instance, internal
from jupyter_modelserve.controller.api.operations import check_rules
from jupyter_modelserve.controller.parts import Controller


def create_app(controller: Controller | None = None) -> FastAPI:
    """The application; without a *controller* it can only describe itself (for the reference documentation)."""
    app = FastAPI(title="jupyter-modelserve", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.controller = controller
    for operations in (endpoints.operations, instance.operations, internal.operations):
        operations.install(app)
    errors.install(app)
    check_rules(app)
    return app
