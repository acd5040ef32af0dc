"""An endpoint follows a renamed model, once and in order, whoever renamed it and whether or not anybody watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from jupyter_modelserve.controller.endpoints.manager import _put, _read_desired
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.registry import renames
from jupyter_modelserve.controller.store import endpoints, events, feed, knowledge
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import EndpointSpec, ModelVersion, Selector, SelectorKind, ServedEntity

TABLES = (
    "CREATE TABLE registered_models (name TEXT, description TEXT, creation_time INT, last_updated_time INT)",
    "CREATE TABLE model_versions (name TEXT, version INTEGER, current_stage TEXT, source TEXT, storage_location TEXT)",
    "ALTER TABLE model_versions ADD COLUMN run_id TEXT",
    "ALTER TABLE model_versions ADD COLUMN creation_time INT",
    "ALTER TABLE model_versions ADD COLUMN status TEXT",
    "ALTER TABLE model_versions ADD COLUMN description TEXT",
    "CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT)",
    "CREATE TABLE registered_model_tags (name TEXT, key TEXT, value TEXT)",
    "CREATE TABLE model_version_tags (name TEXT, version INTEGER, key TEXT, value TEXT)",
)
Sql = Callable[..., Any]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database.of(Paths(tmp_path))
    await made.prepare()

    def registry(connection: Connection) -> None:
        for table in TABLES:
            connection.execute(text(table))
        feed.install(connection)
        renames.begin(connection)

    await made.run(registry)
    yield made
    await made.close()


def create(connection: Connection, name: str) -> None:
    connection.execute(text("INSERT INTO registered_models (name) VALUES (:n)"), {"n": name})
    connection.execute(
        text("INSERT INTO model_versions (name, version, current_stage) VALUES (:n, 1, 'None')"), {"n": name}
    )


def rename(connection: Connection, old: str, new: str) -> None:
    for table in ("registered_models", "model_versions"):
        connection.execute(text(f"UPDATE {table} SET name = :new WHERE name = :old"), {"old": old, "new": new})


def drop(connection: Connection, name: str) -> None:
    connection.execute(text("DELETE FROM registered_models WHERE name = :n"), {"n": name})


def spec(*models: str, name: str = "e") -> EndpointSpec:
    entities = (ServedEntity(each, Selector(SelectorKind.ACTIVE), f"n-{each}", 100 // len(models)) for each in models)
    return EndpointSpec(name, tuple(entities))


async def models_of(database: Database, name: str = "e") -> list[str]:
    stored = await database.run(endpoints.get, name)
    return [each.model for each in stored.spec.entities]


@pytest.mark.req("REQ-001")
async def test_the_specification_follows_with_a_new_generation_and_an_event(database: Database) -> None:
    await database.run(create, "iris")
    await database.run(_put, spec("iris", "other"), "ann", False)
    await database.run(rename, "iris", "flowers")
    assert await database.run(renames.follow) == {"iris": "flowers"}
    assert await models_of(database) == ["flowers", "other"]
    stored = await database.run(endpoints.get, "e")
    assert (stored.generation, stored.created_by) == (2, "ann")
    assert [each.name for each in stored.spec.entities] == ["n-iris", "n-other"], "served names are the user's"
    asked, event = await database.run(events.after, "e", 0)
    assert asked.data == {"by": "ann", "generation": 1}
    assert (event.kind, event.model, event.data) == ("renamed", "flowers", {"from": "iris", "to": "flowers"})
    assert await database.run(renames.follow) is None, "once"


async def test_chains_swaps_and_round_trips_are_followed_in_order(database: Database) -> None:
    for name in ("a", "b"):
        await database.run(create, name)
        await database.run(_put, spec(name, name=f"e-{name}"), "ann", False)
    for old, new in (("a", "tmp"), ("b", "a"), ("tmp", "b")):
        await database.run(rename, old, new)
    assert await database.run(renames.follow) == {"tmp": "b"}
    assert (await models_of(database, "e-a"), await models_of(database, "e-b")) == (["b"], ["a"])
    for old, new in (("a", "x"), ("x", "y")):
        await database.run(rename, old, new)
    assert await database.run(renames.follow) == {"tmp": "b", "a": "y", "x": "y"}
    await database.run(rename, "y", "a")
    assert await database.run(renames.follow) == {"tmp": "b", "x": "a", "y": "a"}
    assert await models_of(database, "e-b") == ["a"]


async def test_an_old_name_that_is_used_again_belongs_to_the_new_model(database: Database) -> None:
    await database.run(create, "iris")
    await database.run(rename, "iris", "flowers")
    await database.run(create, "iris")
    await database.run(_put, spec("iris"), "ann", False)
    assert await models_of(database) == ["iris"], "it was asked for after the old model had moved away"
    assert await database.run(renames.known) == {}
    await database.run(rename, "flowers", "plants")
    await database.run(drop, "plants")
    assert await database.run(renames.follow) == {}, "a name that leads nowhere is forgotten"


async def test_a_missing_model_is_never_seen_when_it_only_has_another_name(database: Database) -> None:
    await database.run(create, "iris")
    await database.run(_put, spec("iris"), "ann", False)
    await database.run(rename, "iris", "flowers")
    found, renamed = await database.run(_read_desired, "e")
    assert found is not None
    assert [each.model for each in found.spec.entities] == ["flowers"] == list(found.models)
    assert renamed == {"iris": "flowers"}


async def test_what_was_registered_is_still_checked_under_the_new_name(database: Database) -> None:
    def version(name: str) -> ModelVersion:
        return ModelVersion(name, "1", "None", "x", "x", "", 7)

    await database.run(create, "iris")
    await database.run(knowledge.record_digest, version("iris"), "digest")
    await database.run(rename, "iris", "flowers")
    await database.run(renames.follow)
    assert await database.run(knowledge.record_digest, version("flowers"), "other") == "digest"
    assert await database.run(knowledge.digest_of, version("iris")) is None


async def test_a_version_without_a_source_does_not_break_mlflow(database: Database) -> None:
    await database.run(create, "iris")
    assert [each.detail for each in await database.run(feed.after, 0)] == ["", ""]


async def test_renames_of_an_earlier_release_are_let_alone(database: Database, tmp_path: Path) -> None:
    await database.run(create, "iris")
    await database.run(rename, "iris", "flowers")

    def forget(connection: Connection) -> None:
        connection.execute(text("DELETE FROM modelserve_meta WHERE name = 'renames_followed'"))
        renames.begin(connection)

    await database.run(forget)
    assert await database.run(renames.follow) is None


async def test_the_gateway_is_told_the_new_name_also_by_a_new_controller(database: Database) -> None:
    publication = Publication("i", database)
    await publication.load([])
    number = publication.number
    await database.run(create, "iris")
    await database.run(rename, "iris", "flowers")
    found = await database.run(renames.follow)
    assert found is not None
    await publication.rename(found)
    snapshot = publication.snapshot()
    assert snapshot is not None
    assert snapshot.routes.renamed == {"iris": "flowers"}
    assert snapshot.routes.number > number
    again = Publication("i", database)
    await again.load([])
    snapshot = again.snapshot()
    assert snapshot is not None
    assert snapshot.routes.renamed == {"iris": "flowers"}
