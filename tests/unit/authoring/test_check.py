"""``ms.register(check=True)`` with MLflow's real store: what stays of a model that failed or was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

import jupyter_modelserve as ms
from jupyter_modelserve.checked import Check, CheckState
from jupyter_modelserve.client import checking
from jupyter_modelserve.client.calls import Call
from jupyter_modelserve.client.checking import CheckFailed, CheckResult
from jupyter_modelserve.types import Cause, Failure
from tests.unit.authoring.conftest import FileInstance

pytestmark = pytest.mark.filterwarnings("ignore")
FRAME = pd.DataFrame({"x": [1.0]})


def first(frame: Any) -> Any:
    return frame["x"]


def register(name: str, monkeypatch: pytest.MonkeyPatch, outcome: Any, model: Any = first) -> Any:
    """Register with a check that ends in *outcome*; what was asked for is in ``asked`` of the error or result."""

    def follow(call: Call[Check], *_: Any) -> CheckResult:
        assert call.json["model"] == name
        if isinstance(outcome, BaseException):
            raise outcome
        failure = Failure(Cause.LOAD_FAILED, "it does not load", "mend it") if outcome is CheckState.FAILED else None
        return CheckResult(Check("c", name, "", call.json["source"], outcome, 1, failure=failure))

    monkeypatch.setattr(checking, "follow", follow)
    return ms.register(model, name, input_example=FRAME, check=True)


@pytest.mark.req("REQ-126", "REQ-127")
def test_a_failed_model_stays_logged_without_a_version(
    instance: FileInstance, mlflow_client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckFailed, match="no version was made: load failed: it does not load") as caught:
        register("failed", monkeypatch, CheckState.FAILED)
    source = caught.value.details["check"]["source"]
    logged = mlflow_client.get_logged_model(source.removeprefix("models:/"))
    assert mlflow_client.get_run(str(logged.source_run_id)).info.status == "FINISHED"
    assert not mlflow_client.search_registered_models("name = 'failed'")
    # What is required of it may be changed, and it becomes a version without saving it again.
    ms.update_requirements(source, add=["tqdm"], remove=["pandas"])
    made = register("failed", monkeypatch, CheckState.PASSED, source)
    assert (made.version, made.model_id) == ("1", logged.model_id)
    assert made.verdict.startswith(source)
    assert f"check: {made.verdict}" in made.text()
    place = mlflow.artifacts.download_artifacts(f"{logged.artifact_location}/requirements.txt")
    lines = Path(place).read_text(encoding="utf-8").split()
    assert "tqdm" in lines
    assert not any(line.startswith("pandas") for line in lines)


def test_an_interrupted_check_leaves_nothing(
    instance: FileInstance, mlflow_client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = mlflow_client.get_experiment_by_name("notebooks")
    assert found is not None
    ms.register(first, "kept", input_example=FRAME)
    before = len(mlflow_client.search_logged_models([found.experiment_id]))
    assert before
    with pytest.raises(KeyboardInterrupt):
        register("interrupted", monkeypatch, KeyboardInterrupt())
    assert not mlflow_client.search_registered_models("name = 'interrupted'")
    assert len(mlflow_client.search_logged_models([found.experiment_id])) == before
