"""What others write into tags, tables and headers: it may be anything, and stops nothing but itself."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from base64 import b64encode
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.api.faces import models_mlflow
from jupyter_modelserve.controller.lineage import databricks, foreign, keeper, registry, runs
from jupyter_modelserve.controller.store import endpoints, tables
from jupyter_modelserve.traced import Lineage, Relation
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, to_json
from tests.unit.lineage.conftest import LOGGED, World, drawn

ODD = {
    "half a character": '{"a": "\\ud800"}',
    "a key of half a character": '{"\\udfff": 1}',
    "not a number": '{"a": NaN}',
    "endless": '{"a": 1e999}',
    "deep": "[" * 8000,
    "deep and whole": "[" * 400 + "]" * 400,
}


def _answered(found: Lineage) -> bytes:
    return bytes(JSONResponse(to_json(found)).body)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
async def test_a_tag_that_cannot_be_kept_as_json_is_kept_as_a_text(world: World, text: str) -> None:
    await world.run("r1", LOGGED, run="x", parameters=text)
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    await world.sql("UPDATE runs SET status = 'FAILED'")
    found = await world.graph("iris", "1")
    assert _answered(found)
    facts = next(each.facts for each in found.nodes if each.name == "x")
    assert facts["parameters"] in (text, foreign.short(text))
    assert ("x", "tracked", "name of r1") in drawn(found)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
async def test_a_profile_that_cannot_be_kept_as_json_is_kept_as_a_text(world: World, text: str) -> None:
    await world.run("r1", LOGGED)
    await world.read("r1", "orders")
    await world.sql("UPDATE datasets SET dataset_profile = :t", t=text)
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    found = await world.graph("iris", "1", full=True)
    assert _answered(found)
    assert next(each.facts["profile"] for each in found.nodes if each.name == "orders") == text


@pytest.mark.parametrize("rows", ["²", "٣", "9" * 5000, "-1", ""])
async def test_a_number_of_rows_that_is_none_is_left_out(world: World, rows: str) -> None:
    await world.run("r1", LOGGED)
    await world.read("r1", "orders", sha256="ab" * 32, rows=rows)
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    facts = next(each.facts for each in (await world.graph("iris", "1")).nodes if each.name == "orders")
    assert facts["rows"] == 9, "the profile's"


async def test_a_run_that_fails_is_logged_and_left_out_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = runs._inputs

    def wrong(connection: Connection, run: str, here: str) -> dict[str, str]:
        if run == "r1":
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "half a character")
        return right(connection, run, here)

    monkeypatch.setattr(runs, "_inputs", wrong)
    for number, run in enumerate(("r1", "r2"), 1):
        logged = f"m-{number:032x}"
        await world.run(run, logged, run=f"n{number}")
        await world.read(run, f"orders {number}")
        await world.version("iris", number, f"models:/{logged}", run)
    with caplog.at_level(logging.ERROR):
        edges = drawn(await world.graph("iris"))
    assert ("orders 2", "read", "name of r2") in edges
    # The version is there with the run that is named, of which nothing is known.
    assert ("r1", "logged", "model") in edges
    assert "run r1" in caplog.text
    assert await world.database.run(keeper.follow) is False, "nothing waits"

    def half(connection: Connection) -> int:
        query = select(func.count()).where(tables.lineage_nodes.c.id == "execution:n1")
        return int(connection.execute(query).scalar_one())

    assert await world.database.run(half) == 0, "all of the run or nothing"


async def test_changes_endpoints_and_old_versions_that_fail_stop_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = registry.version

    def wrong(connection: Connection, name: str, *more: Any) -> None:
        if name == "bad":
            raise RecursionError
        right(connection, name, *more)

    monkeypatch.setattr(registry, "version", wrong)
    for name in ("bad", "iris"):
        await world.version(name, 1, "/files")
    for name, model in (("a", "\ud800"), ("b", "iris")):
        spec = EndpointSpec(name, (ServedEntity(model, Selector(SelectorKind.VERSION, "1"), "x"),))
        await world.database.run(endpoints.put, spec, "ann", False)
    assert drawn(await world.graph("iris", "1")) == {("iris 1", "served", "b")}
    assert await world.database.run(registry.before, 0, 10) == 2


async def test_a_database_that_does_not_answer_is_asked_again_for_the_same_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    await world.run("r1", LOGGED)
    await keeper.up_to_date(world.database)
    await world.read("r1", "orders")
    with monkeypatch.context() as patched:
        patched.setattr(runs, "record", full)
        with pytest.raises(OperationalError):
            await keeper.up_to_date(world.database)
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    assert ("orders", "read", "name of r1") in drawn(await world.graph("iris", "1"))


async def test_the_keeper_outlives_what_it_did_not_expect(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    right, asked, went_on = keeper.follow, 0, asyncio.Event()
    loop = asyncio.get_running_loop()

    def wrong(connection: Connection, patient: bool = True) -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ValueError("unheard of")
        loop.call_soon_threadsafe(went_on.set)
        return right(connection, patient)

    monkeypatch.setattr(keeper, "follow", wrong)
    monkeypatch.setattr(keeper, "PAUSE", 0.01)
    task = asyncio.create_task(keeper.keep(world.database))
    await asyncio.wait_for(went_on.wait(), 20)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_long_parameters_are_names_and_a_digest(world: World) -> None:
    told = json.dumps({"b" * 100: "x" * 90_000, "a": 1})
    await world.version("iris", 1, "/files")
    for key, value in (("run", "x"), ("parameters", told), ("path", "/n/" + "y" * 90_000)):
        await world.sql(
            "INSERT INTO model_version_tags VALUES (:k, :v, 'iris', 1)", k=f"modelserve.notebook.{key}", v=value
        )
    found = await world.graph("iris", "1")
    parameters = next(each.facts["parameters"] for each in found.nodes if each.name == "x")
    assert parameters["names"] == ["a", "b" * 64]
    assert len(parameters["sha256"]) == 64
    assert len(_answered(found)) < 30_000


HEADERS: list[Any] = [
    {"lineages": [{"source_securables": {"a": 1}}]},
    {"lineages": [{"source_securables": 7}]},
    {"lineages": [7, {"source_securables": [7, {"table": 7}, {"table": {"name": {"a": 1}, "table_id": ["x"]}}]}]},
    {"lineages": [{"source_securables": [{"table": {"name": "\ud800", "table_id": "\ud800"}}]}]},
    {"entities": {"a": 1}, "lineages": "x"},
    {"entities": [7, {"job": 7}, {"job": {"id": "\ud800", "\ud800": "\ud800"}}]},
    [1],
]


@pytest.mark.parametrize("told", HEADERS, ids=str)
async def test_a_header_of_another_shape_is_read_as_far_as_it_goes(world: World, told: Any) -> None:
    await world.version("iris", 1, "/files")
    await keeper.up_to_date(world.database)
    header = b64encode(json.dumps(told).encode()).decode()
    await world.database.run(databricks.registered, "iris", "1", header)
    assert _answered(await world.graph("iris", "1"))


async def test_a_header_never_fails_the_registration(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*_: Any) -> None:
        raise TypeError("unhashable type: 'slice'")

    await world.version("iris", 1, "/files")
    request: Any = SimpleNamespace(
        app=SimpleNamespace(state=SimpleNamespace(controller=SimpleNamespace(database=world.database)))
    )
    deep = b64encode(b"[" * 100_000).decode()
    await models_mlflow._tell(request, "iris", "1", deep)
    assert not caplog.records
    monkeypatch.setattr(databricks, "registered", wrong)
    await models_mlflow._tell(request, "iris", "1", deep)
    assert "header of iris version 1" in caplog.text


async def test_the_newest_that_load_a_version_are_known_and_crowd_nothing_out(world: World) -> None:
    await world.version("iris", 1, "/files")
    await world.alias("iris", "Champion", 1)
    spec = EndpointSpec("shop", (ServedEntity("iris", Selector(SelectorKind.ALIAS, "Champion"), "a"),))
    await world.database.run(endpoints.put, spec, "ann", False)
    await keeper.up_to_date(world.database)
    for first in range(0, 120, 40):
        jobs = [{"job": {"id": f"{number:03}", "k" * 500: "v" * 500}} for number in range(first, first + 40)]
        info = {"direction": "DOWNSTREAM", "entities": jobs}
        await world.database.run(databricks.emitted, "iris", "1", info)
        await asyncio.sleep(0.002)  # the next ones are newer by the clock of milliseconds

    def kept(connection: Connection) -> list[str]:
        consumers = select(tables.lineage_nodes.c.name).where(tables.lineage_nodes.c.type == "consumer")
        return sorted(connection.execute(consumers).scalars())

    names = await world.database.run(kept)
    assert len(names) == databricks.KEPT
    assert set(names) >= {f"job {number:03}" for number in range(80, 120)}
    found = await world.graph("iris", "1", history=True)
    assert sum(each.relation is Relation.LOADED for each in found.edges) == databricks.KEPT
    assert {"k" * 64: "v" * 256}.items() <= next(each.facts for each in found.nodes if each.name == "job 119").items()
    small = await world.graph("iris", "1", most=5)
    assert small.truncated
    assert {("iris 1", "named", "iris@Champion"), ("iris@Champion", "served", "shop")} <= drawn(small)
    assert {each.name for each in small.nodes if each.type == "consumer"} <= {f"job {n:03}" for n in range(80, 120)}
