"""MLflow's deployment calls as changes of a specification: shares, configs, names, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.client import calls
from jupyter_modelserve.errors import (
    AlreadyExists,
    Conflict,
    InvalidParameter,
    NotFound,
    NotRunning,
    PreconditionFailed,
)
from jupyter_modelserve.plugins import deployment_plan as plan
from jupyter_modelserve.plugins import deployment_shapes as shapes
from jupyter_modelserve.plugins import deployment_words as words
from jupyter_modelserve.plugins.deployment_connection import Connection
from jupyter_modelserve.types import Endpoint, EndpointSpec, EndpointStatus, Selector, SelectorKind, ServedEntity


def spec(**shares: int) -> EndpointSpec:
    entities = tuple(
        ServedEntity("iris", Selector(SelectorKind.VERSION, str(number)), name, share)
        for number, (name, share) in enumerate(shares.items(), 1)
    )
    return EndpointSpec("shop", entities)


def traffic(found: EndpointSpec) -> dict[str, int]:
    return {each.name: each.traffic for each in found.entities}


def endpoint(found: EndpointSpec) -> Endpoint:
    return Endpoint(found, 1, 0, 0, "ann", EndpointStatus())


def read(**config: Any) -> words.Words:
    return words.read(config)


@pytest.mark.req("REQ-157")
def test_the_first_deployment_takes_all_traffic_and_a_further_one_none() -> None:
    first = plan.added(None, "shop", "blue", "iris/1", read(engine="process", replicas="2"))
    assert traffic(first) == {"blue": 100}
    assert (first.name, str(first.engine), first.entities[0].replicas) == ("shop", "process", 2)
    second = plan.added(first, "shop", "green", "iris@Champion", read())
    assert traffic(second) == {"blue": 100, "green": 0}
    assert str(second.entities[1].selector) == "alias=Champion"
    assert traffic(plan.added(first, "shop", "green", "iris/2", read(traffic=10))) == {"blue": 90, "green": 10}
    with pytest.raises(AlreadyExists, match="update_deployment"):
        plan.added(first, "shop", "blue", "iris/2", read())
    with pytest.raises(InvalidParameter, match="belongs to the endpoint"):
        plan.added(first, "shop", "green", "iris/2", read(environment_vars='{"A": "1"}'))


@given(shares=st.lists(st.integers(0, 40), min_size=2, max_size=6), share=st.integers(0, 100))
def test_a_share_leaves_the_others_their_proportions(shares: list[int], share: int) -> None:
    shares[0] += 100
    whole = [each * 100 // sum(shares) for each in shares]
    whole[0] += 100 - sum(whole)
    before = spec(new=0, **{f"d{number}": each for number, each in enumerate(whole)})
    found = traffic(plan.changed(before, "new", None, read(traffic=share)))
    assert sum(found.values()) == 100
    assert found["new"] == share
    for name, old in traffic(before).items():
        if name != "new":
            assert abs(found[name] - old * (100 - share) / 100) <= 1


@pytest.mark.req("REQ-157")
def test_shares_of_an_endpoint_are_whole() -> None:
    before = spec(blue=100, green=0)
    assert traffic(plan.configured(before, read(traffic={"blue": 90, "green": "10"}))) == {"blue": 90, "green": 10}
    assert traffic(plan.configured(before, read(traffic='{"green": 100}'))) == {"blue": 0, "green": 100}
    for shares, message in (({"blue": 50}, "100 percent in all, not 50"), ({"blue": -1, "green": 101}, "0 to 100")):
        with pytest.raises(InvalidParameter, match=message):
            plan.configured(before, read(traffic=shares))
    with pytest.raises(NotFound, match="it has blue, green"):
        plan.configured(before, read(traffic={"purple": 100}))
    with pytest.raises(InvalidParameter, match="must map deployments"):
        plan.configured(before, read(traffic=10))
    with pytest.raises(InvalidParameter, match="use update_deployment"):
        plan.configured(before, read(replicas=2))
    with pytest.raises(InvalidParameter, match="leave 50 to nobody"):
        plan.changed(spec(blue=100), "blue", None, read(traffic=50))


def test_what_takes_traffic_is_not_deleted() -> None:
    with pytest.raises(Conflict, match="takes 10 %"):
        plan.without(spec(blue=90, green=10), "green")
    left = plan.without(spec(blue=100, green=0), "green")
    assert left is not None
    assert traffic(left) == {"blue": 100}
    assert plan.without(spec(blue=100), "blue") is None


def test_a_change_keeps_what_it_does_not_name() -> None:
    before = replace(spec(blue=100), tags={"team": "a"}, secrets=("KEY",), request_timeout=3.0)
    found = plan.changed(before, "blue", "iris/Production", read(workload_size="large"))
    assert (found.tags, found.secrets, found.request_timeout) == ({"team": "a"}, ("KEY",), 3.0)
    assert (str(found.entities[0].selector), found.entities[0].workload_size.value) == ("stage=Production", "Large")


def test_deployments_are_found_by_name() -> None:
    shop, other = endpoint(spec(blue=100)), endpoint(replace(spec(blue=100, gold=0), name="other"))
    own = endpoint(replace(spec(own=100), name="own"))
    assert plan.find([shop, other], "gold")[0] is other
    assert plan.find([shop, other], "blue", "other")[0] is other
    assert plan.find([own, endpoint(replace(spec(own=100), name="z"))], "own")[0] is own
    with pytest.raises(InvalidParameter, match="several endpoints have a deployment blue: shop, other"):
        plan.find([shop, other], "blue")
    with pytest.raises(NotFound, match="known are blue, gold"):
        plan.find([shop, other], "green")
    with pytest.raises(NotFound, match="no endpoint 'nothing'"):
        plan.find([shop], "blue", "nothing")


@pytest.mark.req("REQ-155")
@pytest.mark.parametrize("name", ["scoring_script", "code_configuration"])
def test_a_script_is_refused_with_the_way_that_brings_its_environment(name: str) -> None:
    with pytest.raises(InvalidParameter, match=r"together with its environment: .*pip_requirements") as refused:
        words.read({name: "score.py"})
    assert refused.value.details == {"field": name}
    with pytest.raises(InvalidParameter, match="registered with"):
        words.read({"environment": "azureml:env:1"})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"replica": 2}, "did you mean replicas"),
        ({"zzz": 2}, "known are traffic"),
        ({"replicas": 1, "instance_count": 2}, "given twice"),
        ({"environment_vars": "A=1"}, "must be a JSON object"),
        ({"environment_vars": [1]}, "must map names"),
        ({"wait": "perhaps"}, "true or false"),
        ({"timeout": "-1"}, "more than 0"),
        ({"timeout": "soon"}, "number of seconds"),
        ({"instance_type": "Standard_DS3_v2"}, "use workload_size"),
        ({"deploy-config-file": "/nothing/here.json"}, "cannot be read"),
    ],
)
def test_an_unusable_config_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        words.read(config)


def test_configs_come_from_files_too(tmp_path: Path) -> None:
    file = tmp_path / "deploy.json"
    file.write_text(json.dumps({"instance_count": 2, "environment_variables": {"A": 1}}))
    found = words.read({"deploy-config-file": str(file), "timeout": "30", "wait": "false", "secrets": "KEY, OTHER"})
    assert (found.deployment, found.wait, found.timeout) == ({"replicas": 2}, False, 30.0)
    assert found.endpoint == {"environment_vars": {"A": "1"}, "secrets": ["KEY", "OTHER"]}
    file.write_text("[]")
    with pytest.raises(InvalidParameter, match="must hold a JSON object"):
        words.read({"endpoint-config-file": str(file)})


def test_addresses_reach_one_deployment() -> None:
    found = endpoint(spec(blue=100, green=0))
    assert shapes.reference(found, found.spec.entities[1]) == "iris/2"
    shown = shapes.deployment(found, found.spec.entities[1], "http://here")
    assert (shown["scoring_uri"], shown["state"]) == ("http://here/model/iris/2/invocations", "PENDING")
    assert shown["model_uri"] == "models:/iris/2"


def test_the_help_names_every_word() -> None:
    for name in (*words.DEPLOYMENT, *words.ENDPOINT, "wait", "timeout", "deploy-config-file"):
        if name != "workload_type":  # only CPU is there
            assert name in shapes.HELP, name


def test_mlflow_finds_the_target_and_importing_mlflow_does_not_load_it() -> None:
    code = (
        "import sys, mlflow; from mlflow.deployments.interface import plugin_store;"
        "assert 'jupyter_modelserve.plugins.deployments' not in sys.modules;"
        "assert plugin_store['modelserve'].run_local and 'modelserve' in plugin_store.registry"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Meanwhile:
    """A client behind whose back somebody else acts once, right before the first thing that is written.

    Conditions are those that the real client would send.
    """

    url = "http://here"

    def __init__(self, stored: EndpointSpec | None, other: Callable[[Meanwhile], None] | None = None) -> None:
        self.stored, self.generation, self.other = stored, 1, other

    def endpoints(self) -> list[Endpoint]:
        return [replace(endpoint(self.stored), generation=self.generation)] if self.stored else []

    def put_endpoint(self, wanted: EndpointSpec, *, expected: Endpoint | int | None = None) -> Endpoint:
        self._check(calls.put_endpoint(wanted, None, expected))
        self.write(wanted)
        return self.endpoints()[0]

    def delete_endpoint(self, name: str, *, expected: Endpoint | int | None = None) -> None:
        self._check(calls.delete_endpoint(name, expected))
        if self.stored is None:
            raise NotFound("there is none")
        self.stored = None

    def write(self, wanted: EndpointSpec | None) -> None:
        self.stored, self.generation = wanted, self.generation + 1

    def _check(self, call: calls.Call[Endpoint]) -> None:
        other, self.other = self.other, None
        if other is not None:
            other(self)
        match = call.headers.get("if-match")
        if call.headers.get("if-none-match") == "*" and self.stored is not None:
            raise PreconditionFailed("it exists already")
        if match is not None and (self.stored is None or match != f'"{self.generation}-0"'):
            raise PreconditionFailed("it was changed since you looked")


def deploying(behind: Meanwhile) -> Any:
    from jupyter_modelserve.plugins.deployments import ModelServeDeploymentClient

    client = ModelServeDeploymentClient()
    client._instance._found = behind  # type: ignore[assignment]
    return client


def test_what_others_change_meanwhile_is_kept() -> None:
    behind = Meanwhile(spec(blue=100, green=0), lambda it: it.write(replace(spec(blue=100, green=0), tags={"a": "b"})))
    deploying(behind).update_endpoint("shop", {"traffic": {"blue": 50, "green": 50}, "wait": False})
    assert behind.stored is not None
    assert (traffic(behind.stored), behind.stored.tags) == ({"blue": 50, "green": 50}, {"a": "b"})


def test_of_two_first_deployments_the_second_joins_the_first() -> None:
    behind = Meanwhile(None, lambda it: it.write(spec(blue=100)))
    made = deploying(behind).create_deployment("green", "models:/iris", config={"wait": False}, endpoint="shop")
    assert behind.stored is not None
    assert traffic(behind.stored) == {"blue": 100, "green": 0}
    assert (made["endpoint"], made["traffic"]) == ("shop", 0)


def test_an_endpoint_of_ones_own_is_not_shared_by_chance() -> None:
    from mlflow.exceptions import MlflowException

    behind = Meanwhile(None, lambda it: it.write(spec(blue=100)))
    with pytest.raises(MlflowException, match="endpoint shop exists already"):
        deploying(behind).create_deployment("shop", "models:/iris", config={"wait": False})
    assert behind.stored == spec(blue=100)


def test_the_last_deployment_does_not_take_a_new_one_with_it() -> None:
    from mlflow.exceptions import MlflowException

    behind = Meanwhile(spec(blue=100), lambda it: it.write(spec(blue=0, green=100)))
    deploying(behind).delete_deployment("blue", config={"wait": False})
    assert behind.stored is not None
    assert traffic(behind.stored) == {"green": 100}
    behind.other = lambda it: it.write(spec(green=100, gold=0))
    with pytest.raises(MlflowException, match="takes 100 %"):
        deploying(behind).delete_deployment("green", config={"wait": False})
    assert behind.stored == spec(green=100, gold=0)


@pytest.mark.parametrize("other", [None, lambda it: it.write(None), lambda it: it.write(replace(it.stored, tags={}))])
def test_the_last_deployment_ends_its_endpoint(other: Callable[[Meanwhile], None] | None) -> None:
    behind = Meanwhile(spec(blue=100), other)
    deploying(behind).delete_deployment("blue", config={"wait": False})
    assert behind.stored is None


def test_changes_without_end_are_told() -> None:
    from mlflow.exceptions import MlflowException

    def restless(it: Meanwhile) -> None:
        it.write(spec(blue=100))
        it.other = restless

    with pytest.raises(MlflowException, match="changed since you looked"):
        deploying(Meanwhile(spec(blue=100), restless)).delete_deployment("blue", config={"wait": False})


def test_an_infinite_number_is_refused_before_it_is_sent() -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="request_timeout: must be a finite number"):
        deploying(Meanwhile(spec(blue=100))).update_endpoint("shop", {"request_timeout": "inf", "wait": False})


@pytest.mark.parametrize("uri", ["runs:/0/model", f"models:/m-{'0a' * 16}", "/some/folder", "iris/1"])
def test_what_is_not_registered_is_refused(uri: str) -> None:
    with pytest.raises(InvalidParameter, match="register it first"):
        Connection("").reference(uri)


def test_names_are_taken_as_they_are() -> None:
    found = Connection("")
    uris = ("m-iris/1", "iris@Champion", "iris/Production", "iris", "a.b.c@x")
    assert [found.reference(f"models:/{each}") for each in uris] == list(uris)


def test_errors_have_the_codes_of_mlflow() -> None:
    from mlflow.exceptions import MlflowException

    from jupyter_modelserve.errors import BadGateway, ModelServeError, PermissionDenied
    from jupyter_modelserve.plugins.deployments import _said

    def code(error: ModelServeError) -> str:
        def fail() -> None:
            raise error

        with pytest.raises(MlflowException) as caught:
            _said(fail)()
        assert (caught.value.message, caught.value.__cause__) == (error.message, None)
        return str(caught.value.error_code)

    known = (PermissionDenied("no"), PreconditionFailed("no"), BadGateway("no"), InvalidParameter("no"))
    assert [code(each) for each in known] == [
        "PERMISSION_DENIED",
        "RESOURCE_CONFLICT",
        "INTERNAL_ERROR",
        "INVALID_PARAMETER_VALUE",
    ]


ELSEWHERE = "http://prod.example:8080"


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("modelserve", ELSEWHERE),
        ("modelserve:", ELSEWHERE),
        ("modelserve:/some/state", "started for /some/state"),
        ("modelserve:http://127.0.0.1:5", "http://127.0.0.1:5"),
        ("modelserve:https://models.example/base", "https://models.example/base"),
    ],
)
def test_the_target_says_which_instance(
    target: str, found: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the environment says: it names another instance, and a kernel's Jupyter server has one as well."""
    from mlflow.deployments import get_deploy_client

    from jupyter_modelserve import launcher
    from jupyter_modelserve.client import address
    from jupyter_modelserve.client.discovery import Server
    from jupyter_modelserve.settings import Paths

    def started(paths: Paths) -> Any:
        raise NotRunning(f"started for {paths.home}")

    monkeypatch.setattr(launcher, "find", lambda paths: None)
    monkeypatch.setattr(launcher, "ensure", started)
    monkeypatch.setattr(address, "through_jupyter", lambda environ: Server("http://jupyter/proxy", "other"))
    monkeypatch.setenv("MODELSERVE_URL", found if found.startswith("http") else ELSEWHERE)
    monkeypatch.setenv("MODELSERVE_TOKEN", "ms_other")
    monkeypatch.setenv("MODELSERVE_HOME", str(tmp_path))
    client: Any = get_deploy_client(target)  # type: ignore[no-untyped-call]
    try:
        where = client._instance.url
    except NotRunning as error:
        where = error.message
    assert where == found
    monkeypatch.delenv("MODELSERVE_URL")
    if found.startswith("started"):
        with pytest.raises(NotRunning, match=found):
            _ = client._instance.url
