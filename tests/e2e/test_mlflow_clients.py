"""The unmodified MLflow client against the gateway's address, with nothing but a tracking address and a token."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]

_SIZE = 300 * 1024 * 1024
_ALLOWED = 64 * 1024 * 1024


@pytest.fixture
def mlflow(instance: RunningInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The mlflow module as a notebook has it: only the two environment variables are set."""
    # MLflow's stores are stricter under pytest; a notebook has no such variable.
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    with mlflow_of(instance) as module:
        yield module


@pytest.fixture
def version(mlflow: Any) -> Callable[[str, float], Any]:
    """Logs and registers a model that answers a constant."""
    import numpy as np
    from sklearn.dummy import DummyRegressor

    def register(name: str, constant: float) -> Any:
        model = DummyRegressor(strategy="constant", constant=constant).fit([[0.0]], [constant])
        with mlflow.start_run():
            info = mlflow.sklearn.log_model(
                model, name="model", registered_model_name=name, input_example=np.array([[1.0]]),
                pip_requirements=zoo.pins("scikit-learn", "numpy", "cloudpickle"),
            )  # fmt: skip
        return mlflow.MlflowClient().get_model_version(name, info.registered_model_version)

    return register


def _answer(model: Any) -> float:
    import numpy as np

    return float(model.predict(np.array([[1.0]]))[0])


def test_runs_with_parameters_metrics_tags_and_search(mlflow: Any) -> None:
    experiment = mlflow.set_experiment("e2e runs")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"depth": 3})
        mlflow.log_metric("score", 0.5, step=1)
        mlflow.log_metric("score", 0.75, step=2)
        mlflow.set_tag("kind", "test")
        mlflow.log_dict({"a": [1, 2]}, "folder/notes.json")
    client = mlflow.MlflowClient()
    found = client.search_runs([experiment.experiment_id], "metrics.score > 0.7 and tags.kind = 'test'")
    assert [each.info.run_id for each in found] == [run.info.run_id]
    assert found[0].data.params == {"depth": "3"}
    assert [each.value for each in client.get_metric_history(run.info.run_id, "score")] == [0.5, 0.75]
    assert [each.path for each in client.list_artifacts(run.info.run_id, "folder")] == ["folder/notes.json"]
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/folder/notes.json") == {"a": [1, 2]}


@pytest.mark.req("REQ-102")
def test_registry_from_creation_to_deletion(mlflow: Any, version: Callable[[str, float], Any]) -> None:
    client, name = mlflow.MlflowClient(), "e2e.ml_team.registry"
    first, second = version(name, 1.0), version(name, 2.0)
    assert (first.version, second.version) == ("1", "2")
    client.update_registered_model(name, "what it is for")
    client.set_registered_model_tag(name, "task", "regression")
    client.set_model_version_tag(name, "1", "validation_status", "approved")
    client.update_model_version(name, "2", "the better one")
    found = client.get_registered_model(name)
    assert (found.description, found.tags) == ("what it is for", {"task": "regression"})
    assert client.get_model_version(name, "1").tags == {"validation_status": "approved"}
    assert {each.version for each in client.search_model_versions(f"name='{name}'")} == {"1", "2"}
    assert name in [each.name for each in client.search_registered_models()]
    copied = client.copy_model_version(f"models:/{name}/1", "e2e.prod.registry")
    assert (copied.name, copied.version) == ("e2e.prod.registry", "1")
    client.rename_registered_model(name, f"{name}2")
    client.delete_model_version(f"{name}2", "1")
    client.delete_registered_model(f"{name}2")
    assert name not in [each.name for each in client.search_registered_models()]


def test_versions_load_by_number_alias_and_stage(mlflow: Any, version: Callable[[str, float], Any]) -> None:
    client, name = mlflow.MlflowClient(), "e2e-load"
    version(name, 1.0)
    version(name, 2.0)
    client.set_registered_model_alias(name, "Champion", "1")
    client.transition_model_version_stage(name, "2", "Production")
    load = mlflow.pyfunc.load_model
    assert _answer(load(f"models:/{name}/1")) == 1.0
    assert _answer(load(f"models:/{name}@Champion")) == 1.0
    assert _answer(load(f"models:/{name}/Production")) == 2.0
    client.set_registered_model_alias(name, "Champion", "2")
    assert _answer(load(f"models:/{name}@Champion")) == 2.0
    client.transition_model_version_stage(name, "1", "Production", archive_existing_versions=True)
    assert client.get_model_version(name, "2").current_stage == "Archived"
    client.delete_registered_model_alias(name, "Champion")
    with pytest.raises(mlflow.exceptions.MlflowException, match="Champion"):
        load(f"models:/{name}@Champion")


@pytest.mark.req("REQ-103")
def test_model_files_can_be_downloaded(mlflow: Any, version: Callable[[str, float], Any], tmp_path: Path) -> None:
    version("e2e-download", 1.0)
    found = Path(mlflow.artifacts.download_artifacts("models:/e2e-download/1", dst_path=str(tmp_path)))
    assert (found / "MLmodel").is_file()


def test_our_rules_reach_the_client_as_its_own_exceptions(mlflow: Any) -> None:
    client = mlflow.MlflowClient()
    client.create_registered_model("e2e-rules")
    refused: list[Callable[[], Any]] = [
        lambda: client.create_registered_model("a@b"),
        lambda: client.rename_registered_model("e2e-rules", "a@b"),
        lambda: client.set_registered_model_tag("e2e-rules", "mlflow.prompt.is_prompt", "true"),
        lambda: client.create_experiment("elsewhere", artifact_location="/etc"),
    ]
    for call in refused:
        with pytest.raises(mlflow.exceptions.MlflowException) as caught:
            call()
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
        assert "Traceback" not in str(caught.value)


@pytest.mark.req("REQ-018")
@pytest.mark.parametrize("token", ["", "ms_wrong"])
def test_without_the_token_the_client_is_refused(mlflow: Any, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"401|token"):
        mlflow.MlflowClient().search_registered_models()


class _Memory(threading.Thread):
    """Samples the resident memory of processes; ``growth`` is the highest rise of any of them."""

    def __init__(self, pids: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = {name: each.memory_info().rss for name, each in self._processes.items()}
        self._done = threading.Event()
        self.growth = dict.fromkeys(pids, 0)

    def run(self) -> None:
        while not self._done.is_set():
            for name, process in self._processes.items():
                self.growth[name] = max(self.growth[name], process.memory_info().rss - self._before[name])
            self._done.wait(0.02)

    def finish(self) -> dict[str, int]:
        self._done.set()
        self.join()
        return self.growth


def test_300_mb_go_up_and_down_with_flat_memory(mlflow: Any, instance: RunningInstance, tmp_path: Path) -> None:
    block = hashlib.sha256(b"seed").digest() * 32768
    source = tmp_path / "big.bin"
    with source.open("wb") as stream:
        for _ in range(_SIZE // len(block)):
            stream.write(block)
    with instance.client() as client:
        child = client.status().mlflow.pid
    assert child is not None
    pids = {"gateway": instance.pid("gateway"), "controller": instance.pid("controller"), "mlflow": child}
    with mlflow.start_run() as run:
        mlflow.log_text("warm", "warm.txt")
        memory = _Memory(pids)
        memory.start()
        begun = time.monotonic()
        mlflow.log_artifact(str(source))
        up = time.monotonic() - begun
    begun = time.monotonic()
    got = Path(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/big.bin", dst_path=str(tmp_path / "got")))
    down = time.monotonic() - begun
    growth = memory.finish()
    with source.open("rb") as sent, got.open("rb") as received:
        assert hashlib.file_digest(sent, "sha256").digest() == hashlib.file_digest(received, "sha256").digest()
    print(f"up {up:.1f} s, down {down:.1f} s, growth MiB { {k: v >> 20 for k, v in growth.items()} }")
    assert max(growth.values()) < _ALLOWED, growth
