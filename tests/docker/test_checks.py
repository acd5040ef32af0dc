"""A check where models run in containers: the verdict comes from one, and nothing of it is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jupyter_modelserve.checked import CheckState
from jupyter_modelserve.client import check_calls, session
from jupyter_modelserve.client.checking import follow
from jupyter_modelserve.types import EnvironmentKind, Verdict
from tests.support import docker_engine, docker_serving
from tests.support.docker_serving import Serving

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]


@pytest.mark.req("REQ-121", "REQ-127")
def test_a_version_is_checked_in_a_container(mlflow: Any, serving: Serving) -> None:
    from sklearn.dummy import DummyRegressor

    model = DummyRegressor(strategy="constant", constant=7.0).fit([[0.0]], [7.0])
    version = docker_serving.register(mlflow, "to-check", model, np.array([[1.0]]))
    session.use(serving.instance.client())
    try:
        found = follow(check_calls.check_version("to-check", version), 500).check
    finally:
        session.use(None)
    assert (found.state, found.verdict) == (CheckState.PASSED, Verdict.PASSED), found
    assert found.environment is not None
    assert found.environment.kind is EnvironmentKind.IMAGE
    # The process is removed before the verdict is given; an image may be used again.
    assert docker_engine.containers(docker_engine.instance_id(serving.instance.paths), "(check)") == []
