"""The controller's application on its unix socket."""

from __future__ import annotations

from fastapi import FastAPI

from jupyter_modelserve import __version__
from jupyter_modelserve.controller.api import (
    checks,
    endpoints,
    errors,
    governance,
    governance_models,
    governance_rights,
    instance,
    internal,
    lineage,
    registry,
    tokens,
)
from jupyter_modelserve.controller.api.faces.all import FACES
from jupyter_modelserve.controller.api.operations import check_rules
from jupyter_modelserve.controller.api.schemas import DescribedAPI
from jupyter_modelserve.controller.parts import Controller


def create_app(controller: Controller | None = None) -> FastAPI:
    """The application; without a *controller* it can only describe itself (for the reference documentation)."""
    app = DescribedAPI(title="jupyter-modelserve", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.controller = controller
    for group in (
        endpoints,
        instance,
        registry,
        tokens,
        governance,
        governance_rights,
        governance_models,
        internal,
        checks,
        lineage,
    ):
        group.operations.install(app)
    for face in FACES:
        face.install(app)
    errors.install(app)
    check_rules(app)
    return app
