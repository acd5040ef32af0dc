"""Reads MLflow's registry tables directly.

The controller only reads: everything is written through MLflow itself, by whichever client. Plain SQL keeps mlflow
(3 to 4 s to import) out of the controller, and one query sees one consistent state.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.store.database import table_missing
from jupyter_modelserve.types import Model, ModelVersion

T = TypeVar("T")
DELETED_STAGE = "Deleted_Internal"
"""MLflow keeps the row of a deleted version under this stage."""


class RegistryNotReady(Exception):
    """MLflow has not made its tables yet: nothing is known, which is not the same as nothing being there."""


async def when_ready(read: Callable[[], Awaitable[T]], patience: float) -> T:
    """Repeat *read* while MLflow makes its tables, for at most *patience* seconds: a first request waits for them.

    Raises:
        RegistryNotReady: they are still not there.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        try:
            return await read()
        except RegistryNotReady:
            if loop.time() >= until:
                raise
        await asyncio.sleep(0.1)


def read_models(connection: Connection, names: Iterable[str] | None = None) -> dict[str, Model]:
    """Models by name with versions newest first; all of them, or those of *names* that exist.

    Raises:
        RegistryNotReady: the tables are not there yet.
    """
    wanted = None if names is None else sorted(set(names))
    if wanted == []:
        return {}
    try:
        models = _rows(connection, "SELECT * FROM registered_models", wanted)
        versions = _rows(connection, "SELECT * FROM model_versions", wanted)
        aliases = _rows(connection, "SELECT name, alias, version FROM registered_model_aliases", wanted)
        tags = _rows(connection, "SELECT name, key, value FROM registered_model_tags", wanted)
        version_tags = _rows(connection, "SELECT name, version, key, value FROM model_version_tags", wanted)
    except OperationalError as error:
        if table_missing(error):
            raise RegistryNotReady from error
        raise
    alias_map: dict[str, dict[str, str]] = defaultdict(dict)
    for row in aliases:
        alias_map[row["name"]][row["alias"]] = str(row["version"])
    tag_map: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in (*tags, *version_tags):
        tag_map[row["name"], str(row.get("version", ""))][row["key"]] = row["value"] or ""
    by_model: dict[str, list[ModelVersion]] = defaultdict(list)
    for row in sorted(versions, key=lambda each: -int(each["version"])):
        if row["current_stage"] != DELETED_STAGE:
            by_model[row["name"]].append(_version(row, alias_map[row["name"]], tag_map))
    return {
        row["name"]: Model(
            name=row["name"],
            description=row["description"] or "",
            created_at=row["creation_time"] or 0,
            updated_at=row["last_updated_time"] or 0,
            aliases=dict(alias_map[row["name"]]),
            tags=tag_map[row["name"], ""],
            versions=tuple(by_model[row["name"]]),
        )
        for row in models
    }


def _version(row: dict[str, Any], aliases: dict[str, str], tags: dict[tuple[str, str], dict[str, str]]) -> ModelVersion:
    number = str(row["version"])
    return ModelVersion(
        model=row["name"],
        version=number,
        stage=row["current_stage"] or "None",
        location=row["storage_location"] or row["source"] or "",
        source=row["source"] or "",
        run_id=row["run_id"] or "",
        created_at=row["creation_time"] or 0,
        status=row["status"] or "READY",
        description=row["description"] or "",
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        tags=tags[row["name"], number],
    )


def _rows(connection: Connection, query: str, names: list[str] | None) -> list[dict[str, Any]]:
    if names is None:
        result = connection.execute(text(query))
    else:
        limited = text(f"{query} WHERE name IN :names").bindparams(bindparam("names", expanding=True))
        result = connection.execute(limited, {"names": names})
    return [dict(row) for row in result.mappings()]


def logged_model_location(connection: Connection, model_id: str) -> str | None:
    """Artifact address of a LoggedModel (``models:/m-…``), or ``None`` when it was deleted."""
    query = text("SELECT artifact_location FROM logged_models WHERE model_id = :id")
    value = connection.execute(query, {"id": model_id}).scalar_one_or_none()
    return None if value is None else str(value)


def run_location(connection: Connection, run_id: str) -> str | None:
    """Artifact address of a run, or ``None`` when there is no such run."""
    query = text("SELECT artifact_uri FROM runs WHERE run_uuid = :id")
    value = connection.execute(query, {"id": run_id}).scalar_one_or_none()
    return None if value is None else str(value)
