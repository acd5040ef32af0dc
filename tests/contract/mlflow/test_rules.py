"""What the child refuses, and that it says so in MLflow's own shape."""

from __future__ import annotations

import stat

import pytest

from tests.contract.mlflow.conftest import Child


def test_the_socket_and_the_database_are_private(child: Child) -> None:
    assert stat.S_IMODE(child.paths.mlflow_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(child.paths.database.stat().st_mode) == 0o600
    assert child.http.get("/version").text.count(".") == 2


def test_a_principal_that_nobody_knows_is_refused(child: Child) -> None:
    answer = child.http.get("/version", headers={"x-modelserve-principal": "eve"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", ["/version", "/api/2.0/mlflow/experiments/get?experiment_id=0"])
def test_without_a_principal_nothing_is_answered(child: Child, path: str) -> None:
    answer = child.http.get(path, headers={"x-modelserve-principal": "ada"})
    assert answer.status_code == 200
    request = child.http.build_request("GET", path)
    del request.headers["x-modelserve-principal"]
    answer = child.http.send(request)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_a_made_up_pass_is_worth_nothing(child: Child) -> None:
    request = child.http.build_request("GET", "/version", headers={"x-modelserve-pass": "x"})
    del request.headers["x-modelserve-principal"]
    assert child.http.send(request).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/graphql"),
        ("GET", "/get-artifact?path=x&run_uuid=y"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/api/3.0/mlflow/gateway/secrets/list"),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("POST", "/ajax-api/3.0/mlflow/jobs/search"),
        ("POST", "/ajax-api/3.0/mlflow/issues/invoke"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
        ("PUT", "/api/3.0/mlflow/scorers/online-config"),
        ("POST", "/api/3.0/mlflow/prompt-optimization/jobs"),
        ("GET", "/api/3.0/mlflow/mcp-servers"),
        ("GET", "/static-files/index.html"),
        ("POST", "/v1/traces"),
        ("POST", "/gateway/mlflow/v1/chat/completions"),
        ("GET", "/api/2.0/mlflow/something-new"),
    ],
)
def test_what_runs_code_or_calls_out_is_not_served(child: Child, method: str, path: str) -> None:
    answer = child.http.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize("name", ["a/b", "a:b", "a@b", " a", "a..b", "c.s.m!", "", "x" * 251, "a\nb"])
def test_a_name_that_no_address_can_hold_is_refused(child: Child, name: str) -> None:
    answer = child.post("registered-models/create", name=name)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_renaming_obeys_the_same_rule(child: Child) -> None:
    child.post("registered-models/create", name="renamed").raise_for_status()
    for field in ("new_name", "newName"):
        answer = child.post("registered-models/rename", name="renamed", **{field: "bad/name"})
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert child.post("registered-models/rename", name="renamed", new_name="good").status_code == 200


@pytest.mark.parametrize("alias", ["1", "production", "latest", "v3", "a b"])
def test_an_alias_that_means_something_else_is_refused(child: Child, alias: str) -> None:
    child.post("registered-models/create", name="aliased")
    answer = child.post("registered-models/alias", name="aliased", alias=alias, version="1")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_model_cannot_be_made_to_vanish(child: Child) -> None:
    child.post("registered-models/create", name="visible").raise_for_status()
    tag = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    assert child.post("registered-models/set-tag", name="visible", **tag).status_code == 400
    assert child.post("registered-models/create", name="hidden", tags=[tag]).status_code == 400
    found = child.get("registered-models/search").json()["registered_models"]
    assert "visible" in [model["name"] for model in found]
    assert "hidden" not in [model["name"] for model in found]
    assert child.post("registered-models/set-tag", name="visible", key="task", value="x").status_code == 200


@pytest.mark.parametrize("location", ["/etc", "file:///etc", "etc", "http://127.0.0.1:1/x"])
def test_artifacts_never_point_at_the_servers_own_files(child: Child, location: str) -> None:
    answer = child.post("experiments/create", name=f"at {location}", artifact_location=location)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_run_without_a_user_names_the_principal(child: Child) -> None:
    run = child.post("runs/create", experiment_id="0").json()["run"]
    assert run["info"]["user_id"] == "ada"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:20000"])
def test_a_foreign_host_is_refused_here_too(child: Child, host: str) -> None:
    assert child.http.get("/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:9", "[::1]:7", "localhost"])
def test_the_gateways_own_hosts_are_accepted(child: Child, host: str) -> None:
    assert child.http.get("/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"host": host}).status_code == 200


def test_nothing_of_the_servers_listens_on_a_network(child: Child) -> None:
    import psutil

    assert [each for each in psutil.Process(child.pid).net_connections() if each.status == "LISTEN"] == []
