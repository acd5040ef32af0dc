"""Every face, for the application to install."""

from __future__ import annotations

from typing import Final

from jupyter_modelserve.controller.api.faces import (
    catalogs,
    files,
    identity,
    models_mlflow,
    models_uc,
    permissions,
    scim,
    serving,
    workspace,
    workspace_files,
)

FACES: Final = (
    models_mlflow.operations,
    models_uc.operations,
    catalogs.operations,
    permissions.operations,
    files.operations,
    workspace.operations,
    workspace_files.addresses,
    workspace_files.operations,
    serving.operations,
    serving.compute,
    identity.identity,
    scim.operations,
    identity.own,
    identity.others,
)
