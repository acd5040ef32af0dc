"""Our tables beside those of MLflow that lineage reads, with the columns that it reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from jupyter_modelserve.controller.governance.loading import current
from jupyter_modelserve.controller.lineage import graph, keeper
from jupyter_modelserve.controller.store import feed
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.traced import Lineage

MLFLOW = (
    "CREATE TABLE registered_models (name TEXT PRIMARY KEY, description TEXT)",
    (
        "CREATE TABLE model_versions (name TEXT, version INTEGER, source TEXT, storage_location TEXT, run_id TEXT, "
        "status TEXT DEFAULT 'READY', current_stage TEXT DEFAULT 'None', creation_time INTEGER DEFAULT 0, "
        "description TEXT)"
    ),
    "CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT)",
    "CREATE TABLE registered_model_tags (key TEXT, value TEXT, name TEXT)",
    "CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER)",
    "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INTEGER, end_time INTEGER)",
    "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT)",
    (
        "CREATE TABLE datasets (dataset_uuid TEXT, name TEXT, digest TEXT, dataset_source_type TEXT, "
        "dataset_source TEXT, dataset_schema TEXT, dataset_profile TEXT)"
    ),
    (
        "CREATE TABLE inputs (input_uuid TEXT, source_type TEXT, source_id TEXT, destination_type TEXT, "
        "destination_id TEXT)"
    ),
    "CREATE TABLE input_tags (input_uuid TEXT, name TEXT, value TEXT)",
    "CREATE TABLE logged_models (model_id TEXT, name TEXT, source_run_id TEXT, creation_timestamp_ms INTEGER)",
    "CREATE TABLE logged_model_metrics (model_id TEXT, run_id TEXT, dataset_uuid TEXT)",
)


class World:
    """MLflow's side in a few words, and the graph that comes of it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def sql(self, statement: str, **values: Any) -> None:
        """One statement, in a transaction of its own, as another process would make it."""
        await self.database.run(lambda connection: connection.execute(text(statement), values) and None)

    async def run(self, run_id: str, *logged: str, **tags: str) -> None:
        """A finished run with the models that it logged."""
        await self.sql("INSERT INTO runs VALUES (:r, :n, 'FINISHED', 1000, 2000)", r=run_id, n=f"name of {run_id}")
        for key, value in tags.items():
            await self.sql("INSERT INTO tags VALUES (:k, :v, :r)", k=f"modelserve.notebook.{key}", v=value, r=run_id)
        for each in logged:
            await self.sql("INSERT INTO logged_models VALUES (:m, 'model', :r, 1500)", m=each, r=run_id)

    async def read(self, run: str, name: str, context: str = "training", source: str = "{}", **tags: str) -> None:
        """The run reads a data set."""
        values = {"u": name, "n": name, "s": source}
        await self.sql(
            "INSERT INTO datasets VALUES (:u, :n, 'digest', 'local', :s, :c, :p)",
            **values,
            c=SCHEMA,
            p='{"num_rows": 9}',
        )
        marks = {"mlflow.data.context": context} | {f"modelserve.content.{k}": v for k, v in tags.items()}
        for key, value in marks.items():
            await self.sql("INSERT INTO input_tags VALUES (:u, :k, :v)", u=f"{run}{name}", k=key, v=value)
        statement = "INSERT INTO inputs VALUES (:u, 'DATASET', :d, 'RUN', :r)"
        await self.sql(statement, u=f"{run}{name}", d=name, r=run)

    async def version(self, model: str, number: int, source: str, run: str | None = None) -> None:
        """A version, and its model when that is new."""
        await self.sql("INSERT OR IGNORE INTO registered_models (name) VALUES (:m)", m=model)
        await self.sql(
            "INSERT INTO model_versions (name, version, source, run_id) VALUES (:m, :v, :s, :r)",
            m=model, v=number, s=source, r=run,
        )  # fmt: skip

    async def alias(self, model: str, alias: str, number: int) -> None:
        """Set an alias."""
        await self.sql("INSERT INTO registered_model_aliases VALUES (:a, :v, :m)", a=alias, v=number, m=model)

    async def graph(self, model: str, version: str = "", who: str = "ann", **more: Any) -> Lineage:
        """The answer for somebody; ann is the metastore admin."""

        def work(connection: Connection) -> Lineage:
            return graph.read(connection, current(connection), who, graph.Asked(model, version, **more))

        await keeper.up_to_date(self.database)
        return await self.database.run(work)


SCHEMA = '{"mlflow_colspec": [{"type": "double", "name": "x", "required": true}]}'
LOGGED = "m-" + "0123456789abcdef" * 2


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An instance that has begun; ann administers it."""
    database = Database.of(Paths(tmp_path))
    # What is tested here survives no power cut.
    event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    await database.prepare("ann")

    def tables(connection: Connection) -> None:
        for each in MLFLOW:
            connection.execute(text(each))
        assert feed.install(connection)

    await database.run(tables)
    yield World(database)
    await database.close()


def drawn(found: Lineage) -> set[tuple[str, str, str]]:
    """Edges by the names of their ends."""
    names = {each.id: each.name for each in found.nodes}
    return {(names[each.source], each.relation.value, names[each.target]) for each in found.edges}


Draw = Callable[[Lineage], set[tuple[str, str, str]]]
