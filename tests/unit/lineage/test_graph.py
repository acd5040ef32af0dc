"""Edges from MLflow's tables, as they change, and as far as a viewer may see them."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, text, update

from jupyter_modelserve.controller.governance.loading import touch
from jupyter_modelserve.controller.lineage import databricks, keeper
from jupyter_modelserve.controller.store import endpoints, tables
from jupyter_modelserve.controller.store.database import get_meta
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.traced import Direction, NodeType
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity
from tests.unit.lineage.conftest import LOGGED, World, drawn

STAMP = {"path": "/n/train.ipynb", "run": "5f0c", "output": "/out/train-5f0c.ipynb", "parameters": '{"alpha": 1}'}


async def _trained(world: World) -> None:
    await world.run("r1", LOGGED, **STAMP, cell="4")
    await world.read("r1", "orders", sha256="ab" * 32, rows="120000")
    await world.version("dev.ml.iris", 1, f"models:/{LOGGED}", "r1")


async def _served(world: World, model: str, kind: SelectorKind, value: str | None, name: str = "iris") -> None:
    spec = EndpointSpec(name, (ServedEntity(model, Selector(kind, value), "a"),))
    await world.database.run(endpoints.put, spec, "ann", False)


@pytest.mark.req("REQ-082", "REQ-083")
async def test_the_chain_goes_from_data_to_endpoint(world: World) -> None:
    await _trained(world)
    await world.alias("dev.ml.iris", "Champion", 1)
    await _served(world, "dev.ml.iris", SelectorKind.ALIAS, "Champion")
    found = await world.graph("dev.ml.iris", "1")
    assert drawn(found) == {
        ("orders", "read", "name of r1"),
        ("train.ipynb", "ran", "5f0c"),
        ("5f0c", "wrote", "train-5f0c.ipynb"),
        ("5f0c", "tracked", "name of r1"),
        ("name of r1", "logged", "model"),
        ("model", "registered", "dev.ml.iris 1"),
        ("dev.ml.iris 1", "named", "dev.ml.iris@Champion"),
        ("dev.ml.iris@Champion", "served", "iris"),
    }
    facts = {each.name: each.facts for each in found.nodes}
    assert (facts["orders"]["content_sha256"], facts["orders"]["rows"]) == ("ab" * 32, 120000)
    assert facts["5f0c"]["parameters"] == {"alpha": 1}
    assert next(each.facts for each in found.edges if each.relation == "tracked") == {"cell": "4"}
    assert next(each.facts for each in found.edges if each.relation == "read") == {"context": "training"}
    assert found.focus == ("version:dev.ml.iris/1",)
    places = {each.id: each.column for each in found.nodes}
    assert all(places[each.source] < places[each.target] for each in found.edges)


@pytest.mark.req("REQ-083")
async def test_data_of_an_evaluation_by_another_run_is_upstream_too(world: World) -> None:
    await _trained(world)
    await world.run("r2")
    await world.read("r2", "held out", "eval")
    await world.sql("INSERT INTO inputs VALUES ('u', 'RUN_INPUT', 'r2', 'MODEL_INPUT', :m)", m=LOGGED)
    found = await world.graph("dev.ml.iris", "1", direction=Direction.UPSTREAM)
    assert ("held out", "evaluated", "model") in drawn(found)
    assert next(each for each in found.nodes if each.name == "held out").facts["rows"] == 9


async def test_a_metric_on_a_data_set_is_an_evaluation_unless_it_is_the_training_data(world: World) -> None:
    await world.run("r1", LOGGED)
    await world.read("r1", "train", "train")
    await world.read("r1", "test", "test")
    for each in ("train", "test"):
        await world.sql("INSERT INTO logged_model_metrics VALUES (:m, 'r1', :d)", m=LOGGED, d=each)
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    edges = drawn(await world.graph("iris", "1"))
    assert ("test", "evaluated", "model") in edges
    assert ("train", "evaluated", "model") not in edges


@pytest.mark.req("REQ-104", "REQ-106")
async def test_a_copy_has_the_origin_of_its_source(world: World) -> None:
    await _trained(world)
    await world.version("prod.ml.iris", 1, "models:/dev.ml.iris/1")
    found = await world.graph("prod.ml.iris", "1", direction=Direction.UPSTREAM)
    assert ("dev.ml.iris 1", "copied", "prod.ml.iris 1") in drawn(found)
    assert ("orders", "read", "name of r1") in drawn(found)


async def test_facts_outlive_the_run(world: World) -> None:
    await _trained(world)
    before = drawn(await world.graph("dev.ml.iris", "1"))
    for table in ("runs", "inputs", "datasets", "tags", "input_tags", "logged_models"):
        await world.sql(f"DELETE FROM {table}")
    await world.sql("INSERT INTO model_version_tags VALUES ('a', 'b', 'dev.ml.iris', 1)")
    assert drawn(await world.graph("dev.ml.iris", "1")) == before


async def test_what_a_run_reads_after_the_registration_is_seen(world: World) -> None:
    await _trained(world)
    await world.graph("dev.ml.iris", "1")
    await world.read("r1", "late", "training")
    assert ("late", "read", "name of r1") in drawn(await world.graph("dev.ml.iris", "1"))
    await world.sql("UPDATE runs SET status = 'FAILED' WHERE run_uuid = 'r1'")
    status = {each.facts.get("status") for each in (await world.graph("dev.ml.iris")).nodes}
    assert "FAILED" in status


async def test_an_alias_that_moved_names_the_new_version_and_the_old_edge_is_history(world: World) -> None:
    await _trained(world)
    await world.version("dev.ml.iris", 2, "/files", None)
    await world.alias("dev.ml.iris", "Champion", 1)
    await world.graph("dev.ml.iris")
    await world.sql("UPDATE registered_model_aliases SET version = 2")
    named = {each for each in drawn(await world.graph("dev.ml.iris")) if each[1] == "named"}
    assert named == {("dev.ml.iris 2", "named", "dev.ml.iris@Champion")}
    everything = await world.graph("dev.ml.iris", history=True)
    ended = [each for each in everything.edges if each.relation == "named" and each.ended_at]
    assert [each.source for each in ended] == ["version:dev.ml.iris/1"]
    await world.sql("DELETE FROM registered_model_aliases")
    assert not [each for each in (await world.graph("dev.ml.iris")).edges if each.relation == "named"]


async def test_stages_and_models_as_a_whole_lead_to_endpoints(world: World) -> None:
    await world.version("iris", 1, "/files")
    assert {each.type for each in (await world.graph("iris", "1")).nodes} == {NodeType.VERSION}
    await world.sql("UPDATE model_versions SET current_stage = 'Production'")
    await _served(world, "iris", SelectorKind.STAGE, "Production", "by-stage")
    await _served(world, "iris", SelectorKind.ACTIVE, None, "all")
    edges = drawn(await world.graph("iris", "1"))
    assert edges == {
        ("iris 1", "named", "iris Production"),
        ("iris Production", "served", "by-stage"),
        ("iris 1", "belongs", "iris"),
        ("iris", "served", "all"),
    }
    await world.sql("UPDATE model_versions SET current_stage = 'Archived'")
    await world.database.run(endpoints.mark_deleting, "all")
    found = await world.graph("iris", "1")
    assert drawn(found) == set()


async def test_a_renamed_model_keeps_its_lineage(world: World) -> None:
    await _trained(world)
    await world.alias("dev.ml.iris", "Champion", 1)
    await world.graph("dev.ml.iris")
    for table in ("registered_models", "model_versions", "registered_model_aliases"):
        await world.sql(f"UPDATE {table} SET name = 'dev.ml.flower'")
    edges = drawn(await world.graph("dev.ml.flower", "1"))
    assert ("model", "registered", "dev.ml.flower 1") in edges
    assert ("dev.ml.flower 1", "named", "dev.ml.flower@Champion") in edges
    with pytest.raises(NotFound):
        await world.graph("dev.ml.iris", "1")


async def test_a_name_that_is_used_again_has_a_lineage_of_its_own(world: World) -> None:
    await _trained(world)
    await world.version("prod.ml.iris", 1, "models:/dev.ml.iris/1")
    await world.graph("prod.ml.iris")
    await world.sql("DELETE FROM model_versions WHERE name = 'dev.ml.iris'")
    await world.sql("DELETE FROM registered_models WHERE name = 'dev.ml.iris'")
    await world.version("dev.ml.iris", 1, "/other")
    assert drawn(await world.graph("dev.ml.iris", "1")) == set()
    found = await world.graph("prod.ml.iris", "1")
    assert ("dev.ml.iris 1", "copied", "prod.ml.iris 1") in drawn(found)
    assert next(each for each in found.nodes if each.name == "dev.ml.iris 1").facts["deleted"]


async def test_a_database_of_an_earlier_release_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "PORTION", 1)
    await world.version("dev.ml.iris", 2, "/files")
    await _trained(world)
    await world.alias("dev.ml.iris", "Champion", 1)

    def forget(connection: Connection) -> None:
        for table in (tables.lineage_nodes, tables.lineage_edges, tables.lineage_marks):
            connection.execute(delete(table))
        connection.execute(delete(tables.meta).where(tables.meta.c.name == keeper.FOLLOWED))

    await world.database.run(forget)
    edges = drawn(await world.graph("dev.ml.iris"))
    assert {each.name for each in (await world.graph("dev.ml.iris")).nodes} >= {"dev.ml.iris 1", "dev.ml.iris 2"}
    assert {("orders", "read", "name of r1"), ("dev.ml.iris 1", "named", "dev.ml.iris@Champion")} <= edges
    assert await world.database.run(keeper.follow) is False
    assert int(await world.database.run(get_meta, keeper.FOLLOWED) or 0) > 0


def _grant(connection: Connection, who: str, kind: str, name: str, privilege: str) -> None:
    values = {"type": kind, "name": name, "principal": who, "privilege": privilege, "detail": ""}
    connection.execute(insert(tables.grants).values(**values, granted_by="ann", granted_at=1))
    touch(connection)


async def _reader(world: World, who: str, model: str) -> None:
    """Somebody who may execute one model and nothing else."""

    def work(connection: Connection) -> None:
        values = {"name": who, "kind": "user", "created_at": 1, "created_by": "ann"}
        connection.execute(insert(tables.principals).values(**values))
        catalog, schema, _ = model.split(".")
        _grant(connection, who, "CATALOG", catalog, "USE_CATALOG")
        _grant(connection, who, "SCHEMA", f"{catalog}.{schema}", "USE_SCHEMA")
        _grant(connection, who, "FUNCTION", model, "EXECUTE")

    await world.database.run(work)


@pytest.mark.req("REQ-087", "REQ-105")
async def test_what_a_viewer_may_not_see_has_no_name(world: World) -> None:
    await _trained(world)
    await world.version("prod.secret.iris", 7, "models:/dev.ml.iris/1")
    await world.alias("prod.secret.iris", "Hidden", 7)
    await _served(world, "prod.secret.iris", SelectorKind.ALIAS, "Hidden", "hidden-endpoint")
    await _reader(world, "bob", "dev.ml.iris")
    everything = json.dumps([str(each) for each in await _all(world, "ann")])
    assert "secret" in everything
    assert "hidden-endpoint" in everything
    found = await world.graph("dev.ml.iris", "1", who="bob")
    withheld = [each for each in found.nodes if each.withheld]
    assert [(each.type, each.name, each.facts) for each in withheld] == [(NodeType.VERSION, "withheld", {})]
    told = str(found)
    assert not any(word in told for word in ("secret", "Hidden", "hidden-endpoint", "prod"))
    assert ("dev.ml.iris 1", "copied", "withheld") in drawn(found)


async def _all(world: World, who: str) -> list[Any]:
    return [await world.graph("dev.ml.iris", "1", who=who)]


@pytest.mark.req("REQ-083", "REQ-105")
async def test_the_origin_of_a_copy_shows_through_a_source_that_is_withheld(world: World) -> None:
    await _trained(world)
    await world.version("prod.ml.iris", 1, "models:/dev.ml.iris/1")
    await world.alias("dev.ml.iris", "Secret", 1)
    await _reader(world, "bob", "prod.ml.iris")
    found = await world.graph("prod.ml.iris", "1", who="bob")
    assert ("orders", "read", "name of r1") in drawn(found)
    assert ("withheld", "copied", "prod.ml.iris 1") in drawn(found)
    assert "dev.ml" not in str(found)
    assert "Secret" not in str(found)


async def test_a_deleted_model_is_its_admins_alone(world: World) -> None:
    await _trained(world)
    await world.version("prod.ml.iris", 1, "models:/dev.ml.iris/1")
    await _reader(world, "bob", "prod.ml.iris")
    await world.database.run(_grant, "bob", "FUNCTION", "dev.ml.iris", "EXECUTE")
    await world.database.run(_grant, "bob", "CATALOG", "dev", "USE_CATALOG")
    await world.database.run(_grant, "bob", "SCHEMA", "dev.ml", "USE_SCHEMA")
    assert "dev.ml.iris" in str(await world.graph("prod.ml.iris", "1", who="bob"))
    await world.sql("DELETE FROM model_versions WHERE name = 'dev.ml.iris'")
    await world.sql("DELETE FROM registered_models WHERE name = 'dev.ml.iris'")
    assert "dev.ml.iris" not in str(await world.graph("prod.ml.iris", "1", who="bob"))
    assert "dev.ml.iris" in str(await world.graph("prod.ml.iris", "1", who="ann"))


async def test_secrets_in_addresses_of_data_are_not_kept(world: World) -> None:
    await world.run("r1", LOGGED)
    source = '{"url": "postgresql://me:hunter2@db:5432/shop?password=hunter3", "query": "SELECT 1"}'
    await world.read("r1", "orders", source=source)
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    found = await world.graph("iris", "1")
    assert "hunter" not in str(found)
    place = next(each for each in found.nodes if each.name == "orders").facts["source"]
    assert json.loads(place)["url"] == "postgresql://db:5432/shop"

    def raw(connection: Connection) -> str:
        return str(connection.execute(text("SELECT group_concat(facts) FROM modelserve_lineage_nodes")).scalar_one())

    assert "hunter" not in await world.database.run(raw)


async def test_a_large_graph_says_that_it_was_cut(world: World) -> None:
    for number in range(1, 8):
        await world.version("iris", number, "/files")
    found = await world.graph("iris", most=5)
    assert (len(found.nodes), found.truncated) == (5, True)
    assert found.focus == tuple(f"version:iris/{number}" for number in (7, 6, 5, 4, 3))


@pytest.mark.req("REQ-082")
async def test_databricks_clients_tell_who_loads_and_what_made_a_version(world: World) -> None:
    await _trained(world)
    await keeper.up_to_date(world.database)
    load = {"direction": "DOWNSTREAM", "entities": [{"notebook": {"id": "42"}}, {"job": {"id": "7"}}, {"x": 1}]}
    assert await world.database.run(databricks.emitted, "dev.ml.iris", "1", load) == 2
    assert await world.database.run(databricks.emitted, "dev.ml.iris", "1", {"entities": []}) == 0
    made = {"direction": "UPSTREAM", "entities": [{"pipeline": {"id": "p"}}]}
    await world.database.run(databricks.emitted, "dev.ml.iris", "1", made)
    edges = drawn(await world.graph("dev.ml.iris", "1"))
    assert ("dev.ml.iris 1", "loaded", "notebook 42") in edges
    assert ("dev.ml.iris 1", "loaded", "job 7") in edges
    assert ("pipeline p", "registered", "dev.ml.iris 1") in edges
    with pytest.raises(NotFound):
        await world.database.run(databricks.emitted, "dev.ml.iris", "9", load)
    with pytest.raises(InvalidParameter, match="direction"):
        await world.database.run(databricks.emitted, "dev.ml.iris", "1", {"direction": "SIDEWAYS"})


@pytest.mark.req("REQ-082", "REQ-084")
async def test_the_header_of_a_registration_names_tables(world: World) -> None:
    from base64 import b64encode

    await world.version("prod.ml.iris", 1, "dbfs:/x")
    told = {
        "entities": [{"notebook": {"id": "42"}}],
        "lineages": [{"source_securables": [{"table": {"name": "prod.ml_team.iris", "table_id": "t1"}}]}],
    }
    await keeper.up_to_date(world.database)
    header = b64encode(json.dumps(told).encode()).decode()
    await world.database.run(databricks.registered, "prod.ml.iris", "1", header)
    await world.database.run(databricks.registered, "prod.ml.iris", "1", "no base64")
    edges = drawn(await world.graph("prod.ml.iris", "1"))
    assert edges == {
        ("prod.ml_team.iris", "read", "prod.ml.iris 1"),
        ("notebook 42", "registered", "prod.ml.iris 1"),
    }


async def test_an_endpoint_that_changes_or_ends_leaves_history(world: World) -> None:
    await world.version("iris", 1, "/files")
    await _served(world, "iris", SelectorKind.VERSION, "1", "shop")
    assert ("iris 1", "served", "shop") in drawn(await world.graph("iris", "1"))

    def drop(connection: Connection) -> None:
        change = update(tables.endpoints).values(deleting=True, generation=9)
        connection.execute(change)

    await world.database.run(drop)
    await world.graph("iris", "1")
    await world.database.run(endpoints.remove, "shop")
    assert drawn(await world.graph("iris", "1")) == set()
    past = await world.graph("iris", "1", history=True)
    assert next(each for each in past.nodes if each.name == "shop").facts["deleted"]


async def test_who_is_not_patient_comes_back_when_somebody_writes(world: World, tmp_path: Path) -> None:
    await keeper.up_to_date(world.database)
    await world.version("iris", 1, "/files")
    with sqlite3.connect(tmp_path / "registry.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert await world.database.run(keeper.follow, False) is True
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
    other.close()
    assert await world.database.run(keeper.follow, False) is False
    assert [each.name for each in (await world.graph("iris")).nodes] == ["iris 1"]
