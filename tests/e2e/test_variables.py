"""Environment variables, secrets and the merged log of an endpoint, from end to end on the process engine."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import PreconditionFailed
from jupyter_modelserve.types import Endpoint, EndpointSpec, Selector, SelectorKind, ServedEntity
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
NAME = "telling"
FIRST, SECOND = "first-s3cret-value", "second-s3cret-value"
BODY = json.dumps({"dataframe_records": [{"x": 1.0}]})


def telling(mlflow: Any) -> Any:
    class Telling(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            import hashlib
            import os

            secret = os.environ.get("API_KEY", "")
            print(f"asked with {secret}", flush=True)
            return [os.environ.get("REGION", "") + hashlib.sha256(secret.encode()).hexdigest()] * len(model_input)

    return Telling()


def expected(region: str, secret: str) -> str:
    return region + hashlib.sha256(secret.encode()).hexdigest()


@pytest.fixture(scope="module")
def client(instance: RunningInstance) -> Iterator[Client]:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    with mlflow_of(instance) as mlflow, instance.client() as found:
        signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]))
        zoo.register(mlflow, NAME, telling(mlflow), None, signature=signature)
        yield found
        found.delete_endpoint(NAME)
        found.wait_gone(NAME)


def spec(**fields: Any) -> EndpointSpec:
    entity = ServedEntity(NAME, Selector(SelectorKind.ACTIVE), replicas=2)
    return EndpointSpec(NAME, (entity,), **{"environment_vars": {"REGION": "eu "}, "secrets": ("API_KEY",), **fields})


@contextmanager
def asked(instance: RunningInstance) -> Iterator[list[str]]:
    """Score all the time; gives the answers, with what was not 200 as it is."""
    heard, stop = list[str](), threading.Event()

    def ask() -> None:
        with httpx.Client(headers={**instance.headers, "content-type": "application/json"}, timeout=60) as http:
            while not stop.is_set():
                answer = http.post(f"{instance.url}/serving-endpoints/{NAME}/invocations", content=BODY)
                heard.append(str(answer.json()["predictions"][0]) if answer.status_code == 200 else answer.text)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield heard
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def until_heard(heard: list[str], wanted: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while wanted not in heard:
        assert time.monotonic() < deadline, heard[-1:]
        time.sleep(0.02)


def ready(client: Client, endpoint: Endpoint) -> Endpoint:
    return client.wait_ready(NAME, endpoint.generation, 120)


@pytest.mark.req("REQ-140", "REQ-129")
def test_a_secret_reaches_the_model_and_its_change_costs_no_request(client: Client, instance: RunningInstance) -> None:
    found = ready(client, client.put_endpoint(spec(), {"API_KEY": FIRST}))
    assert found.spec.secrets == ("API_KEY",)
    with asked(instance) as heard:
        until_heard(heard, expected("eu ", FIRST))
        assert ready(client, client.put_endpoint(spec())).generation == found.generation, "the same is no change"
        changed = ready(client, client.put_secret(NAME, "API_KEY", SECOND))
        until_heard(heard, expected("eu ", SECOND))
        ready(client, client.put_endpoint(spec(environment_vars={"REGION": "us "})))
        until_heard(heard, expected("us ", SECOND))
    assert changed.generation == found.generation + 1
    assert set(heard) == {expected("eu ", FIRST), expected("eu ", SECOND), expected("us ", SECOND)}


@pytest.mark.req("REQ-140")
def test_no_place_shows_a_secret(client: Client, instance: RunningInstance) -> None:
    generation = client.endpoint(NAME).generation
    turned = client.rotate_secret_key()
    assert (turned.renewed, turned.unreadable) == (1, ())
    assert ready(client, client.put_endpoint(spec(environment_vars={"REGION": "us "}))).generation == generation
    with httpx.Client(base_url=f"{instance.url}/api/modelserve/v1", headers=instance.headers, timeout=60) as api:
        pages = ["/endpoints", f"/endpoints/{NAME}", f"/endpoints/{NAME}/events", f"/endpoints/{NAME}/logs", "/audit"]
        shown = {page: api.get(page).raise_for_status().text for page in pages}
    assert "asked with [secret]" in shown[f"/endpoints/{NAME}/logs"]
    assert "API_KEY" in shown["/audit"]
    for path in instance.home.rglob("*"):
        if path.is_file():
            shown[str(path)] = _text(path)
    for process in psutil.process_iter():
        if any(str(instance.home) in each for each in _arguments(process)):
            shown[f"{process.pid} arguments"] = " ".join(_arguments(process))
            shown[f"{process.pid} environment"] = _text(Path(f"/proc/{process.pid}/environ"))
    assert any("REGION=us" in each for name, each in shown.items() if name.endswith("environment"))
    assert [name for name, text in shown.items() if FIRST in text or SECOND in text] == []


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return [str(each) for each in process.cmdline()]
    except psutil.Error:
        return []


@pytest.mark.req("REQ-046", "REQ-197")
def test_the_log_of_all_replicas_is_one_by_time_and_can_be_followed(client: Client, instance: RunningInstance) -> None:
    before = client.merged_logs(NAME, tail=5)
    with asked(instance) as heard:
        found, lines = before, list(before.lines)
        deadline = time.monotonic() + 30
        while len({line.replica for line in lines if "asked with" in line.text}) < 2 or len(lines) < 200:
            assert time.monotonic() < deadline
            found = client.merged_logs(NAME, tail=10_000, after=found.next)
            lines += found.lines
    deadline = time.monotonic() + 10
    while sum("asked with" in line.text for line in lines[len(before.lines) :]) < len(heard):
        assert time.monotonic() < deadline
        found = client.merged_logs(NAME, tail=10_000, after=found.next)
        lines += found.lines
    assert sum("asked with" in line.text for line in lines[len(before.lines) :]) == len(heard), "each line once"
    whole = client.merged_logs(NAME, tail=10_000)
    assert [line.at for line in whole.lines] == sorted(line.at for line in whole.lines)
    replica = lines[-1].replica
    assert f"{replica[:8]} {NAME}/1  asked with [secret]\n" in whole.logs
    alone = client.merged_logs(NAME, version="1", replica=replica[:8], tail=3)
    assert {line.replica for line in alone.lines} == {replica}
    assert alone.logs.splitlines()[-1] == "asked with [secret]"


@pytest.mark.req("REQ-045", "REQ-046")
def test_replicas_and_restarts_are_in_the_history(client: Client) -> None:
    events = client.events(NAME)
    states = {str(each.data.get("state")) for each in events if each.kind == "replica"}
    assert "READY" in states
    with mend(client) as pid:
        psutil.Process(pid).kill()
        deadline = time.monotonic() + 60
        while not any("is started again (number 1)" in each.message for each in client.events(NAME)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    (found,) = [each for each in client.events(NAME) if "is started again" in each.message]
    assert (found.kind, found.model, found.version) == ("version", NAME, "1")
    assert "signal 9" in found.message


@contextmanager
def mend(client: Client) -> Iterator[int]:
    """The pid of a process that answers; afterwards the endpoint is as it was."""
    (worker,) = [
        each
        for each in psutil.process_iter(["pid", "environ"])
        if (each.info["environ"] or {}).get("REGION") == "us " and each.ppid() != 1
    ][:1]
    yield worker.pid
    ready(client, client.endpoint(NAME))


@pytest.mark.req("REQ-129")
def test_a_change_on_condition_is_refused_when_another_came_first(client: Client) -> None:
    seen = client.endpoint(NAME)
    changed = client.put_endpoint(replace(seen.spec, tags={"team": "a"}), expected=seen)
    with pytest.raises(PreconditionFailed, match=f"it has generation {changed.generation} now"):
        client.put_endpoint(replace(seen.spec, tags={"team": "b"}), expected=seen)
    with pytest.raises(PreconditionFailed):
        client.delete_endpoint(NAME, expected=seen.generation)
    with pytest.raises(PreconditionFailed, match="exists already"):
        client.put_endpoint(seen.spec, expected=0)
    assert client.endpoint(NAME).spec.tags == {"team": "a"}
    ready(client, client.put_endpoint(seen.spec, expected=changed.generation))


@pytest.mark.req("REQ-140")
def test_a_secret_that_is_taken_away_is_gone(client: Client, instance: RunningInstance) -> None:
    ready(client, client.delete_secret(NAME, "API_KEY"))
    assert client.endpoint(NAME).spec.secrets == ()
    with asked(instance) as heard:
        until_heard(heard, expected("us ", ""))


@pytest.mark.req("REQ-140")
def test_two_endpoints_of_one_version_keep_their_variables_and_secrets_apart(
    client: Client, instance: RunningInstance
) -> None:
    names = {"telling-staging": ("staging ", FIRST), "telling-prod": ("prod ", SECOND)}
    entity = ServedEntity(NAME, Selector(SelectorKind.VERSION, "1"))
    try:
        for name, (region, secret) in names.items():
            wanted = EndpointSpec(name, (entity,), environment_vars={"REGION": region}, secrets=("API_KEY",))
            client.put_endpoint(wanted, {"API_KEY": secret})
        for name in names:
            client.wait_ready(name)
        with httpx.Client(headers={**instance.headers, "content-type": "application/json"}, timeout=60) as http:
            for _ in range(20):
                for name, told in names.items():
                    answer = http.post(f"{instance.url}/serving-endpoints/{name}/invocations", content=BODY)
                    assert answer.json()["predictions"] == [expected(*told)]
    finally:
        for name in names:
            client.delete_endpoint(name)
            client.wait_gone(name)
