"""The graph as OpenLineage events."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.controller.lineage import openlineage
from jupyter_modelserve.controller.store import endpoints
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity
from tests.support.openlineage import check
from tests.unit.lineage.conftest import LOGGED, World


async def _told(world: World) -> None:
    await world.run("0" * 31 + "1", LOGGED, path="/n/train.ipynb", run="5f0c", output="/out/x.ipynb")
    await world.read("0" * 31 + "1", "orders", source='{"uri": "s3://shop/orders.parquet"}', sha256="ab" * 32, rows="7")
    await world.version("dev.ml.iris", 1, f"models:/{LOGGED}")
    await world.version("prod.ml.iris", 3, "models:/dev.ml.iris/1")
    await world.alias("prod.ml.iris", "Champion", 3)
    entity = ServedEntity("prod.ml.iris", Selector(SelectorKind.ALIAS, "Champion"), "a")
    await world.database.run(endpoints.put, EndpointSpec("shop", (entity,)), "ann", False)


@pytest.mark.req("REQ-082")
async def test_every_event_is_valid_and_tells_the_chain(world: World) -> None:
    await _told(world)
    found = openlineage.events(await world.graph("prod.ml.iris", "3", full=True), "i1")
    for each in found:
        check(each)
    told = [(each.get("eventType", "job"), each["job"]["name"]) for each in found]
    assert sorted(told) == sorted(
        [
            ("START", "/n/train.ipynb"),
            ("COMPLETE", "/n/train.ipynb"),
            ("START", "copy to prod.ml.iris"),
            ("COMPLETE", "copy to prod.ml.iris"),
            ("job", "serve shop"),
        ]
    )
    training = next(each for each in found if each["job"]["name"] == "/n/train.ipynb")
    assert training["run"]["runId"] == "00000000-0000-0000-0000-000000000001"
    source, made = training["inputs"][0], training["outputs"][0]
    assert (source["namespace"], source["name"]) == ("s3://shop", "orders.parquet")
    assert source["facets"]["version"]["datasetVersion"] == "ab" * 32
    assert source["facets"]["schema"]["fields"] == [{"name": "x", "type": "double"}]
    assert (made["namespace"], made["name"]) == ("modelserve://i1", "dev.ml.iris")
    served = next(each for each in found if "run" not in each)
    assert [each["name"] for each in served["inputs"]] == ["prod.ml.iris"]
    assert served["inputs"][0]["facets"]["version"]["datasetVersion"] == "3"
    # A run is named the same in both of its events, and the copy goes from the one version to the other.
    copied = next(each for each in found if each["job"]["name"] == "copy to prod.ml.iris")
    assert [each["name"] for each in copied["inputs"]] == ["dev.ml.iris"]


async def test_runs_that_failed_or_still_run(world: World) -> None:
    await world.run("r1", LOGGED)
    await world.version("iris", 1, f"models:/{LOGGED}")
    for status, states in (("RUNNING", ["START"]), ("FAILED", ["START", "FAIL"]), ("KILLED", ["START", "ABORT"])):
        await world.sql("UPDATE runs SET status = :s", s=status)
        found = openlineage.events(await world.graph("iris", "1", full=True), "i1")
        assert [each["eventType"] for each in found] == states
        for each in found:
            check(each)


async def test_what_a_client_of_mlflow_made_up_is_exported_too(world: World) -> None:
    await world.run("r1", LOGGED)
    await world.read("r1", "orders")
    await world.sql("UPDATE runs SET start_time = 9000000000000000000")
    await world.sql("UPDATE datasets SET dataset_schema = :s", s='{"mlflow_colspec": ["x", {"name": "y"}]}')
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    found = openlineage.events(await world.graph("iris", "1", full=True), "i1")
    for each in found:
        check(each)
    fields = [each["inputs"][0]["facets"]["schema"]["fields"] for each in found if each["inputs"]]
    assert fields[0] == [{"name": "y", "type": ""}]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"source": '{"uri": "/data/x.parquet"}'}, ("file", "/data/x.parquet")),
        ({"source": '{"uri": "file:///data/x.parquet"}'}, ("file", "/data/x.parquet")),
        ({"source": '{"url": "https://host/a/b.csv"}'}, ("https://host", "a/b.csv")),
        ({"source": '{"delta_table_name": "prod.ml.iris"}'}, ("delta", "prod.ml.iris")),
        ({"source": '{"url": "postgresql://db:5432/shop", "query": "x"}', "source_type": "sql"},
         ("postgresql://db:5432", "shop.orders")),
        ({"source": '{"tags": {"mlflow.user": "me"}}', "source_type": "code"}, ("ours", "orders")),
        ({"source": "no JSON"}, ("ours", "orders")),
        ({"source": "[" * 8000}, ("ours", "orders")),
        ({"source": '{"uri": "http://[no-address"}'}, ("ours", "orders")),
        ({}, ("ours", "orders")),
    ],
)  # fmt: skip
def test_data_sets_are_named_by_where_they_lie(facts: dict[str, Any], expected: tuple[str, str]) -> None:
    assert openlineage.address(facts, "orders", "ours") == expected
