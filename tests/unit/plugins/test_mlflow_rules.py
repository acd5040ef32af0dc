"""The pure rules of the MLflow child, and that no plugin module imports MLflow early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_modelserve.controller.governance import tags
from jupyter_modelserve.plugins import mlflow_app, mlflow_rules
from jupyter_modelserve.settings import Paths, Settings


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/version",
        "/api/2.0/mlflow/runs/create",
        "/api/2.0/mlflow/registered-models/alias",
        "/api/2.0/mlflow/logged-models/m-1/artifacts/directories",
        "/api/3.0/mlflow/traces/search",
        "/ajax-api/2.0/mlflow/get-trace-artifact",
        "/api/2.0/mlflow-artifacts/artifacts/0/x/model.pkl",
        "/api/2.0/mlflow-artifacts/artifacts",
    ],
)
def test_tracking_and_registry_are_served(path: str) -> None:
    assert mlflow_rules.is_served(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/graphql",
        "/metrics",
        "/api/2.0/mlflow/webhooks",
        "/api/2.0/mlflow/webhooks/1/test",
        "/api/2.0/mlflow/",
        "/api/2.0/mlflow//runs/create",
        "/api/2.0/mlflow/RUNS/create",
        "/api/3.0/mlflow/gateway/secrets/create",
        "/api/3.0/mlflow/workspaces",
        "/ajax-api/3.0/mlflow/assistant/message",
        "/ajax-api/2.0/mlflow/runs/create-promptlab-run",
        "/api/modelserve/v1/status",
        "/model/iris/1/invocations",
    ],
)
def test_everything_else_is_not(path: str) -> None:
    assert not mlflow_rules.is_served(path)


@pytest.mark.parametrize(
    "location",
    [
        "/etc",
        "etc",
        "FILE:///etc",
        "file:/etc",
        "http://h/x",
        "https://h/x",
        "ftp://h",
        "x y:/../../tmp",
        " s3://bucket/x",
        "fi\tle:/etc",
        "\0file:/etc",
        "s3://bucket/../x",
    ],
)
def test_locations_on_the_server_or_on_any_host_are_refused(location: str) -> None:
    assert mlflow_rules.location_problem(location)


@pytest.mark.parametrize("location", ["mlflow-artifacts:/x", "s3://bucket/x", "gs://bucket/x"])
def test_locations_of_an_artifact_store_are_allowed(location: str) -> None:
    assert mlflow_rules.location_problem(location) is None


def test_only_the_tags_that_hide_a_model_are_refused() -> None:
    assert tags.problem_of("mlflow.prompt.is_prompt")
    assert tags.problem_of("MLflow.Prompt.x")
    assert tags.problem_of("mlflow.note.content") is None
    assert tags.problem_of("task") is None


def test_the_users_own_mlflow_settings_do_not_reach_the_server(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://x", "_MLFLOW_SERVER_ARTIFACTS_ONLY": "true", "PATH": "/bin"}
    mlflow_app.configure(Paths(tmp_path), Settings(allowed_hosts="hub.example"), environ)
    assert "MLFLOW_TRACKING_URI" not in environ
    assert "_MLFLOW_SERVER_ARTIFACTS_ONLY" not in environ
    assert environ["PATH"] == "/bin"
    assert environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environ["_MLFLOW_SERVER_FILE_STORE"] == "sqlite:///registry.db"
    hosts = environ["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"127.0.0.1", "127.0.0.1:*", "hub.example", "hub.example:*"} <= set(hosts)
    assert "*" not in hosts


def test_plugin_modules_import_mlflow_only_when_called() -> None:
    code = (
        "import sys, jupyter_modelserve.plugins.mlflow_app, jupyter_modelserve.plugins.mlflow_stores, "
        "jupyter_modelserve.plugins.mlflow_database, jupyter_modelserve.plugins.mlflow_process; "
        "print('mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
