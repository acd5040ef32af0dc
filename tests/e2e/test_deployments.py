"""MLflow's deployments interface on a real instance: unmodified client and command line, and a rollout under load."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of
from tests.support.load import Load
from tests.support.slo import Slo

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
MODEL = "deployed"
ROWS = pd.DataFrame([[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4]], columns=zoo.IRIS_SHORT)
BODY = json.dumps({"dataframe_split": {"columns": zoo.IRIS_SHORT, "data": ROWS.to_numpy().tolist()}})


@pytest.fixture(scope="module")
def mlflow(instance: RunningInstance) -> Iterator[Any]:
    """MLflow with two versions: one answers classes, the other probabilities, as their author logged them."""
    with mlflow_of(instance) as module:
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        zoo.register(module, MODEL, model, frame.head(2))
        zoo.register(module, MODEL, model, frame.head(2), pyfunc_predict_fn="predict_proba")
        module.MlflowClient().set_registered_model_alias(MODEL, "Champion", "1")
        yield module


@pytest.fixture
def client(instance: RunningInstance, mlflow: Any) -> Iterator[Any]:
    """The deployments client as a user gets it; what a test made is removed."""
    from mlflow.deployments import get_deploy_client

    found: Any = get_deploy_client(f"modelserve:{instance.home}")  # type: ignore[no-untyped-call]
    yield found
    for each in found.list_endpoints():
        if any(each["name"].startswith(prefix) for prefix in ("rollout", "single", "shop", "cli")):
            found.delete_endpoint(each["name"])


def classes(answer: Any) -> list[Any]:
    found: list[Any] = answer["predictions"]
    return found


@pytest.mark.req("REQ-077", "REQ-129", "REQ-156", "REQ-157")
def test_a_progressive_rollout_loses_no_request(instance: RunningInstance, mlflow: Any, client: Any) -> None:
    client.create_endpoint("rollout", {"request_timeout": 60})
    blue = client.create_deployment("blue", f"models:/{MODEL}/1", endpoint="rollout")
    assert (blue["name"], blue["flavor"], blue["traffic"], blue["state"]) == ("blue", "python_function", 100, "READY")
    with Load(instance.url, instance.token, "/serving-endpoints/rollout/invocations", BODY, rate=100) as load:
        load.wait_for(50)
        green = client.create_deployment("green", f"models:/{MODEL}/2", endpoint="rollout")
        assert (green["traffic"], green["state"]) == (0, "READY")
        assert len(classes(client.predict("green", ROWS, endpoint="rollout"))[0]) == 3
        seen = {0: load.sent}
        for share in (10, 50, 100):
            client.update_endpoint("rollout", {"traffic": {"blue": 100 - share, "green": share}})
            seen[share] = load.sent
            load.wait_for(load.sent + 150)
        load.wait_for(load.sent)
        last = load.now()
        load.wait_for(load.sent + 50)
    Slo(failed=0, versions=frozenset({"1", "2"}), least=500).check(load.shots)
    in_order = sorted(load.shots, key=lambda shot: shot.intended)
    assert {shot.version for shot in in_order[: seen[0]]} == {"1"}
    assert {shot.version for shot in in_order[seen[10] : seen[50]]} == {"1", "2"}
    assert {shot.version for shot in load.shots if shot.intended > last} == {"2"}
    client.delete_deployment("blue", endpoint="rollout")
    assert client.get_endpoint("rollout")["traffic"] == {"green": 100}


@pytest.mark.req("REQ-154", "REQ-156")
def test_a_deployment_without_an_endpoint_has_one_of_its_own(mlflow: Any, client: Any) -> None:
    made = client.create_deployment(
        "single", f"models:/{MODEL}@Champion", config={"environment_vars": {"LEVEL": "2"}, "tags": {"team": "a"}}
    )
    assert (made["endpoint"], made["model_uri"]) == ("single", f"models:/{MODEL}@Champion")
    assert classes(client.predict("single", ROWS)) == [0, 2]
    assert client.predict(endpoint="single", inputs=ROWS).get_predictions("ndarray").tolist() == [0, 2]
    with pytest.raises(mlflow.exceptions.MlflowException, match="exists already") as refused:
        client.create_deployment("single", f"models:/{MODEL}/1")
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
    changed = client.update_deployment("single", f"models:/{MODEL}/2", config={"tags": {"team": "b"}})
    assert changed["flavor"] == "python_function"
    probabilities = classes(client.predict("single", ROWS))
    assert [max(range(3), key=row.__getitem__) for row in probabilities] == [0, 2]
    assert all(abs(sum(row) - 1) < 1e-9 for row in probabilities)
    found = client.get_endpoint("single")
    assert (found["environment_vars"], found["tags"]) == ({"LEVEL": "2"}, {"team": "b"})
    assert [each["name"] for each in client.list_deployments("single")] == ["single"]
    client.delete_deployment("single")
    client.delete_deployment("single")
    with pytest.raises(mlflow.exceptions.MlflowException, match="no deployment 'single'") as missing:
        client.get_deployment("single")
    assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.req("REQ-155")
def test_a_scoring_script_is_deployed_as_a_model_with_its_environment(mlflow: Any, client: Any, tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text(
        "import mlflow\n\n\n"
        "class Score(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return (model_input['width'] * 2).tolist()\n\n\n"
        "mlflow.models.set_model(Score())\n"
    )
    frame = pd.DataFrame({"width": [1.0, 2.5]})
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(script),
            pip_requirements=zoo.pins("pandas", "numpy", "cloudpickle"),
            registered_model_name="scripted",
            input_example=frame,
        )
    client.create_deployment("shop", "models:/scripted/latest")
    assert classes(client.predict("shop", frame)) == [2.0, 5.0]
    with pytest.raises(mlflow.exceptions.MlflowException, match="together with its environment"):
        client.create_deployment("single", "models:/scripted/1", config={"scoring_script": str(script)})


def test_what_cannot_be_deployed_is_refused_with_the_reason(mlflow: Any, client: Any) -> None:
    refusals: list[tuple[str, str, dict[str, Any]]] = [
        (f"models:/{MODEL}/9", "has no version 9", {}),
        ("models:/nothing/1", "nothing is not registered", {}),
        ("runs:/0123/model", "register it first", {}),
        (f"models:/{MODEL}/1", "'process', 'docker'", {"engine": "kubernetes"}),
        (f"models:/{MODEL}/1", "not available here", {"workload_type": "GPU_SMALL"}),
    ]
    for uri, message, config in refusals:
        with pytest.raises(mlflow.exceptions.MlflowException) as refused:
            client.create_deployment("shop", uri, config=config)
        assert message in refused.value.message, refused.value.message
    assert not [each for each in client.list_endpoints() if each["name"] == "shop"]


@pytest.fixture
def command(instance: RunningInstance, mlflow: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``mlflow deployments …`` as the command line runs it, without a process that imports MLflow anew."""
    from click.testing import CliRunner
    from mlflow.cli import cli

    monkeypatch.setenv("MODELSERVE_HOME", str(instance.home))
    monkeypatch.delenv("MODELSERVE_URL", raising=False)

    def run(*arguments: str) -> Any:
        found = CliRunner().invoke(cli, ["deployments", *arguments])
        assert instance.token not in found.output
        assert "Traceback" not in found.output
        return found

    return run


@pytest.mark.req("REQ-156", "REQ-158")
def test_mlflows_command_line(command: Any, tmp_path: Path) -> None:
    made = command("create", "-t", "modelserve", "--name", "cli", "-m", f"models:/{MODEL}/1", "-C", "replicas=1")
    assert made.exit_code == 0, made.output
    assert "python_function deployment cli is created" in made.output
    rows = tmp_path / "rows.json"
    ROWS.to_json(rows)
    predicted = command("predict", "-t", "modelserve", "--endpoint", "cli", "-I", str(rows))
    assert json.loads(predicted.output) == {"predictions": [0, 2]}
    assert (
        "deployment cli is updated"
        in command("update", "-t", "modelserve", "--name", "cli", "-C", "traffic=100").output.lower()
    )
    assert "'endpoint': 'cli'" in command("list", "-t", "modelserve").output
    refused = command("get", "-t", "modelserve", "--name", "missing")
    assert (refused.exit_code, refused.output.splitlines()[0][:31]) == (1, "Error: no deployment 'missing';")
    assert "workload_size" in command("help", "-t", "modelserve").output
    local = command("run-local", "-t", "modelserve", "--name", "x", "-m", f"models:/{MODEL}/1")
    assert (local.exit_code, "mlflow models serve" in local.output) == (1, True)
    assert command("delete-endpoint", "-t", "modelserve", "--endpoint", "cli").exit_code == 0


FILE = f"""\
name: shop
entities:
  - name: blue
    model: {MODEL}
    selector: {{kind: version, value: 1}}
    traffic: 100
  - name: green
    model: {MODEL}
    selector: {{kind: version, value: 2}}
    traffic: 0
tags: {{team: fraud}}
"""


@pytest.mark.req("REQ-156", "REQ-158")
def test_an_endpoint_is_kept_in_a_file(
    instance: RunningInstance, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from jupyter_modelserve.cli import main

    monkeypatch.setenv("MODELSERVE_HOME", str(instance.home))
    monkeypatch.delenv("MODELSERVE_URL", raising=False)
    file = tmp_path / "shop.yaml"

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(arguments))
        told = capsys.readouterr()
        return code, told.out + told.err

    file.write_text(FILE)
    assert run("apply", "-f", str(file), "--dry-run") == (0, "shop would be created\n")
    assert "shop" not in {each["name"] for each in client.list_endpoints()}
    assert run("apply", "-f", str(file)) == (0, "shop created\nshop READY\n")
    assert run("apply", "-f", str(file)) == (0, "shop unchanged\n")
    generation = client.get_endpoint("shop")["generation"]

    file.write_text(FILE.replace("traffic: 100", "traffic: 50").replace("traffic: 0", "traffic: 40"))
    code, told = run("apply", "-f", str(file))
    assert (code, told) == (1, f"error: {file}:2: entities must share 100 percent of the traffic, not 90\n")
    file.write_text(FILE.replace("value: 2", "value: 9"))
    code, told = run("apply", "-f", str(file))
    assert (code, "has no version 9" in told) == (1, True)
    assert client.get_endpoint("shop")["generation"] == generation

    file.write_text(FILE.replace("traffic: 100", "traffic: 60").replace("traffic: 0", "traffic: 40"))
    assert run("apply", "-f", str(file), "--dry-run") == (0, "shop would be changed\n")
    assert client.get_endpoint("shop")["generation"] == generation
    code, told = run("apply", "-f", str(file), "--diff")
    assert "+  traffic: 60\n" in told
    assert client.get_endpoint("shop")["traffic"] == {"blue": 60, "green": 40}
    code, exported = run("export", "shop")
    other = tmp_path / "other.yaml"
    other.write_text(exported)
    assert run("apply", "-f", str(other)) == (0, "shop unchanged\n")


@pytest.mark.req("REQ-147")
def test_mlflows_own_server_answers_as_the_endpoint(
    instance: RunningInstance, mlflow: Any, client: Any, tmp_path: Path
) -> None:
    client.create_deployment("shop", f"models:/{MODEL}/2")
    place = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/2", dst_path=str(tmp_path / "model"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "models", "serve", "-m", place, "-p", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--env-manager", "local"],
            stdout=log,
            stderr=log,
            start_new_session=True,
            # MLflow starts a uvicorn that it looks for on the path.
            env={**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
        )
    try:
        local = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
        with local, httpx.Client(base_url=instance.url, headers=instance.headers, trust_env=False) as ours:
            until = time.monotonic() + 120
            while not _pings(local):
                assert time.monotonic() < until, (tmp_path / "log").read_text()
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
            headers = {"content-type": "application/json"}
            here = local.post("/invocations", content=BODY, headers=headers)
            there = ours.post("/serving-endpoints/shop/invocations", content=BODY, headers=headers)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    assert here.status_code == there.status_code == 200, here.text + there.text
    assert np.array(here.json()["predictions"]) == pytest.approx(np.array(there.json()["predictions"]), rel=1e-9)


def _pings(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False
