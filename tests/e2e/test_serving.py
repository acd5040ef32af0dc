"""Serving from end to end through the one address: selection, changes, failures, limits, crashes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from jupyter_modelserve.types import Endpoint
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
BODY = json.dumps({"dataframe_records": [ROW]})


@pytest.fixture(scope="module")
def mlflow(instance: RunningInstance) -> Iterator[Any]:
    """MLflow as a notebook of the user has it."""
    with mlflow_of(instance) as module:
        yield module


@pytest.fixture
def api(instance: RunningInstance) -> Iterator[httpx.Client]:
    """Plain HTTP with the token."""
    with httpx.Client(base_url=instance.url, headers=instance.headers, timeout=60) as client:
        yield client


class Serving:
    """Puts endpoints and removes them at the end of a test."""

    def __init__(self, instance: RunningInstance, api: httpx.Client) -> None:
        self.instance, self.api, self.names = instance, api, list[str]()

    def put(self, name: str, model: str, kind: str, value: str | None = None, **fields: Any) -> Endpoint:
        body = {"entities": [{"model": model, "selector": {"kind": kind, "value": value}}], **fields}
        answer = self.api.put(f"/api/modelserve/v1/endpoints/{name}", json=body)
        assert answer.status_code == 202, answer.text
        self.names.append(name)
        return self.wait(name, answer.json()["generation"])

    def wait(self, name: str, generation: int) -> Endpoint:
        with self.instance.client() as client:
            return client.wait_ready(name, generation, timeout=120)

    def raw(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/api/modelserve/v1/endpoints/{name}").json()
        return found

    def until(self, what: str, check: Any, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            found = check()
            if found:
                return found
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.02)

    def score(self, path: str, body: str = BODY, **headers: str) -> httpx.Response:
        return self.api.post(path, content=body, headers={"content-type": "application/json", **headers})


@pytest.fixture
def serving(instance: RunningInstance, api: httpx.Client) -> Iterator[Serving]:
    """See Serving."""
    made = Serving(instance, api)
    yield made
    for name in dict.fromkeys(made.names):
        api.delete(f"/api/modelserve/v1/endpoints/{name}")
    for name in dict.fromkeys(made.names):
        made.until(f"{name} is gone", lambda name=name: "spec" not in made.raw(name))


@pytest.fixture(scope="module")
def flower(mlflow: Any) -> str:
    """A registered model with two good versions."""
    for _ in range(2):
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        zoo.register(mlflow, "flower", model, frame.head(2))
    mlflow.MlflowClient().set_registered_model_alias("flower", "Champion", "1")
    return "flower"


@pytest.mark.req("REQ-002", "REQ-003", "REQ-006", "REQ-007", "REQ-015")
def test_active_versions_follow_the_registry(mlflow: Any, serving: Serving) -> None:
    model, frame = zoo.iris(zoo.IRIS_SHORT)
    zoo.register(mlflow, "classic", model, frame.head(2))
    serving.put("classic", "classic", "active")
    assert serving.score("/model/classic/1/invocations").json() == {"predictions": [0]}
    zoo.register(mlflow, "classic", model, frame.head(2))
    serving.until("version 2 answers", lambda: serving.score("/model/classic/2/invocations").status_code == 200)
    parents = {each["environment"]["key"] for each in serving.raw("classic")["status"]["versions"]}
    assert len(parents) == 1
    mlflow.MlflowClient().transition_model_version_stage("classic", "1", "Archived")
    serving.until("version 1 is gone", lambda: serving.score("/model/classic/1/invocations").status_code == 404)
    assert serving.score("/model/classic/2/invocations").status_code == 200


@pytest.mark.req("REQ-070", "REQ-076", "REQ-129")
def test_an_alias_moves_without_one_failed_request(mlflow: Any, flower: str, serving: Serving) -> None:
    serving.put("follow", flower, "alias", "Champion")
    answers: list[tuple[int, str]] = []
    done = threading.Event()

    def load() -> None:
        with httpx.Client(headers=serving.instance.headers) as client:
            while not done.is_set():
                url = f"{serving.instance.url}/model/{flower}/Champion/invocations"
                got = client.post(url, content=BODY, headers={"content-type": "application/json"})
                answers.append((got.status_code, got.headers.get("x-modelserve-version", "")))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in ("2", "1"):
            mlflow.MlflowClient().set_registered_model_alias(flower, "Champion", version)
            serving.until(f"version {version} answers", lambda version=version: answers and answers[-1][1] == version)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} == {"1", "2"}
    assert len(answers) > 100


@pytest.mark.req("REQ-121", "REQ-129", "REQ-131")
def test_a_version_that_cannot_load_says_why_and_the_others_go_on(mlflow: Any, serving: Serving) -> None:
    model, frame = zoo.iris(zoo.IRIS_SHORT)
    zoo.register(mlflow, "broken", model, frame.head(2))

    class NeedsWhatIsNotThere:
        def __reduce__(self) -> Any:
            return (__import__, ("no_such_module_anywhere",))

    def predict(model_input: Any, secret: Any = NeedsWhatIsNotThere()) -> Any:  # noqa: B008
        return [secret for _ in model_input]

    mlflow.MlflowClient().set_registered_model_alias("broken", "Champion", "1")
    serving.put("broken", "broken", "alias", "Champion")
    wrapped = type("Wrapped", (mlflow.pyfunc.PythonModel,), {"predict": lambda self, model_input: predict(model_input)})
    zoo.register(mlflow, "broken", wrapped())
    mlflow.MlflowClient().set_registered_model_alias("broken", "Champion", "2")
    serving.until(
        "the change fails",
        lambda: (found := serving.raw("broken")["status"]) and found["update"] == "UPDATE_FAILED" and found,
    )
    status = serving.raw("broken")["status"]
    (failed,) = [each for each in status["versions"] if each["version"] == "2"]
    assert status["service"] == "READY"
    assert failed["failure"]["cause"] == "missing module"
    assert "no_such_module_anywhere" in failed["failure"]["message"]
    answer = serving.score("/model/broken/Champion/invocations")
    assert (answer.status_code, answer.headers["x-modelserve-version"]) == (200, "1")


@pytest.mark.req("REQ-045", "REQ-046", "REQ-128")
def test_events_logs_and_phases_tell_the_story(flower: str, serving: Serving) -> None:
    endpoint = serving.put("story", flower, "version", "1")
    names = [phase.name for phase in endpoint.status.versions[0].phases]
    assert names == ["resolve", "environment", "start", "load", "probe", "ready"]
    assert endpoint.status.versions[0].verdict == "passed"
    events = serving.api.get("/api/modelserve/v1/endpoints/story/events").json()["events"]
    told = " ".join(each["message"] for each in events)
    assert "flower version 1 is LOADING" in told
    assert "flower version 1 is READY" in told
    logs = serving.api.get("/api/modelserve/v1/endpoints/story/logs", params={"version": "1"})
    assert logs.status_code == 200
    with serving.api.stream(
        "GET", "/api/modelserve/v1/endpoints/story/events", headers={"accept": "text/event-stream"}
    ) as stream:
        first = next(line for line in stream.iter_lines() if line.startswith("event:"))
    assert first == "event: status"


def test_headers_name_model_version_and_request(flower: str, serving: Serving) -> None:
    serving.put("named", flower, "version", "1")
    answer = serving.score("/serving-endpoints/named/invocations", **{"x-request-id": "mine-1"})
    assert answer.status_code == 200
    assert answer.headers["x-modelserve-model"] == flower
    assert answer.headers["x-modelserve-version"] == "1"
    assert answer.headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("/model/flower/1/invocations", "{", {}, 400, "BAD_REQUEST"),
        ("/model/flower/1/invocations", '{"dataframe_records": [{"sepal_length": 1}]}', {}, 400, ""),
        ("/model/flower/1/invocations", '{"dataframe_records": [], "inputs": []}', {}, 400, "BAD_REQUEST"),
        ("/model/flower/9/invocations", BODY, {}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/model/nothing/1/invocations", BODY, {}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/serving-endpoints/nothing/invocations", BODY, {}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("/model/flower/1/invocations", BODY, {"authorization": "Bearer ms_wrong"}, 401, "UNAUTHENTICATED"),
        ("/model/flower/1/invocations", BODY, {"host": "evil.example"}, 403, "PERMISSION_DENIED"),
        ("/model/flower/1/invocations", BODY, {"origin": "http://evil.example"}, 403, "PERMISSION_DENIED"),
        ("/model/flower/1/invocations", BODY, {"content-type": "image/png"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("/model/flower/1/invocations", "x" * (16 * 1024 * 1024 + 1), {}, 413, "PAYLOAD_TOO_LARGE"),
        ("/graphql", BODY, {}, 404, "RESOURCE_DOES_NOT_EXIST"),
    ],
)
@pytest.mark.req("REQ-014", "REQ-018", "REQ-034", "REQ-145")
def test_bad_requests_are_answered_in_the_one_error_shape(
    flower: str, serving: Serving, path: str, body: str, headers: dict[str, str], status: int, code: str
) -> None:
    if "bad" not in serving.names and not serving.api.get("/api/modelserve/v1/endpoints/bad").is_success:
        serving.put("bad", flower, "version", "1")
        serving.names.clear()
    answer = serving.score(path, body, **headers)
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert set(error) == {"error_code", "message", "details", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    assert code in error["error_code"]
    assert "Traceback" not in answer.text
    assert "5.1" not in answer.text


@pytest.mark.req("REQ-130")
def test_a_slow_model_is_answered_504_and_restarted(mlflow: Any, serving: Serving) -> None:
    class Slow(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: Any) -> Any:
            import time

            time.sleep(float(model_input.iloc[0, 0]))
            return [1]

    import pandas as pd

    zoo.register(mlflow, "slow", Slow(), pd.DataFrame({"seconds": [0.0]}))
    serving.put("slow", "slow", "active", request_timeout=1.0)
    started = time.monotonic()
    answer = serving.score("/model/slow/1/invocations", '{"dataframe_split": {"columns": ["seconds"], "data": [[60]]}}')
    assert answer.status_code == 504, answer.text
    assert time.monotonic() - started < 10
    assert answer.json()["error_code"] == "DEADLINE_EXCEEDED"
    serving.until("the worker was restarted", lambda: serving.raw("slow")["status"]["versions"][0]["restarts"] == 1)
    quick = '{"dataframe_split": {"columns": ["seconds"], "data": [[0]]}}'
    serving.until("it answers again", lambda: serving.score("/model/slow/1/invocations", quick).status_code == 200)


@pytest.mark.req("REQ-004")
def test_a_killed_worker_comes_back_by_itself(flower: str, serving: Serving) -> None:
    serving.put("killed", flower, "version", "1")
    home = str(serving.instance.home)
    replicas = [each for each in psutil.process_iter(["cmdline"]) if home in " ".join(each.info["cmdline"] or [])]
    parents = [each for each in replicas if "parent" in (each.info["cmdline"] or [])]
    workers = [child for parent in parents for child in parent.children()]
    assert workers
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    serving.until("it answers again", lambda: serving.score("/model/flower/1/invocations").status_code == 200)


def _prepared(endpoint: dict[str, Any]) -> Any:
    """Its version, once it is READY and the controller knows its environment again."""
    versions = endpoint.get("status", {}).get("versions") or [{}]
    return versions[0] if versions[0].get("state") == "READY" and versions[0]["environment"] else None


def test_scoring_goes_on_while_the_controller_is_gone_and_it_adopts(flower: str, serving: Serving) -> None:
    serving.put("adopted", flower, "version", "1")
    before = serving.raw("adopted")["status"]["versions"][0]
    os.kill(serving.instance.pid("controller"), signal.SIGKILL)
    for _ in range(20):
        assert serving.score("/model/flower/1/invocations").status_code == 200
    after = serving.until("it is adopted", lambda: _prepared(serving.raw("adopted")))
    assert after["restarts"] == before["restarts"]
    assert after["environment"]["key"] == before["environment"]["key"]
    serving.instance.wait_for_mlflow()


@pytest.mark.req("REQ-019", "REQ-020", "REQ-021")
def test_tokens_are_scoped_and_revoked_within_a_second(flower: str, serving: Serving) -> None:
    serving.put("tokens", flower, "version", "1")
    made = serving.api.post("/api/modelserve/v1/tokens", json={"comment": "power bi", "scopes": ["score"]}).json()
    bearer = {"authorization": f"Bearer {made['token']}"}
    serving.until("it is known", lambda: serving.score("/model/flower/1/invocations", **bearer).status_code == 200)
    assert serving.api.get("/api/modelserve/v1/endpoints", headers=bearer).status_code == 403
    basic = httpx.post(
        f"{serving.instance.url}/model/flower/1/invocations", content=BODY, auth=("token", made["token"])
    )
    assert basic.status_code == 200
    assert serving.api.delete(f"/api/modelserve/v1/tokens/{made['info']['id']}").status_code == 204
    serving.until(
        "it is refused", lambda: serving.score("/model/flower/1/invocations", **bearer).status_code == 401, seconds=5
    )


def test_what_does_not_exist_is_refused_when_it_is_asked_for(flower: str, api: httpx.Client) -> None:
    def ask(model: str, kind: str, value: str | None) -> httpx.Response:
        entity = {"model": model, "selector": {"kind": kind, "value": value}}
        return api.put("/api/modelserve/v1/endpoints/none", json={"entities": [entity]})

    for answer, word in (
        (ask("flowre", "active", None), "not registered"),
        (ask(flower, "alias", "Gold"), "no alias 'Gold'"),
        (ask(flower, "version", "77"), "no version 77"),
    ):
        assert answer.status_code == 404
        assert word in answer.json()["message"]
    assert ask(flower, "stage", "Gold").status_code == 400
    assert api.get("/api/modelserve/v1/endpoints/none").status_code == 404
    assert api.delete("/api/modelserve/v1/endpoints/none").status_code == 404


@pytest.mark.req("REQ-005")
def test_a_stopped_endpoint_leaves_nothing(flower: str, serving: Serving, api: httpx.Client) -> None:
    serving.put("stopped", flower, "version", "2")
    replicas = serving.instance.paths.replicas
    count = len(list(replicas.iterdir()))
    api.delete("/api/modelserve/v1/endpoints/stopped")
    serving.until("it is gone", lambda: api.get("/api/modelserve/v1/endpoints/stopped").status_code == 404)
    assert len(list(replicas.iterdir())) < count
    assert serving.score("/serving-endpoints/stopped/invocations").status_code == 404
