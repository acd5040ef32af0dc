"""How soon what happens is seen: a new version, a dead worker. Times are printed; bounds are what only a defect exceeds
(the resync of ten seconds instead of being told, a process started anew instead of a fork).
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, VersionState, VersionStatus
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
BODY = json.dumps({"dataframe_records": [ROW]})
TIMES = 5


@pytest.fixture(scope="module")
def served(instance: RunningInstance) -> Iterator[Any]:
    """MLflow, while every version of ``prompt`` is served."""
    with mlflow_of(instance) as module, instance.client() as client:
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        zoo.register(module, "prompt", model, frame.head(2))
        spec = EndpointSpec("prompt", (ServedEntity("prompt", Selector(SelectorKind.ACTIVE)),))
        client.wait_ready("prompt", client.put_endpoint(spec).generation, timeout=120)
        yield module
        client.delete_endpoint("prompt")
        client.wait_gone("prompt", 60)


def versions(instance: RunningInstance) -> dict[str, VersionStatus]:
    """Status of every version of the endpoint by number."""
    with instance.client() as client:
        return {each.version: each for each in client.endpoint("prompt").status.versions}


def is_ready(instance: RunningInstance, number: str) -> bool:
    """Whether a version is READY."""
    found = versions(instance).get(number)
    return found is not None and found.state is VersionState.READY


def until(what: str, check: Any, seconds: float = 60) -> float:
    """Wait for a condition; how long it took."""
    begin = time.monotonic()
    while not check():
        assert time.monotonic() - begin < seconds, f"never: {what}"
        time.sleep(0.005)
    return time.monotonic() - begin


def test_a_new_version_is_ready_soon(instance: RunningInstance, served: Any) -> None:
    model, frame = zoo.iris(zoo.IRIS_SHORT)
    took = []
    for _ in range(TIMES):
        number = zoo.register(served, "prompt", model, frame.head(2))
        created = served.MlflowClient().get_model_version("prompt", number).creation_timestamp / 1000
        until("READY", lambda number=number: is_ready(instance, number))
        took.append(time.time() - created)
    print(f"\nregistered to READY: median {statistics.median(took):.2f} s of {sorted(round(each, 2) for each in took)}")
    assert statistics.median(took) < 10


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="processes are looked for by the name Linux gives them"
)
def test_the_death_of_an_idle_worker_is_seen_at_once(instance: RunningInstance, served: Any) -> None:
    took = []
    for _ in range(TIMES):
        until("READY", lambda: is_ready(instance, "1"))
        before = versions(instance)["1"].restarts
        for each in psutil.process_iter(["name", "cmdline"]):
            if each.info["name"].startswith("worker ") and str(instance.home) in " ".join(each.info["cmdline"] or []):
                os.kill(each.pid, signal.SIGKILL)
        took.append(until("the death is shown", lambda n=before: versions(instance)["1"].restarts > n, 9))
    print(f"\nkilled to shown: median {statistics.median(took):.2f} s of {sorted(round(each, 2) for each in took)}")
    assert statistics.median(took) < 5
