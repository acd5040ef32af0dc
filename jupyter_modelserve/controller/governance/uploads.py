"""Versions whose files a client uploads (the ``databricks-uc`` registry): who may write them, and when they are done.

MLflow makes the row (it numbers versions); it says PENDING_REGISTRATION until the client has finished, and such a
version is never served. Finishing changes one column of MLflow's table, for which MLflow has no operation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from sqlalchemy import select, text

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.controller.store import audit, tables
from jupyter_modelserve.errors import Conflict, InvalidParameter, NotFound, PermissionDenied
from jupyter_modelserve.types import ModelVersion

PENDING: Final = "PENDING_REGISTRATION"
_FINISH: Final = text(
    "UPDATE model_versions SET status = 'READY' "
    "WHERE name = :name AND version = :version AND status = 'PENDING_REGISTRATION'"
)


def readable(session: Session, model: str, version: str) -> ModelVersion:
    """A version whose files the caller may read.

    Raises:
        PermissionDenied, NotFound.
    """
    session.require(Operation.VERSION_READ, model_of(model))
    return find(session, model, version)


def writable(session: Session, model: str, version: str) -> ModelVersion:
    """A version under way that the caller makes.

    Raises:
        PermissionDenied: the caller may add no versions, or somebody else makes this one. NotFound.
        Conflict: it is finished, and files of registered versions never change.
    """
    session.require(Operation.VERSION_CREATE, model_of(model))
    found = find(session, model, version)
    if found.status != PENDING:
        raise Conflict(f"{model} version {version} is registered: its files never change; register a new version")
    if _maker(session, model, version) != session.principal:
        raise PermissionDenied(f"{model} version {version} is being registered by somebody else")
    return found


def finished(session: Session, model: str, version: str) -> bool:
    """Whether a version is registered already. Raises PermissionDenied, NotFound."""
    session.require(Operation.VERSION_CREATE, model_of(model))
    return find(session, model, version).status != PENDING


def find(session: Session, model: str, version: str) -> ModelVersion:
    """A version by number. Raises NotFound."""
    known = reader.read_models(session.connection, [model]).get(model)
    found = next((each for each in known.versions if each.version == version), None) if known else None
    if found is None:
        raise NotFound(f"{model} has no version {version}", details={"model": model, "version": version})
    return found


def _maker(session: Session, model: str, version: str) -> str:
    rows = tables.audit
    query = select(rows.c.principal).where(
        rows.c.securable_type == "FUNCTION",
        rows.c.securable_name == model,
        rows.c.version == version,
        rows.c.action == "version created",
    )
    return str(session.connection.execute(query.order_by(rows.c.number.desc()).limit(1)).scalar_one_or_none() or "")


def finish(session: Session, model: str, version: str) -> None:
    """The files are complete: from here on the version can be loaded and served. Raises as :func:`writable`."""
    writable(session, model, version)
    with audit.acting(session.connection, session.actor):
        session.connection.execute(_FINISH, {"name": model, "version": version})


def check_files(model: str, directory: Path) -> None:
    """A catalog takes models with a signature of inputs and outputs only (REQ-063), whichever client sends them.

    Raises:
        InvalidParameter: there is no model in *directory*, or its signature lacks something.
    """
    try:
        described: Any = yaml.safe_load((directory / "MLmodel").read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidParameter(
            f"{model}: no readable MLmodel file was uploaded; upload the whole model directory, then finalize",
            details={"field": "source"},
        ) from error
    signature = described.get("signature") if isinstance(described, dict) else None
    if not isinstance(signature, dict) or not signature.get("inputs") or not signature.get("outputs"):
        raise InvalidParameter(
            f"{model} is a catalog model, which needs a signature with inputs and outputs (REQ-063); log it again with "
            "input_example=… or signature=infer_signature(X, model.predict(X))",
            details={"field": "signature"},
        )
