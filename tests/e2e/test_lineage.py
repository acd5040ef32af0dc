"""Lineage through the one address: what unmodified clients do becomes edges, and a stranger sees no names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from jupyter_modelserve.client import session
from jupyter_modelserve.client.lineage_verbs import lineage, open_lineage
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.client.verbs import specification
from jupyter_modelserve.errors import InvalidParameter, NotFound, PermissionDenied
from jupyter_modelserve.traced import Lineage, NodeType, NotebookRun, NotebookRunState
from tests.support.databricks import user
from tests.support.instance import RunningInstance, mlflow_of, started_instance
from tests.support.openlineage import check

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]
DEV, PROD = "dev.ml.iris", "prod.ml.iris"


@pytest.fixture(scope="module")
def house() -> Iterator[RunningInstance]:
    """An instance of its own: principals and models stay."""
    with started_instance("ms-lin-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.fixture(scope="module")
def story(house: RunningInstance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dev.ml.iris 1, trained on a parquet file and evaluated in another run, copied to prod and served by alias."""
    from mlflow.data.pandas_dataset import from_pandas
    from mlflow.entities import LoggedModelInput
    from sklearn.dummy import DummyRegressor

    import jupyter_modelserve as ms

    path = tmp_path_factory.mktemp("data") / "orders.parquet"
    frame = pd.DataFrame({"x": np.arange(20_000.0)})
    frame.to_parquet(path)
    with mlflow_of(house) as mlflow:
        with mlflow.start_run(run_name="training"):
            ms.log_table(path)
            info = mlflow.sklearn.log_model(
                DummyRegressor().fit([[0.0]], [1.0]), name="model", registered_model_name=DEV,
                input_example=np.array([[1.0]]),
            )  # fmt: skip
        with mlflow.start_run(run_name="checking") as run:
            mlflow.log_input(from_pandas(frame.head(9), name="held out"), "evaluation")
            mlflow.MlflowClient().log_inputs(run.info.run_id, models=[LoggedModelInput(info.model_id)])
    with house.client() as client:
        client.copy_version(DEV, "1", PROD, ["Champion"])
        client.put_endpoint(specification(f"{PROD}@Champion", name="shop"))
    return path


def _edges(found: Lineage) -> set[tuple[str, str, str]]:
    names = {each.id: each.name for each in found.nodes}
    return {(names[each.source], each.relation.value, names[each.target]) for each in found.edges}


@contextlib.contextmanager
def _as(house: RunningInstance, token: str) -> Iterator[Client]:
    with Client.discover(url=house.url, token=token, paths=house.paths) as client:
        yield client


@pytest.mark.req("REQ-082", "REQ-083", "REQ-104", "REQ-106")
def test_the_chain_from_data_to_endpoint_with_unmodified_clients(house: RunningInstance, story: Path) -> None:
    with house.client() as client:
        found = client.lineage(DEV, "1")
        upstream = client.lineage(PROD, "1", "upstream")
    edges = _edges(found)
    assert {
        ("orders.parquet", "read", "training"),
        ("training", "logged", "model"),
        ("held out", "evaluated", "model"),
        ("model", "registered", f"{DEV} 1"),
        (f"{DEV} 1", "copied", f"{PROD} 1"),
        (f"{PROD} 1", "named", f"{PROD}@Champion"),
        (f"{PROD}@Champion", "served", "shop"),
    } <= edges
    data = next(each for each in found.nodes if each.name == "orders.parquet")
    assert data.facts["rows"] == 20_000
    assert str(story) in data.facts["source"]
    assert ("orders.parquet", "read", "training") in _edges(upstream)
    assert NodeType.ENDPOINT not in {each.type for each in upstream.nodes}


def test_a_change_is_seen_by_the_next_question(house: RunningInstance, story: Path) -> None:
    with house.client() as client:
        client.set_alias(DEV, "candidate", "1")
        assert (f"{DEV} 1", "named", f"{DEV}@candidate") in _edges(client.lineage(DEV))
        client.delete_alias(DEV, "candidate")
        assert f"{DEV}@candidate" not in {each.name for each in client.lineage(DEV).nodes}
        past = [each for each in client.lineage(DEV, history=True).edges if each.ended_at]
        assert f"alias:{DEV}@candidate" in {each.target for each in past}
        with pytest.raises(InvalidParameter, match="direction"):
            client.lineage(DEV, "1", "sideways")
        with pytest.raises(NotFound, match="no version 9"):
            client.lineage(DEV, "9")


@pytest.mark.req("REQ-087", "REQ-105")
def test_a_stranger_sees_no_names(house: RunningInstance, story: Path) -> None:
    token = user(house, "bob")
    with _as(house, token) as bob:
        with pytest.raises(PermissionDenied):
            bob.lineage(DEV, "1")
        with house.client() as admin:
            admin.statements(
                "GRANT USE CATALOG ON CATALOG dev TO bob; GRANT USE SCHEMA ON SCHEMA dev.ml TO bob; "
                f"GRANT EXECUTE ON FUNCTION {DEV} TO bob"
            )
        found = bob.lineage(DEV, "1")
        assert (f"{DEV} 1", "copied", "withheld") in _edges(found)
        assert not any(word in str(found) + str(bob.open_lineage(DEV, "1")) for word in ("prod.ml", "Champion", "shop"))


@pytest.mark.req("REQ-082")
def test_the_export_is_valid_open_lineage(house: RunningInstance, story: Path) -> None:
    session.use(house.client())
    try:
        found = open_lineage(f"{PROD}@Champion")
        view = lineage(f"{PROD}@Champion")
        with pytest.raises(InvalidParameter, match="which version"):
            open_lineage(PROD)
    finally:
        session.use(None)
    for each in found:
        check(each)
    jobs = [each["job"]["name"] for each in found]
    assert jobs.count(f"copy to {PROD}") == 2
    assert "serve shop" in jobs
    training = next(each for each in found if {"orders.parquet"} & {Path(i["name"]).name for i in each["inputs"]})
    assert [each["name"] for each in training["outputs"]] == [DEV]
    assert view.title == f"Lineage of {PROD} version 1"
    assert "<svg" in view.html()
    assert "data set orders.parquet" in view.text()


@pytest.mark.req("REQ-082")
def test_a_databricks_client_tells_what_loads_a_version(house: RunningInstance, story: Path) -> None:
    body: dict[str, Any] = {
        "name": DEV,
        "version": "1",
        "model_version_lineage_info": {"direction": "DOWNSTREAM", "entities": [{"job": {"id": "nightly"}}]},
    }
    address = f"{house.url}/api/2.0/mlflow/unity-catalog/model-versions/emit-lineage"
    answer = httpx.post(address, json=body, headers=house.headers, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {})
    with house.client() as client:
        assert (f"{DEV} 1", "loaded", "job nightly") in _edges(client.lineage(DEV, "1"))
    missing = httpx.post(address, json={**body, "version": "9"}, headers=house.headers, trust_env=False)
    assert missing.status_code == 404


def test_runs_of_notebooks_are_their_reporters(house: RunningInstance, story: Path) -> None:
    run = NotebookRun("ab12", "/n/x.ipynb", "/o/x.ipynb", NotebookRunState.RUNNING, {"a": 1}, 5, principal="mallory")
    token = user(house, "carol")
    with house.client() as client, _as(house, token) as carol:
        first = client.report_notebook_run(run)
        assert (first.principal, first.number) == (client.me().name, client.notebook_runs()[0].number)
        with pytest.raises(PermissionDenied, match="somebody else"):
            carol.report_notebook_run(run)
        assert [each.id for each in carol.notebook_runs()] == ["ab12"]
        assert client.notebook_runs(after=first.number) == []
