"""Variables, secrets and tags of an endpoint whose models run in containers (REQ-049, REQ-140)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity
from tests.docker.test_serving import asked, register
from tests.support import docker_engine
from tests.support.docker_serving import Serving

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
NAME, SECRET = "secretive", "s3cret-of-a-container"
ENTITY = ServedEntity(NAME, Selector(SelectorKind.ACTIVE))


def spec(**tags: str) -> EndpointSpec:
    return EndpointSpec(
        NAME, (ENTITY,), environment_vars={"REGION": "eu "}, secrets=("API_KEY",), tags={"team": "fraud", **tags}
    )


def put(serving: Serving, wanted: EndpointSpec, **values: str) -> None:
    serving.names.append(NAME)
    found = serving.client.put_endpoint(wanted, values)
    serving.client.wait_ready(NAME, found.generation, 300)


@pytest.mark.req("REQ-049", "REQ-140")
def test_a_container_has_variables_secrets_and_tags_and_shows_no_secret(mlflow: Any, serving: Serving) -> None:
    class Telling(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            import hashlib
            import os

            print("asked with", os.environ["API_KEY"], flush=True)
            answer = os.environ["REGION"] + hashlib.sha256(os.environ["API_KEY"].encode()).hexdigest()
            return [answer] * len(model_input)

    register(mlflow, NAME, Telling())
    put(serving, spec(), API_KEY=SECRET)
    expected = "eu " + hashlib.sha256(SECRET.encode()).hexdigest()
    assert serving.client.score(NAME, {"x": [1.0]}) == [expected]
    (first,) = serving.containers(NAME)
    assert first["Config"]["Labels"]["modelserve.tag.team"] == "fraud"
    with docker_engine.api() as api:
        shown = [json.dumps(first), json.dumps(api.top(first["Id"], "axeww")), api.logs(first["Id"]).decode()]
    shown.append(docker_engine.run_inside(first["Id"], "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline"))
    shown.append(docker_engine.run_inside(first["Id"], "sh", "-c", "cat /replica/replica.json /replica/logs/*"))
    assert "REGION=eu" in shown[-2]
    assert "asked with [secret]" in shown[-1]
    assert not any(SECRET in each for each in shown)
    assert "asked with [secret]" in serving.client.merged_logs(NAME).logs
    with asked(serving, NAME) as bad:
        put(serving, spec(cost="42"))
        (second,) = [each for each in serving.containers(NAME) if each["Id"] != first["Id"]]
        assert serving.client.score(NAME, {"x": [1.0]}) == [expected]
    assert bad == []
    assert second["Config"]["Labels"]["modelserve.tag.cost"] == "42"
    (compute,) = serving.client.endpoint(NAME).compute
    assert (compute.cost_class.value, compute.cores, compute.memory_gb, compute.limited) == ("all-purpose", 1, 1, True)
