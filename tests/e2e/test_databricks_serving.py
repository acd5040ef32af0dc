"""Serverless real-time inference as the sources print it: plain HTTP and databricks-sdk, against the real daemons."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from jupyter_modelserve.client.verbs import specification
from tests.support import zoo
from tests.support.databricks import pointed_at, user
from tests.support.instance import RunningInstance, mlflow_of, started_instance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
MODEL = "ElasticNet"
ENDPOINTS = "/api/2.0/preview/mlflow/endpoints-v2"
COMPUTE = "/api/2.0/preview/model-serving-api/endpoints-v2/update-compute-config"
STAGE = "/api/2.0/mlflow/databricks/model-versions/transition-stage"
NAMED = {"registered_model_name": MODEL}
ROWS = {"inputs": [[1.0]]}
SECONDS = 180.0


@pytest.fixture(autouse=True)
def _sockets_of_clients() -> Iterator[None]:
    """The clients leave their connections to the garbage collector: it comes while this test's filter holds."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def house() -> Iterator[RunningInstance]:
    """An instance with three versions of one workspace model; version n predicts n."""
    with started_instance("ms-s4-") as found:
        found.wait_for_mlflow()
        with mlflow_of(found) as mlflow:
            for constant in (1.0, 2.0, 3.0):
                _log(mlflow, constant)
        yield found


def _log(mlflow: Any, constant: float) -> None:
    from sklearn.dummy import DummyRegressor

    model = DummyRegressor(strategy="constant", constant=constant).fit([[0.0]], [constant])
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name=MODEL, input_example=np.array([[1.0]]),
            pip_requirements=zoo.pins("scikit-learn", "numpy", "cloudpickle"),
        )  # fmt: skip


@pytest.fixture
def http(house: RunningInstance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url, headers=house.headers, timeout=60) as client:
        yield client


def _until(found: Callable[[], Any], what: str) -> Any:
    """Wait until *found* gives something."""
    until = time.monotonic() + SECONDS
    while not (value := found()):
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.05)
    return value


def _get(http: httpx.Client, operation: str, **more: str) -> Any:
    answer = http.get(f"{ENDPOINTS}/{operation}", params={**NAMED, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _aliases(http: httpx.Client) -> dict[str, str]:
    return {each["alias"]: each["endpoint_version_name"] for each in _get(http, "list-version-aliases")["aliases"]}


def _move(http: httpx.Client, version: str, stage: str, archive: bool, comment: str = "") -> Any:
    body = {"name": MODEL, "version": version, "stage": stage, "archive_existing_versions": archive}
    answer = http.post(STAGE, json={**body, "comment": comment})
    assert answer.status_code == 200, answer.text
    return answer.json()["model_version_databricks"]


def _score(http: httpx.Client, path: str) -> Any:
    answer = http.post(path, json=ROWS)
    return answer.json()["predictions"][0] if answer.status_code == 200 else answer.status_code


@pytest.mark.req("REQ-011", "REQ-164", "REQ-166", "REQ-167", "REQ-169", "REQ-170", "REQ-171", "REQ-172", "REQ-177")
@pytest.mark.req("REQ-182", "REQ-183", "REQ-184", "REQ-185", "REQ-187", "REQ-188", "REQ-189", "REQ-190")
@pytest.mark.req("REQ-191", "REQ-192", "REQ-193", "REQ-195", "REQ-107")
def test_a_life_from_enable_to_disable(house: RunningInstance, http: httpx.Client) -> None:
    # Not enabled yet; the classic endpoint serves every version first (REQ-002), and moves over without a gap.
    missing = http.get(f"{ENDPOINTS}/get-status", params=NAMED)
    assert (missing.status_code, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    with house.client() as ours:
        _move(http, "3", "Archived", False)
        classic = ours.put_endpoint(specification(MODEL))
        ours.wait_ready(classic.spec.name, timeout=SECONDS)
    moved = _move(http, "1", "Production", False, "good enough")
    assert (moved["current_stage"], moved["version"]) == ("Production", "1")
    _until(lambda: _score(http, f"/model/{MODEL}/Production/invocations") == 1.0, "the classic endpoint answers")
    enabled = http.post(f"{ENDPOINTS}/enable", json=NAMED)
    assert enabled.status_code == 200, enabled.text
    assert enabled.json()["endpoint_status"]["registered_model_name"] == MODEL
    assert _score(http, f"/model/{MODEL}/Production/invocations") == 1.0, "no gap while it moves (REQ-011)"
    assert http.post(f"{ENDPOINTS}/enable", json=NAMED).status_code == 200, "twice is once"

    # Only what is in Staging or Production is served; both address families answer.
    _until(
        lambda: [each["endpoint_version_name"] for each in _get(http, "list-versions")["endpoint_statuses"]] == ["1"],
        "1",
    )
    status = _until(
        lambda: (found := _get(http, "get-status")["endpoint_status"])["state"] == "READY" and found, "READY"
    )
    assert status["state_message"] == "Ready"
    assert [each["stage"] for each in status["compute_config"]] == ["Staging", "Production"]
    first = status["compute_config"][0]
    assert first["workload_spec"] == {"workload_size_id": "Small", "scale_to_zero_enabled": False}
    assert isinstance(first["creation_timestamp"], int)
    assert first["user_id"]
    assert _score(http, f"/model-endpoint/{MODEL}/Production/invocations") == 1.0
    assert _score(http, f"/model/{MODEL}/2/invocations") == 404
    unserved = http.get(f"{ENDPOINTS}/get-version-status", params={**NAMED, "endpoint_version_name": "2"})
    assert (unserved.status_code, "REQ-182" in unserved.json()["message"]) == (404, True)

    # A second version in Staging, beside the first.
    _move(http, "2", "Staging", False)
    _until(lambda: _aliases(http) == {"Staging": "2", "Production": "1"}, "both stages")
    body = json.dumps({**NAMED, "endpoint_version_name": "2"})
    by_body = http.request("GET", f"{ENDPOINTS}/get-version-status", content=body)
    one = by_body.json()["endpoint_status"]
    assert (one["registered_model_name"], one["endpoint_version_name"]) == (MODEL, "2")
    assert (one["service_status"]["state"], one["service_status"]["message"]) == ("SERVICE_STATE_READY", "Ready")
    assert one["service_status"]["config"]["stage"] == "Staging"

    # Its compute changes; progress is config_update_status, and the stage answers all the time.
    wanted = {"workload_size_id": "Medium", "scale_to_zero_enabled": True}
    change = {**NAMED, "stage": "Staging", "desired_workload_config_spec": wanted}
    assert http.put(COMPUTE, json=change).status_code == 200
    now = _get(http, "get-version-status", endpoint_version_name="2")["endpoint_status"]
    assert now["config_update_status"]["config"]["workload_spec"] == wanted
    if now["config_update_status"]["state"] == "SERVICE_STATE_PENDING":
        assert now["config_update_status"]["message"] == "Pending"
        assert now["service_status"]["config"]["workload_spec"]["workload_size_id"] == "Small"
    assert _score(http, f"/model/{MODEL}/Staging/invocations") == 2.0

    def done() -> bool:
        found = _get(http, "get-version-status", endpoint_version_name="2")["endpoint_status"]
        states = {found[key]["state"] for key in ("service_status", "config_update_status")}
        return states == {"SERVICE_STATE_READY"} and found["service_status"]["config"]["workload_spec"] == wanted

    _until(done, "the new compute configuration")
    production = _get(http, "get-status")["endpoint_status"]["compute_config"][1]
    assert production["workload_spec"]["workload_size_id"] == "Small"

    # Promoted with archive_existing_versions: the old one answers until the new one does.
    answers: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=house.url, headers=house.headers, timeout=60) as client:
            while not stop.is_set():
                answers.append(_score(client, f"/model-endpoint/{MODEL}/Production/invocations"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        _move(http, "2", "Production", True, "better")
        _until(lambda: _aliases(http).get("Production") == "2", "version 2 in Production")
        _until(lambda: answers[-1:] == [2.0], "it answers")
    finally:
        stop.set()
        asking.join()
    assert set(answers) == {1.0, 2.0}, "not one request failed"
    assert answers == sorted(answers), "and none went back"
    with house.client() as ours:
        stages = {each.version: each.stage for each in ours.model(MODEL).versions}
    assert stages == {"1": "Archived", "2": "Production", "3": "Archived"}

    # Without it both stay; the stage is the newest, the other one keeps its own address (REQ-185).
    _move(http, "3", "Production", False)
    _until(lambda: _aliases(http).get("Production") == "3", "version 3 in Production")
    assert _score(http, f"/model/{MODEL}/Production/invocations") == 3.0
    assert _score(http, f"/model/{MODEL}/2/invocations") == 2.0
    with house.client() as admin:
        trail = admin.audit(kind="MODEL", name=MODEL, limit=1000)
    comments = [(each.version, each.after) for each in trail if each.action == "transition comment"]
    assert comments == [("1", "good enough"), ("2", "better")]

    assert http.post(f"{ENDPOINTS}/disable", json=NAMED).json() == {}
    _until(lambda: http.get(f"{ENDPOINTS}/get-status", params=NAMED).status_code == 404, "disabled")
    _until(lambda: _score(http, f"/model/{MODEL}/Production/invocations") == 404, "nothing answers")


@pytest.mark.req("REQ-023", "REQ-162", "REQ-164", "REQ-166", "REQ-187", "REQ-110")
def test_what_is_refused(house: RunningInstance, http: httpx.Client) -> None:
    assert http.post(f"{ENDPOINTS}/enable", json={"registered_model_name": "nothing"}).status_code == 404
    catalog = http.post(f"{ENDPOINTS}/enable", json={"registered_model_name": "a.b.c"})
    assert (catalog.status_code, "REQ-110" in catalog.json()["message"]) == (400, True)
    lacking = http.post(f"{ENDPOINTS}/enable", json={})
    assert (lacking.status_code, "registered_model_name" in lacking.json()["message"]) == (400, True)
    assert http.post(f"{ENDPOINTS}/enable", content=b"{").json()["error_code"] == "BAD_REQUEST"
    assert http.get(f"{ENDPOINTS}/enable").status_code == 405
    assert httpx.get(f"{house.url}{ENDPOINTS}/get-status", params=NAMED).status_code == 401
    with httpx.Client(base_url=house.url, headers={"authorization": f"Bearer {user(house, 'carol')}"}) as carol:
        calls: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("POST", f"{ENDPOINTS}/enable", NAMED),
            ("POST", f"{ENDPOINTS}/disable", NAMED),
            ("GET", f"{ENDPOINTS}/get-status", NAMED),
            ("GET", f"{ENDPOINTS}/list-versions", NAMED),
            ("GET", f"{ENDPOINTS}/list-version-aliases", NAMED),
            ("PUT", COMPUTE, {**NAMED, "stage": "Staging", "desired_workload_config_spec": {}}),
            ("POST", STAGE, {"name": MODEL, "version": "1", "stage": "Staging", "archive_existing_versions": False}),
        )
        for method, path, body in calls:
            answer = carol.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), path
    _until(lambda: http.post(f"{ENDPOINTS}/enable", json=NAMED).status_code == 200, "the one before has stopped")
    try:
        cases: tuple[tuple[str, Any, str], ...] = (
            ("Archived", {"workload_size_id": "Small"}, "stage"),
            ("Staging", {"workload_size_id": "Huge"}, "workload_size_id"),
            ("Staging", {"scale_to_zero_enabled": "perhaps"}, "scale_to_zero_enabled"),
            ("Staging", "Small", "desired_workload_config_spec"),
        )
        for stage, wanted, field in cases:
            body = {**NAMED, "stage": stage, "desired_workload_config_spec": wanted}
            answer = http.put(COMPUTE, json=body)
            assert (answer.status_code, answer.json()["details"]["field"]) == (400, field)
    finally:
        http.post(f"{ENDPOINTS}/disable", json=NAMED)


@pytest.mark.req("REQ-107", "REQ-183")
def test_the_sdk_moves_a_version_between_stages(house: RunningInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import BadRequest, NotFound

    with pointed_at(house, house.token, monkeypatch):
        w: Any = WorkspaceClient()
        moved = w.model_registry.transition_stage(MODEL, "3", "Staging", False, comment="again")
        assert moved.model_version_databricks.current_stage == "Staging"
        found = w.model_registry.get_model(MODEL).registered_model_databricks
        assert (found.name, {each.current_stage: each.version for each in found.latest_versions}["Staging"]) == (
            MODEL,
            "3",
        )
        with pytest.raises(NotFound):
            w.model_registry.transition_stage(MODEL, "99", "Staging", False)
        with pytest.raises(BadRequest):
            w.model_registry.transition_stage(MODEL, "3", "Nowhere", False)
        with house.client() as ours:
            ours.wait_gone(MODEL)
        status = w.api_client.do("POST", f"{ENDPOINTS}/enable", body=NAMED)
        assert status["endpoint_status"]["registered_model_name"] == MODEL
        w.api_client.do("POST", f"{ENDPOINTS}/disable", body=NAMED)
