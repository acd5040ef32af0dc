"""Scaled to zero and back with containers: the empty one is kept for a while, then nothing is left (REQ-135, R13)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_modelserve.types import VersionState
from tests.chaos import models
from tests.docker.test_serving import register
from tests.support.docker_serving import Serving
from tests.support.load import Load
from tests.support.slo import Slo

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
MANY = 30


def until(what: str, check: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


@pytest.mark.req("REQ-135")
def test_a_container_goes_and_requests_bring_it_back(mlflow: Any, serving: Serving, record_property: Any) -> None:
    register(mlflow, "sleeper", models.steady(mlflow, 7))
    serving.put("sleeper", scale_to_zero=True)

    def at_zero() -> bool:
        return serving.client.endpoint("sleeper").status.versions[0].state is VersionState.SCALED_TO_ZERO

    for kept in (True, False):
        until("it is at zero", at_zero)
        if not kept:
            until("its container is gone", lambda: not serving.containers("sleeper"))
        path = "/serving-endpoints/sleeper/invocations"
        instance = serving.instance
        with Load(instance.url, instance.token, path, models.BODY, rate=100_000.0, most=MANY) as load:
            load.wait_for(MANY)
        Slo(versions=frozenset({"1"}), least=MANY).check(load.shots)
        record_property(f"wake of a container, kept={kept}, last of {MANY}", max(each.answered for each in load.shots))
        assert len(serving.containers("sleeper")) == 1
