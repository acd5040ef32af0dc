"""Serving in containers through the one address: choice of engine, compute, changes without a gap, recovery."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from jupyter_modelserve.types import EngineChoice, EnvironmentKind
from tests.chaos import models
from tests.support import docker_engine, docker_serving
from tests.support.docker_serving import Serving
from tests.support.instance import RunningInstance

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]


def register(mlflow: Any, name: str, model: Any) -> str:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]))
    return docker_serving.register(mlflow, name, model, signature=signature)


@contextmanager
def asked(serving: Serving, endpoint: str) -> Iterator[list[str]]:
    """Score all the time; gives what was not answered 200, and ``answers`` at the end."""
    url = f"{serving.instance.url}/serving-endpoints/{endpoint}/invocations"
    headers = {**serving.instance.headers, "content-type": "application/json"}
    bad, stop, count = list[str](), threading.Event(), [0]

    def ask() -> None:
        with httpx.Client(headers=headers, timeout=60) as client:
            while not stop.is_set():
                answer = client.post(url, content=models.BODY)
                count[0] += 1
                if answer.status_code != 200:
                    bad.append(answer.text)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield bad
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        assert count[0] > 20


@pytest.fixture(scope="module")
def steady(mlflow: Any) -> str:
    register(mlflow, "steady", models.steady(mlflow, 7))
    return "steady"


@pytest.mark.req("REQ-048", "REQ-049")
def test_another_engine_or_size_replaces_the_replica_without_a_gap(steady: str, serving: Serving) -> None:
    first = serving.put(steady)
    assert first.status.versions[0].environment is not None
    assert first.status.versions[0].environment.kind is EnvironmentKind.IMAGE
    (small,) = serving.containers(steady)
    assert (small["HostConfig"]["Memory"], small["HostConfig"]["NanoCpus"]) == (1024**3, 10**9)
    with asked(serving, steady) as bad:
        serving.put(steady, memory_gb=1.5, cores=0.5)
        (larger,) = [each for each in serving.containers(steady) if each["Id"] != small["Id"]]
        assert (larger["HostConfig"]["Memory"], larger["HostConfig"]["NanoCpus"]) == (3 * 1024**3 // 2, 5 * 10**8)
        moved = serving.put(steady, engine=EngineChoice.PROCESS)
        assert moved.status.versions[0].environment is not None
        assert moved.status.versions[0].environment.kind is not EnvironmentKind.IMAGE
        time.sleep(0.5)
    assert bad == []
    deadline = time.monotonic() + 30
    while serving.containers(steady):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_auto_takes_docker_and_says_why(steady: str, serving: Serving) -> None:
    found = serving.put(steady, engine=EngineChoice.AUTO, name="auto-steady").status.versions[0].environment
    assert found is not None
    assert found.image
    assert found.chosen == "auto took docker: the Docker engine answers and the base image is there"


def test_a_killed_container_comes_back(steady: str, serving: Serving) -> None:
    serving.put(steady)
    (before,) = serving.containers(steady)
    with docker_engine.api() as api:
        api.kill(before["Id"], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        try:
            assert serving.client.score(steady, {"x": [1.0]}) == [7]
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            continue
        found = serving.containers(steady)
        if found and found[0]["Id"] != before["Id"]:
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_kill_9_of_the_controller_leaves_containers_and_adopts_them(
    steady: str, serving: Serving, instance: RunningInstance
) -> None:
    serving.put(steady)
    (before,) = serving.containers(steady)
    with asked(serving, steady) as bad:
        old = instance.pid("controller")
        os.kill(old, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            try:
                if (
                    instance.pid("controller") != old
                    and serving.client.endpoint(steady).status.service.value == "READY"
                ):
                    break
            except Exception:
                continue
    assert bad == []
    (after,) = serving.containers(steady)
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])


@pytest.mark.req("REQ-046")
def test_logs_of_a_version_in_a_container(mlflow: Any, serving: Serving) -> None:
    class Talking(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            print("a word from inside", flush=True)
            return [1 for _ in range(len(model_input))]

    register(mlflow, "talking", Talking())
    serving.put("talking")
    assert serving.client.score("talking", {"x": [1.0]}) == [1]
    deadline = time.monotonic() + 10
    while "a word from inside" not in serving.client.logs("talking", "talking", "1", 50):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_versions_share_a_container(mlflow: Any, serving: Serving) -> None:
    for tag in (1, 2):
        register(mlflow, "pair", models.steady(mlflow, tag))
    serving.put("pair")
    deadline = time.monotonic() + 60
    while [each.state.value for each in serving.client.endpoint("pair").status.versions] != ["READY", "READY"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(serving.containers("pair")) == 1
    assert [serving.client.score(f"pair/{each}", {"x": [1.0]}) for each in (1, 2)] == [[1], [2]]
