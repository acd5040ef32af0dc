"""Our tables on a real SQLite file, beside MLflow's."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from jupyter_modelserve.controller.endpoints import publication
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.endpoints.routes import Contribution
from jupyter_modelserve.controller.endpoints.view import LabelKind, Routed
from jupyter_modelserve.controller.registry import reader
from jupyter_modelserve.controller.registry.files import FilesMissing, artifact_address, local_directory
from jupyter_modelserve.controller.registry.watch import ChangeWatch
from jupyter_modelserve.controller.store import endpoints, events, feed, knowledge, tokens
from jupyter_modelserve.controller.store.database import Database, get_meta, set_meta
from jupyter_modelserve.errors import Conflict, ModelServeError, NotFound
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import EndpointSpec, ModelVersion, Scope, Selector, SelectorKind, ServedEntity

SPEC = EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ALIAS, "Champion")),))


async def test_the_file_is_private(database: Database, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "registry.db").stat().st_mode) == 0o600


async def test_a_newer_database_is_refused(database: Database) -> None:
    await database.run(set_meta, "schema_version", "99")
    with pytest.raises(ModelServeError, match="newer jupyter-modelserve"):
        await database.prepare()


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def work(connection: object) -> None:
        set_meta(connection, "a", "1")  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.run(work)
    assert await database.run(get_meta, "a") is None


async def test_the_generation_grows_with_changes_only(database: Database) -> None:
    first = await database.run(endpoints.put, SPEC, "ann", False)
    same = await database.run(endpoints.put, SPEC, "bob", False)
    retried = await database.run(endpoints.put, SPEC, "bob", True)
    changed = await database.run(endpoints.put, EndpointSpec("iris", SPEC.entities, tags={"a": "b"}), "bob", False)
    assert [each.generation for each in (first, same, retried, changed)] == [1, 1, 2, 3]
    assert changed.created_by == "ann"
    assert changed.spec.tags == {"a": "b"}


async def test_an_endpoint_that_is_being_stopped_cannot_be_changed(database: Database) -> None:
    await database.run(endpoints.put, SPEC, "ann", False)
    await database.run(endpoints.mark_deleting, "iris")
    with pytest.raises(Conflict, match="being stopped"):
        await database.run(endpoints.put, SPEC, "ann", False)
    await database.run(endpoints.remove, "iris")
    with pytest.raises(NotFound):
        await database.run(endpoints.get, "iris")


async def test_events_are_numbered_and_kept_apart(database: Database) -> None:
    one = await database.run(events.append, "iris", "version", "v1 is READY", "iris", "1", {"a": 1})
    await database.run(events.append, "other", "version", "x")
    two = await database.run(events.append, "iris", "endpoint", "READY")
    assert await database.run(events.after, "iris", 0) == (one, two)
    assert await database.run(events.after, "iris", one.number) == (two,)


@pytest.mark.req("REQ-019", "REQ-020")
async def test_only_the_hash_of_a_token_is_kept(database: Database, tmp_path: Path) -> None:
    token, info = await database.run(tokens.create, "ann", "for curl", (Scope.SCORE,), 60)
    assert token.startswith("ms_")
    assert token.encode() not in (tmp_path / "registry.db").read_bytes()
    granted = await database.run(tokens.grants)
    assert granted[tokens.hashed(token)].scopes == (Scope.SCORE,)
    await database.run(tokens.used, {info.id: 5})
    assert (await database.run(tokens.listing))[0].last_used_at == 5
    await database.run(tokens.revoke, info.id)
    assert await database.run(tokens.grants) == {}
    with pytest.raises(NotFound):
        await database.run(tokens.revoke, info.id)


async def test_an_expired_token_grants_nothing(database: Database) -> None:
    await database.run(tokens.adopt, "ms_x", "ann", "")
    await database.run(tokens.adopt, "ms_x", "ann", "")
    assert len(await database.run(tokens.listing)) == 1

    def expire(connection: object) -> None:
        connection.execute(tokens.tokens.update().values(expires_at=1))  # type: ignore[attr-defined]

    await database.run(expire)
    assert await database.run(tokens.grants) == {}


async def test_knowledge_is_kept(database: Database) -> None:
    version = ModelVersion("iris", "1", "None", "x", "x", "", 7)
    assert await database.run(knowledge.digest_of, version) is None
    await database.run(knowledge.record_digest, version, "d")
    assert await database.run(knowledge.record_digest, version, "other") == "d"
    assert await database.run(knowledge.digest_of, version) == "d"
    again = ModelVersion("iris", "1", "None", "x", "x", "", 8)
    assert await database.run(knowledge.digest_of, again) is None
    for path in ("/a", "/b", "/a"):
        await database.run(knowledge.saw_interpreter, path)
    assert set(await database.run(knowledge.known_interpreters)) == {"/a", "/b"}


async def test_a_registry_without_tables_is_unknown_not_empty(database: Database) -> None:
    with pytest.raises(reader.RegistryNotReady):
        await database.run(reader.read_models)


MLFLOW_TABLES = (
    "CREATE TABLE registered_models (name TEXT)",
    "CREATE TABLE model_versions (name TEXT, version INTEGER, current_stage TEXT, source TEXT)",
    "CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT)",
)


async def test_a_change_by_anybody_is_noticed_and_told_with_its_model(database: Database, tmp_path: Path) -> None:
    import asyncio

    noticed: asyncio.Queue[frozenset[str] | None] = asyncio.Queue()
    watch = asyncio.create_task(ChangeWatch(database, noticed.put_nowait, interval=0.01).run())
    assert await asyncio.wait_for(noticed.get(), 5) is None
    with sqlite3.connect(tmp_path / "registry.db") as other:
        for table in MLFLOW_TABLES:
            other.execute(table)
    # Until the watch has put its triggers on the new tables it can only say that something changed.
    found, count = None, 0
    while found is None:
        count += 1
        with sqlite3.connect(tmp_path / "registry.db", timeout=20) as other:
            other.execute("INSERT INTO registered_models VALUES ('iris')")
        found = await asyncio.wait_for(noticed.get(), 5)
        assert count < 100
    assert found == frozenset({"iris"})
    watch.cancel()


async def test_every_change_has_exactly_one_record_in_its_transaction(database: Database) -> None:
    statements = (
        "INSERT INTO registered_models VALUES ('iris')",
        "INSERT INTO model_versions VALUES ('iris', 1, 'None', 'models:/m-1')",
        "UPDATE model_versions SET current_stage = 'Production'",
        "UPDATE model_versions SET current_stage = 'Production'",
        "INSERT INTO registered_model_aliases VALUES ('Champion', 1, 'iris')",
        "UPDATE registered_model_aliases SET version = 2",
        "DELETE FROM registered_model_aliases",
        "UPDATE registered_models SET name = 'flower'",
        "UPDATE model_versions SET current_stage = 'Deleted_Internal'",
        "DELETE FROM registered_models",
    )

    def fill(connection: object) -> None:
        for each in (*MLFLOW_TABLES, *statements):
            connection.exec_driver_sql(each)  # type: ignore[attr-defined]
            if each == MLFLOW_TABLES[-1]:
                assert feed.install(connection)  # type: ignore[arg-type]

    await database.run(fill)
    found = [(each.kind, each.model, each.version, each.detail) for each in await database.run(feed.after, 0)]
    assert found == [
        ("model created", "iris", "", ""),
        ("version created", "iris", "1", "models:/m-1"),
        ("stage changed", "iris", "1", "None -> Production"),
        ("alias set", "iris", "1", "Champion"),
        ("alias moved", "iris", "2", "Champion: 1 -> 2"),
        ("alias deleted", "iris", "2", "Champion"),
        ("model renamed", "flower", "", "iris"),
        ("version deleted", "iris", "1", ""),
        ("model deleted", "flower", "", ""),
    ]

    def undone(connection: object) -> None:
        connection.exec_driver_sql("INSERT INTO registered_models VALUES ('x')")  # type: ignore[attr-defined]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.run(undone)
    assert len(await database.run(feed.after, 0)) == len(found)
    assert await database.run(feed.newest) == len(found)


def test_artifact_addresses_stay_inside_the_store(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert local_directory("mlflow-artifacts:/1/models/m", paths) == tmp_path / "artifacts/1/models/m"
    assert local_directory("file:///x%20y", paths) == Path("/x y")
    assert local_directory("s3://bucket/x", paths) is None
    with pytest.raises(ValueError, match="leaves"):
        local_directory("mlflow-artifacts:/../../etc", paths)


async def test_references_are_followed_and_rings_end(database: Database) -> None:
    def fill(connection: object) -> None:
        run = connection.exec_driver_sql  # type: ignore[attr-defined]
        run("CREATE TABLE logged_models (model_id TEXT, artifact_location TEXT)")
        run("CREATE TABLE runs (run_uuid TEXT, artifact_uri TEXT)")
        run("INSERT INTO logged_models VALUES ('m-1', 'mlflow-artifacts:/0/models/m-1'), ('m-2', 'models:/m-2')")
        run("INSERT INTO runs VALUES ('r', 'mlflow-artifacts:/0/r/artifacts/')")

    await database.run(fill)

    async def follow(location: str) -> str:
        version = ModelVersion("iris", "1", "None", location, location, "", 1)
        return await database.run(artifact_address, version)

    assert await follow("models:/m-1") == "mlflow-artifacts:/0/models/m-1"
    assert await follow("runs:/r/model") == "mlflow-artifacts:/0/r/artifacts/model"
    for gone in ("models:/m-9", "runs:/q/model", "models:/m-2"):
        with pytest.raises(FilesMissing, match="no longer exists"):
            await follow(gone)


async def test_publication_waits_for_every_endpoint_and_survives_a_restart(database: Database) -> None:
    routed = Routed(
        {("iris", "1"): ("w",)}, {("iris", LabelKind.ALIAS, "Champion"): ("iris", "1")}, {"e": ("iris", "1")}
    )
    first = Publication("i", database)
    await first.load(["iris", "other"])
    await first.put("iris", routed, Contribution())
    assert first.snapshot() is None
    await first.put("other", Routed(), Contribution())
    assert first.snapshot() is not None
    second = Publication("i", database)
    await second.load(["iris"])
    assert second.routed("iris") == routed
    assert second.number > first.number
    assert second.snapshot() is None
    await second.open()
    assert second.snapshot() is not None


@pytest.mark.parametrize("written", ["{", '{"iris": {"workers": []}}', "[1]", '{"iris": 3}'])
async def test_what_another_version_wrote_about_routes_does_not_keep_the_controller_down(
    database: Database, written: str
) -> None:
    await database.run(set_meta, publication.ROUTED, written)
    await database.run(set_meta, publication.NUMBER, "7")
    found = Publication("i", database)
    await found.load([])
    assert found.routed("iris") == Routed()
    assert found.number > 7
