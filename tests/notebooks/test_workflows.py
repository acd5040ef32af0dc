"""The example notebooks that teams copy, run as a schedule runs them, and judged by what they record."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import papermill
import pyarrow.parquet as pq
import pytest

import jupyter_modelserve as ms
from tests.notebooks.test_quickstart import execute, folder
from tests.support.instance import RunningInstance

__all__ = ["folder"]

nbformat: Any = import_module("nbformat")
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
WORKFLOWS = (
    "train_and_register",
    "train_pytorch",
    "train_transformers",
    "promote",
    "retrain",
    "batch_predict",
    "load_test",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class Runner:
    """Runs notebooks of this repository against the instance."""

    def __init__(self, kernel: str, folder: Path, outputs: Path) -> None:
        self._kernel, self._folder, self._outputs = kernel, folder, outputs

    def __call__(self, name: str, **parameters: Any) -> dict[str, Any]:
        """The values that the notebook recorded."""
        target = self._outputs / f"{name}.ipynb"
        target.unlink(missing_ok=True)
        execute(NOTEBOOKS / f"{name}.ipynb", target, self._kernel, self._folder, **parameters)
        return ms.recorded(target)["result"]


@pytest.fixture
def run(instance: RunningInstance, kernel: str, folder: Path, tmp_path: Path) -> Runner:
    return Runner(kernel, folder, tmp_path)


@pytest.mark.req("REQ-113", "REQ-114", "REQ-115", "REQ-116", "REQ-123", "REQ-198")
@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_every_flavour_answers_in_every_format_as_it_does_here(run: Runner, booster: str) -> None:
    found = run("train_and_register", prefix=f"wine-{booster}", booster=booster)
    assert found["flavors"] == {
        "pipeline": "sklearn",
        "boosting": booster,
        "custom": "python_function",
        "tree": "sklearn",
    }
    assert len(found["formats"]) == 9
    assert found["agrees"] == dict.fromkeys(found["flavors"], 9)
    assert min(found["signatures"].values()) >= 14  # thirteen inputs and an output


@pytest.mark.req("REQ-033", "REQ-113", "REQ-198")
def test_a_network_of_pytorch_answers_as_it_does_here(
    instance: RunningInstance, deep_kernel: str, folder: Path, tmp_path: Path
) -> None:
    found = Runner(deep_kernel, folder, tmp_path)("train_pytorch")
    assert found["flavor"] == "pytorch"
    assert found["accuracy"] > 0.9
    assert found["served_accuracy"] == found["accuracy"]
    assert found["formats"] == ["inputs", "instances"]
    assert found["refused"] == "axis 2 of the input has 4 values, the model expects 8"
    assert any(each.startswith("torch==") for each in found["requirements"])
    with instance.client() as client:
        files = {each["path"] for each in client.detail("digits", found["version"])["files"]}
        assert client.endpoints() == []
    assert "data/model.pt2" in files  # a graph, which holds no class of the notebook


@pytest.mark.req("REQ-113", "REQ-198")
def test_a_transformer_answers_as_it_does_here(
    instance: RunningInstance, deep_kernel: str, folder: Path, tmp_path: Path
) -> None:
    found = Runner(deep_kernel, folder, tmp_path)("train_transformers")
    assert found["flavor"] == "transformers"
    assert found["accuracy"] > 0.9
    assert found["labels"] == ["complaint", "praise"]
    assert found["same"] == found["rows"] > 100
    assert len(found["formats"]) == 4
    assert not any(each.startswith("torchvision") for each in found["requirements"])
    with instance.client() as client:
        assert client.endpoints() == []


@pytest.mark.req("REQ-104", "REQ-106", "REQ-198")
def test_a_version_is_promoted_refused_and_rolled_back(instance: RunningInstance, run: Runner) -> None:
    first = run("promote")
    assert (first["promoted"], first["champion_before"], first["champion"]) == (True, None, "1")
    poor = run("promote", max_depth=0)
    assert (poor["promoted"], poor["prod"], poor["champion"]) == (False, None, "1")
    assert "is below 0.9" in poor["problems"][0]
    second = run("promote", max_depth=4, roll_back=True)
    assert (second["promoted"], second["prod"], second["rolled_back"]) == (True, "2", True)
    assert (second["champion_before"], second["champion"]) == ("1", "1")
    with instance.client() as client:
        versions = client.model("prod.ml_team.tumour").versions
        assert [(each.version, each.aliases) for each in versions] == [("2", ()), ("1", ("Champion",))]
        assert client.model("staging.ml_team.tumour").aliases == {"Champion": "3"}
        assert client.endpoints() == []


def test_retraining_moves_the_alias_only_for_a_better_model(instance: RunningInstance, run: Runner) -> None:
    decisions = [run("retrain", model_name="retrained", alpha=alpha) for alpha in (100.0, 0.1, 1000.0)]
    assert [(each["decision"], each["champion_before"], each["champion"]) for each in decisions] == [
        ("accepted", None, "1"),
        ("accepted", "1", "2"),
        ("refused", "2", "2"),
    ]
    assert decisions[1]["gain"] > 0 > decisions[2]["gain"]
    with instance.client() as client:
        model = client.model("retrained")
    assert model.aliases == {"Champion": "2", "Challenger": "3"}
    refused = model.versions[0].tags
    assert refused["decision"] == "refused"
    assert refused["decision.reason"] == decisions[2]["reason"]


@pytest.mark.req("REQ-148", "REQ-198")
def test_a_parquet_file_is_predicted_by_one_version(run: Runner, tmp_path: Path) -> None:
    first = run("batch_predict", rows_at_a_time=4000)
    assert (first["rows"], first["version"]) == (22500, "1")
    written = pq.read_table(first["output"]).to_pandas()
    assert written["flower"].tolist() == list(range(22500))
    species = np.repeat(["setosa", "versicolor", "virginica"], 50)
    blocks = written["prediction"].to_numpy().reshape(150, 150)
    assert (blocks[0] == species).mean() > 0.9
    assert (blocks == blocks[0]).all()
    assert set(written["model_version"]) == {"1"}
    few = tmp_path / "few.parquet"
    pd.read_parquet(first["input"]).head(7).to_parquet(few)
    second = run("batch_predict", input_path=str(few), output_path=str(tmp_path / "out.parquet"))
    assert pq.read_table(tmp_path / "out.parquet").num_rows == second["rows"] == 7
    assert set(tmp_path.glob("*.part")) == set()


def test_a_load_test_measures_without_errors(run: Runner) -> None:
    figures = run("load_test", seconds=1.0, concurrencies=[1, 4])["figures"]
    assert set(figures) == {"1", "4"}
    for found in figures.values():
        assert found["errors"] == 0
        assert found["requests"] > 20
        assert 0 < found["p50"] <= found["p95"] <= found["p99"]


def test_a_load_test_that_fails_keeps_its_figures(
    instance: RunningInstance, kernel: str, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="above 1e-06 s"):
        execute(NOTEBOOKS / "load_test.ipynb", out, kernel, folder, seconds=0.3, concurrencies=[1], most_p99=1e-6)
    assert ms.recorded(out)["result"]["figures"]["1"]["requests"] > 0


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_notebook_is_clean(name: str) -> None:
    notebook = nbformat.read(str(NOTEBOOKS / f"{name}.ipynb"), 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    tagged = [cell.id for cell in code for tag in cell.metadata.get("tags", []) if tag in {"parameters", "results"}]
    assert tagged == ["parameters", "results"]
    inspected = papermill.inspect_notebook(str(NOTEBOOKS / f"{name}.ipynb"))
    assert all(each["help"] for each in inspected.values())
