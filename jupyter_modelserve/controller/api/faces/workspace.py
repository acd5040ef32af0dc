"""The workspace registry's own calls: a stage transition with a comment, and a model with its newest versions."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve import names
from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.faces import reading
from jupyter_modelserve.controller.api.faces.common import arguments, controller, flag, number, word, writer
from jupyter_modelserve.controller.api.faces.table import DATABRICKS
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import actor_of, require
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import audit
from jupyter_modelserve.errors import InvalidParameter

operations = Operations(DATABRICKS, listed=False)
LONGEST_COMMENT = 5000


@operations.operation("POST", "/model-versions/transition-stage", Rule.USE)
async def transition_stage(request: Request) -> JSONResponse:
    """Move a version to a stage (REQ-107, REQ-183): ``{"name", "version", "stage", "archive_existing_versions",
    "comment"}``. The comment is kept in the audit log.
    """
    values = await arguments(request)
    name, version = word(values, "name"), number(word(values, "version"))
    stage, comment = word(values, "stage"), word(values, "comment", "")
    if names.is_three_level(name):
        raise InvalidParameter(f"{name} is a catalog model and has no stages (REQ-110); set an alias instead")
    if len(comment) > LONGEST_COMMENT:
        raise InvalidParameter(f"comment: at most {LONGEST_COMMENT} characters", details={"field": "comment"})
    actor = actor_of(request)
    sent = {"name": name, "version": version, "stage": stage}
    archive = {"archive_existing_versions": flag(values, "archive_existing_versions")}
    found = await writer(request).call(actor, "POST", "model-versions/transition-stage", {**sent, **archive})
    if comment:
        await controller(request).governance.change(actor, _remember, name, version, stage, comment)
    return JSONResponse({"model_version_databricks": found["model_version"]})


def _remember(session: Session, name: str, version: str, stage: str, comment: str) -> None:
    audit.append(
        session.connection, session.actor, "transition comment", "FUNCTION", name,
        version=version, before=names.canonical_stage(stage) or stage, after=comment,
    )  # fmt: skip


@operations.operation("GET", "/registered-models/get", Rule.USE)
async def get_model(request: Request) -> JSONResponse:
    """A model with the newest version of each stage, as databricks-sdk asks for it."""
    name = word(await arguments(request), "name")
    await require(request, Operation.MODEL_VIEW, model_of(name))
    shown = await reading.one(request, name)
    newest: dict[str, dict[str, Any]] = {}
    for version in shown.model.versions:
        newest.setdefault(version.stage, {**reading.mlflow_version(shown, version), "current_stage": version.stage})
    body = {**reading.mlflow_model(shown), "latest_versions": list(newest.values())}
    return JSONResponse({"registered_model_databricks": {**body, "id": reading.id_of(name, shown.model.created_at)}})
