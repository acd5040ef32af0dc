"""Models and versions as the faces show them: registry rows, owner, who made them, and their model id.

Two dialects of one thing: MLflow's messages (``databricks-uc``) and Unity Catalog's (REST, databricks-sdk).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from sqlalchemy import Connection, select

from jupyter_modelserve import names
from jupyter_modelserve.controller.api.faces.common import controller
from jupyter_modelserve.controller.api.rules import seen
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.errors import NotFound
from jupyter_modelserve.types import Model, ModelVersion

_MODEL_ID: Final = re.compile(r"\bm-[0-9a-f]{32}\b")


@dataclass(frozen=True, slots=True)
class Shown:
    """A model with what only our tables know. ``made_by``: version (``""``: the model) → who made it."""

    model: Model
    owner: str
    metastore: str
    made_by: dict[str, str]
    changed_by: str

    def version(self, number: str) -> ModelVersion:
        """One version. Raises NotFound."""
        for each in self.model.versions:
            if each.version == number:
                return each
        raise NotFound(
            f"{self.model.name} has no version {number}", details={"model": self.model.name, "version": number}
        )

    def aliased(self, alias: str) -> ModelVersion:
        """The version behind an alias. Raises NotFound."""
        if alias not in self.model.aliases:
            problem = names.no_alias(self.model.name, alias, self.model.aliases)
            raise NotFound(problem, details={"model": self.model.name})
        return self.version(self.model.aliases[alias])


async def one(request: Request, name: str) -> Shown:
    """One model; whether the caller may see it has been judged. Raises NotFound."""
    found = await _read(request, [name])
    if not found:
        raise NotFound(f"{name} is not registered", details={"model": name})
    return found[0]


async def visible(request: Request, within: str = "") -> list[Shown]:
    """Catalog models that the caller may see, by name, all or those of a catalog or schema."""
    found = [each for each in await _read(request, None) if names.is_three_level(each.model.name)]
    allowed = await seen(request, [each.model.name for each in found])
    start = f"{within}." if within else ""
    kept = [each for each in found if each.model.name in allowed and each.model.name.startswith(start)]
    return sorted(kept, key=lambda each: each.model.name)


async def searched(request: Request, name: str) -> list[Shown]:
    """The model of that name in a list; nothing when there is none or the caller may not see it."""
    return await _read(request, await seen(request, [name]))


async def _read(request: Request, wanted: Iterable[str] | None) -> list[Shown]:
    parts = controller(request)
    state = await parts.governance.state()

    def work(connection: Connection) -> list[Shown]:
        models = reader.read_models(connection, wanted)
        metastore = str(connection.execute(select(tables.metastores.c.id)).scalar_one())
        makers, changers = _people(connection, None if wanted is None else list(models))
        return [
            Shown(each, state.owner(model_of(name)), metastore, makers.get(name, {}), changers.get(name, ""))
            for name, each in models.items()
        ]

    return await reader.when_ready(lambda: parts.database.run(work), parts.settings.hold)


def _people(connection: Connection, wanted: list[str] | None) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Who made each model and version, and who changed the model last, as the audit log has it."""
    rows = tables.audit
    query = select(rows.c.securable_name, rows.c.version, rows.c.action, rows.c.principal)
    query = query.where(rows.c.securable_type == "FUNCTION").order_by(rows.c.number)
    if wanted is not None:
        query = query.where(rows.c.securable_name.in_(wanted))
    else:
        query = query.where(rows.c.action.in_(("model created", "version created")))
    makers: dict[str, dict[str, str]] = {}
    changers: dict[str, str] = {}
    for name, version, action, principal in connection.execute(query):
        changers[name] = principal
        if action in {"model created", "version created"}:
            if action == "model created":
                makers[name] = {}
            makers.setdefault(name, {})[str(version)] = principal
    return makers, changers


def model_id(version: ModelVersion) -> str:
    """Id of the logged model behind a version, never empty: clients that copy a version ask for it.

    It stands in the source or the tags; otherwise it is made up from name and number, and no tracking server knows it.
    """
    found = _MODEL_ID.search(version.source) or _MODEL_ID.search(version.tags.get("mlflow.modelId", ""))
    if found:
        return found.group()
    return "m-" + hashlib.sha256(f"{version.model}/{version.version}".encode()).hexdigest()[:32]


def id_of(*parts: object) -> str:
    """An id that never changes for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(str(each) for each in parts)))


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


# ---------------------------------------------------------------------------------------------------- MLflow's words
def mlflow_model(shown: Shown) -> dict[str, Any]:
    """``RegisteredModel`` of the ``databricks-uc`` registry."""
    model = shown.model
    return {
        "name": model.name,
        "creation_timestamp": model.created_at,
        "last_updated_timestamp": model.updated_at,
        "user_id": shown.owner,
        "description": model.description,
        "aliases": [{"alias": alias, "version": version} for alias, version in sorted(model.aliases.items())],
        "tags": _tags(model.tags),
    }


def mlflow_version(shown: Shown, version: ModelVersion) -> dict[str, Any]:
    """``ModelVersion`` of the ``databricks-uc`` registry."""
    return {
        "name": version.model,
        "version": version.version,
        "creation_timestamp": version.created_at,
        "last_updated_timestamp": version.created_at,
        "user_id": shown.made_by.get(version.version, ""),
        "description": version.description,
        "source": version.source,
        "run_id": version.run_id,
        "status": version.status,
        "storage_location": location(version),
        "aliases": [{"alias": each, "version": version.version} for each in version.aliases],
        "tags": _tags(version.tags),
        "model_id": model_id(version),
    }


def location(version: ModelVersion) -> str:
    """Where clients find the files: below ``/api/2.0/fs/files``."""
    return f"/Models/{version.model.replace('.', '/')}/{version.version}"


# ---------------------------------------------------------------------------------------------------- Unity Catalog's
def uc_model(shown: Shown) -> dict[str, Any]:
    """``RegisteredModelInfo``."""
    model = shown.model
    catalog, schema, short = model.name.split(".")
    return {
        "name": short,
        "catalog_name": catalog,
        "schema_name": schema,
        "full_name": model.name,
        "comment": model.description,
        "owner": shown.owner,
        "metastore_id": shown.metastore,
        "id": id_of(model.name, model.created_at),
        "created_at": model.created_at,
        "created_by": shown.made_by.get("", ""),
        "updated_at": model.updated_at,
        "updated_by": shown.changed_by,
        "storage_location": f"/Models/{model.name.replace('.', '/')}",
        "aliases": [uc_alias(model.name, alias, version) for alias, version in sorted(model.aliases.items())],
        "tags": _tags(model.tags),
    }


def uc_alias(model: str, alias: str, version: str) -> dict[str, Any]:
    """``RegisteredModelAlias``."""
    catalog, schema, short = model.split(".")
    named = {"catalog_name": catalog, "schema_name": schema, "model_name": short}
    return {"alias_name": alias, "version_num": int(version), "id": id_of(model, alias), **named}


def uc_version(shown: Shown, version: ModelVersion) -> dict[str, Any]:
    """``ModelVersionInfo``."""
    catalog, schema, short = version.model.split(".")
    maker = shown.made_by.get(version.version, "")
    return {
        "model_name": short,
        "catalog_name": catalog,
        "schema_name": schema,
        "version": int(version.version),
        "comment": version.description,
        "source": version.source,
        "run_id": version.run_id,
        "status": version.status,
        "storage_location": location(version),
        "metastore_id": shown.metastore,
        "id": id_of(version.model, version.version, version.created_at),
        "created_at": version.created_at,
        "created_by": maker,
        "updated_at": version.created_at,
        "updated_by": maker,
        "aliases": [uc_alias(version.model, each, version.version) for each in version.aliases],
        "tags": _tags(version.tags),
        "model_id": model_id(version),
    }
