"""A model of Python 3.8 and MLflow 2 is served in exactly that, whatever Python we run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.controller.engines.base import EngineError
from tests.conftest import missing
from tests.support import docker_engine
from tests.support.docker_serving import Serving

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
MLMODEL = """\
flavors:
  python_function:
    code: code
    data: MLmodel
    env:
      virtualenv: python_env.yaml
    loader_module: of_old
    python_version: 3.8.18
mlflow_version: 2.17.2
signature:
  inputs: '[{"type": "double", "name": "x"}]'
"""
CODE = """\
import platform

import mlflow


class Old:
    def predict(self, data, params=None):
        return [platform.python_version() + " " + mlflow.__version__ for _ in range(len(data))]


def _load_pyfunc(path):
    return Old()
"""


@pytest.fixture(scope="module")
def old_base(docker_base: str) -> None:
    client = docker_engine.client()
    try:
        client.blocking(lambda api: api.inspect_image(docker_base.format(python="3.8")))
    except EngineError:
        missing(f"the image {docker_base.format(python='3.8')}")
    finally:
        client.close()


@pytest.mark.req("REQ-142")
def test_a_model_of_python_3_8_runs_in_python_3_8(
    old_base: None, mlflow: Any, serving: Serving, tmp_path: Path
) -> None:
    files = {
        "MLmodel": MLMODEL,
        "code/of_old.py": CODE,
        "requirements.txt": "mlflow-skinny==2.17.2\npandas==2.0.3\n",
        "python_env.yaml": "python: 3.8.18\ndependencies:\n- -r requirements.txt\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path), "model")
    client.create_registered_model("of-old")
    client.create_model_version("of-old", f"{run.info.artifact_uri}/model", run.info.run_id)
    (version,) = serving.put("of-old").status.versions
    assert version.environment is not None
    assert version.environment.python_version.startswith("3.8.")
    assert serving.client.score("of-old", {"x": [1.0]}) == ["3.8.18 2.17.2"]
