"""Checks before serving as a user does them: what is missing is named before a version exists, tried, and mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import jupyter_modelserve as ms
from jupyter_modelserve.checked import Check, CheckState
from jupyter_modelserve.client import check_calls, session
from jupyter_modelserve.client.checking import CheckFailed
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import EnvironmentKind
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FRAME = pd.DataFrame({"x": [1.0, 2.0]})
PINS = [f"mlflow-skinny=={version('mlflow')}", f"pandas=={version('pandas')}", "cloudpickle"]
NAME = "main.default.needs_more"


def needs_more(frame: Any) -> Any:
    """Installed here, where it is trained, and not among what it declares."""
    import threadpoolctl  # type: ignore[import-untyped]

    return frame["x"] * len(threadpoolctl.__name__)


@pytest.fixture
def kernel(instance: RunningInstance) -> Iterator[RunningInstance]:
    session.use(instance.client())
    yield instance
    session.use(None)


@pytest.mark.req("REQ-121", "REQ-122", "REQ-125", "REQ-126", "REQ-127", "REQ-147")
def test_a_missing_package_is_found_before_a_version_exists(kernel: RunningInstance, tmp_path: Path) -> None:
    client = session.current()
    seen: list[Check] = []
    with pytest.raises(CheckFailed, match="the module threadpoolctl is not installed") as caught:
        ms.register(needs_more, NAME, input_example=FRAME, pip_requirements=PINS, check=True, on_check=seen.append)
    failed = caught.value.details["check"]
    assert (failed["failure"]["cause"], failed["missing"]) == ("missing module", ["threadpoolctl"])
    assert "update_model_requirements" in caught.value.details["hint"]
    assert "extra_pip_requirements" in caught.value.details["hint"]
    assert "ModuleNotFoundError" in failed["log"]
    assert {each.name for found in seen for each in found.phases} >= {"environment", "start"}
    with pytest.raises(NotFound):
        client.model(NAME)

    # The failed model stays logged, so that what helps can be tried on it; nothing of it is changed by that.
    uri = failed["source"]
    tried = ms.check(uri, name=NAME, requirements=["threadpoolctl"])
    assert tried, tried
    assert tried.check.digest == failed["digest"]
    assert tried.check.environment is not None
    assert tried.check.environment.kind is EnvironmentKind.BUILT
    assert Path(tried.check.environment.interpreter).is_relative_to(kernel.home)
    assert tried.fixes()[0].startswith(f"mlflow.models.update_model_requirements({uri!r}, 'add', ['threadpoolctl'])")

    ms.update_requirements(uri, ["threadpoolctl"])
    made = ms.register(uri, NAME, alias="Champion", check=True)
    assert "passed in" in made.verdict
    assert "threadpoolctl" in client.detail(NAME, made.version)["requirements"]
    known = client.send(check_calls.version_checks(NAME, made.version))
    assert known.check is not None
    assert (known.check.state, known.check.version) == (CheckState.PASSED, made.version)
    assert known.check.environment == tried.check.environment
    assert not list((kernel.home / "checks").glob("*"))

    # A registered version never changes, whoever asks; MLflow's own calls work on the logged model and the version.
    with pytest.raises(InvalidParameter, match="never change"):
        ms.update_requirements(f"models:/{NAME}/{made.version}", ["threadpoolctl<4"])
    with mlflow_of(kernel) as mlflow:
        mlflow.models.update_model_requirements(uri, "add", ["threadpoolctl<99"])
        place = mlflow.MlflowClient().get_logged_model(uri.removeprefix("models:/")).artifact_location
        assert "threadpoolctl<99" in mlflow.artifacts.load_text(f"{place}/requirements.txt")
        answer = tmp_path / "answer.json"
        mlflow.models.predict(
            f"models:/{NAME}@Champion", input_data=FRAME, env_manager="local", output_path=str(answer)
        )
    found = json.loads(answer.read_text())["predictions"]
    assert [each["x"] if isinstance(each, dict) else each for each in found] == [13.0, 26.0]


def which(frame: Any) -> Any:
    """The library that this version declares, not that of its sibling."""
    import threadpoolctl

    return [threadpoolctl.__version__ for _ in range(len(frame))]


@pytest.mark.req("REQ-009", "REQ-121", "REQ-141")
def test_two_versions_of_a_model_have_two_environments_at_once(kernel: RunningInstance) -> None:
    wanted = {"1": "3.5.0", "2": "3.6.0"}
    for number, pin in wanted.items():
        requirements = [*PINS, f"threadpoolctl=={pin}"]
        made = ms.register(which, "two-environments", input_example=FRAME, pip_requirements=requirements)
        assert made.version == number
    served = ms.serve("two-environments", timeout=240)
    try:
        states = {each.version: each for each in served.endpoint.status.versions}
        environments = {number: states[number].environment for number in wanted}
        assert len({each.key for each in environments.values() if each}) == 2
        for number, pin in wanted.items():
            assert ms.score(f"two-environments/{number}", FRAME).tolist() == [pin, pin]
    finally:
        ms.stop("two-environments")
