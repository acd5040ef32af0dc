"""``ms.register`` with MLflow's real store: what is logged, what is refused before anything is logged."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.model import PythonModel
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import jupyter_modelserve as ms
from jupyter_modelserve.authoring import upload
from jupyter_modelserve.client.display import MIME
from jupyter_modelserve.errors import InvalidParameter, ModelServeError, NotFound
from tests.unit.authoring.conftest import FileInstance

X, Y = load_iris(return_X_y=True, as_frame=True)
FOREST = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, Y)


def load(uri: str) -> Any:
    return mlflow.pyfunc.load_model(uri)


@pytest.mark.req("REQ-064", "REQ-067", "REQ-116")
def test_a_random_forest(instance: FileInstance, mlflow_client: mlflow.MlflowClient) -> None:
    found = ms.register(
        FOREST,
        "forest",
        alias=["Champion", "best"],
        tags={"team": "red"},
        description="five trees",
        input_example=X,
        dataset=X,
        params={"trees": 5},
        metrics={"accuracy": 0.9},
    )
    assert (found.name, found.version, found.reference) == ("forest", "1", "forest@Champion")
    assert found.signature[0] == ("input", "sepal length (cm)", "double", "yes")
    assert found.signature[-1][0] == "output"
    assert found.warnings == ()
    version = mlflow_client.get_model_version("forest", "1")
    assert (version.description, version.tags, sorted(version.aliases)) == (
        "five trees",
        {"team": "red"},
        ["Champion", "best"],
    )
    run = mlflow_client.get_run(found.run_id)
    assert (run.data.params["trees"], run.data.metrics["accuracy"], run.info.status) == ("5", 0.9, "FINISHED")
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].tags[0].value == "training"
    assert load("models:/forest@Champion").predict(X).tolist() == FOREST.predict(X).tolist()
    assert instance.interpreters == [sys.executable]
    assert found._repr_mimebundle_()[MIME]["uri"] == "models:/forest/1"


def test_own_function_in_a_pipeline_goes_by_value(instance: FileInstance) -> None:
    def double(frame: Any) -> Any:
        return frame * 2

    model = make_pipeline(FunctionTransformer(double), LogisticRegression(max_iter=500)).fit(X, Y)
    found = ms.register(model, "pipeline", input_example=X)
    assert any(each.startswith("cloudpickle==") for each in found.requirements)
    assert load(found.uri).predict(X.head(3)).tolist() == model.predict(X.head(3)).tolist()


def test_a_function(instance: FileInstance) -> None:
    def total(frame: pd.DataFrame) -> Any:
        import scipy.special

        return frame.sum(axis=1) + scipy.special.expit(0)

    found = ms.register(total, "function", input_example=X)
    assert found.flavor == "pyfunc"
    assert {"numpy", "pandas", "scipy", "cloudpickle"} <= {each.split("==")[0] for each in found.requirements}
    assert load(found.uri).predict(X.head(1)).tolist() == pytest.approx([10.7])


class Own(PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return ["high" if value > 5 else "low" for value in model_input.iloc[:, 0]]


def test_a_python_model(instance: FileInstance) -> None:
    found = ms.register(Own(), "own", input_example=X)
    assert found.signature[-1] == ("output", "0", "string", "yes")
    assert load(found.uri).predict(X.head(2)) == ["high", "low"]


@pytest.mark.req("REQ-116")
def test_nullable_integers_keep_the_signature(instance: FileInstance) -> None:
    """asks.md M4: MLflow alone stores no signature here."""
    frame = pd.DataFrame(
        {"a": pd.array([1, None, 3], dtype="Int64"), "b": pd.array([True, None, False], dtype="boolean")}
    )

    def first(data: Any) -> Any:
        return data["a"].fillna(0)

    found = ms.register(first, "nullable", input_example=frame)
    assert found.signature[:2] == (("input", "a", "double", "no"), ("input", "b", "boolean", "no"))
    assert any("'a' is Int64 with missing values" in each for each in found.warnings)
    sent = pd.DataFrame({"a": [1.0, np.nan], "b": pd.Series([True, None], dtype=object)})
    assert load(found.uri).predict(sent).tolist() == [1.0, 0.0]


def test_an_existing_logged_model_and_run(instance: FileInstance) -> None:
    first = ms.register(FOREST, "origin", input_example=X)
    again = ms.register(f"models:/{first.model_id}", "copy")
    assert (again.model_id, again.signature) == (first.model_id, first.signature)
    assert ms.register(f"runs:/{first.run_id}/origin", "copy").version == "2"
    assert ms.register("models:/origin/1", "copy").version == "3"


def test_a_folder_of_a_saved_model_is_copied_and_left_alone(instance: FileInstance, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    model = LogisticRegression(max_iter=500).fit(X, Y)
    mlflow.sklearn.save_model(model, folder, input_example=X.head(2), pip_requirements=["scikit-learn"])
    before = (folder / "MLmodel").read_text()
    found = ms.register(folder, "from_folder", alias="Champion")
    assert (found.flavor, found.signature[0][0]) == ("sklearn", "input")
    assert load("models:/from_folder@Champion").predict(X).tolist() == model.predict(X).tolist()
    assert ms.register(str(folder / "MLmodel"), "from_folder").version == "2"
    assert (folder / "MLmodel").read_text() == before
    with pytest.raises(InvalidParameter, match="no MLmodel file"):
        ms.register(tmp_path, "from_folder")
    with pytest.raises(NotFound, match="no folder"):
        ms.register(tmp_path / "none", "from_folder")


def test_the_last_run(instance: FileInstance, mlflow_client: mlflow.MlflowClient) -> None:
    with mlflow.start_run(experiment_id=notebooks(mlflow_client)) as run:
        inside = ms.register(FOREST, "logged-in-run", input_example=X)
    assert inside.run_id == run.info.run_id
    assert ms.register(None, "last").model_id == inside.model_id
    assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"


def test_the_kernels_state_is_left_alone(instance: FileInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of-another-server")
    monkeypatch.delenv("MLFLOW_TRACKING_AUTH", raising=False)
    uri, level = mlflow.get_tracking_uri(), logging.getLogger("mlflow").level
    ms.register(FOREST, "quiet", input_example=X)
    assert mlflow.get_tracking_uri() == uri
    assert mlflow.active_run() is None
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == "of-another-server"
    assert "MLFLOW_TRACKING_AUTH" not in os.environ
    assert logging.getLogger("mlflow").level == level


def test_nothing_is_printed(instance: FileInstance, capfd: pytest.CaptureFixture[str]) -> None:
    ms.register(FOREST, "quiet", input_example=X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.req("REQ-063", "REQ-065")
def test_a_catalog_model_needs_a_signature(instance: FileInstance) -> None:
    with pytest.raises(InvalidParameter, match="needs a signature"):
        ms.register(FOREST, "prod.ml.iris")
    assert ms.register(FOREST, "prod.ml.iris", input_example=X).version == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": RandomForestClassifier()}, "not fitted; call fit first"),
        ({"model": 3}, "builtins.int cannot be registered"),
        ({"model": RandomForestClassifier}, "is a class"),
        ({"alias": "Production"}, "the name of a stage"),
        ({"alias": "7"}, "is a number"),
        ({"name": "a/b"}, "holds one of"),
        ({"flavor": "cobol"}, "flavor 'cobol' is unknown"),
        ({"input_example": pd.DataFrame({"z": [1.0]})}, "cannot predict its own input example"),
        ({"dataset": 3}, "give a DataFrame"),
    ],
)
def test_refused_before_a_version_exists(
    instance: FileInstance, mlflow_client: mlflow.MlflowClient, arguments: dict[str, Any], message: str
) -> None:
    before = counts(mlflow_client)
    given: dict[str, Any] = {"model": FOREST, "name": "refused", "input_example": X} | arguments
    with pytest.raises(InvalidParameter, match=message):
        ms.register(**given)
    assert counts(mlflow_client) == before


def notebooks(client: mlflow.MlflowClient) -> str:
    found = client.get_experiment_by_name("notebooks")
    assert found is not None
    return str(found.experiment_id)


def counts(client: mlflow.MlflowClient) -> tuple[int, int, int]:
    """Versions, logged models and runs that are not deleted."""
    experiment = notebooks(client)
    return (
        len(client.search_model_versions("")),
        len(client.search_logged_models([experiment])),
        len(client.search_runs([experiment])),
    )


def test_a_failure_while_uploading_leaves_nothing(
    instance: FileInstance, mlflow_client: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts(mlflow_client)

    def fail(*_: Any) -> None:
        raise mlflow.exceptions.MlflowException("the disk is full\nwith details")

    monkeypatch.setattr(upload, "register", fail)
    with pytest.raises(ModelServeError, match=r"^the disk is full$"):
        ms.register(FOREST, "broken", input_example=X)
    assert counts(mlflow_client) == before


def test_unknown_uris(instance: FileInstance) -> None:
    with pytest.raises(NotFound, match="neither on the instance nor"):
        ms.register("runs:/0123/model", "unknown")
    with pytest.raises(NotFound):
        ms.register("models:/m-0123", "unknown")


def test_no_example_is_said(instance: FileInstance) -> None:
    found = ms.register(FOREST, "blind")
    assert "no input example" in found.warnings[0]
    assert found.signature == ()


def test_a_module_of_the_users_own_travels_with_the_model(
    instance: FileInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ownmodule.py").write_text("def predict(frame):\n    return frame.sum(axis=1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import ownmodule  # type: ignore[import-not-found, unused-ignore]

    found = ms.register(ownmodule.predict, "local", input_example=X)
    (tmp_path / "ownmodule.py").unlink()
    monkeypatch.delitem(sys.modules, "ownmodule")
    assert load(found.uri).predict(X.head(1)).tolist() == pytest.approx([10.2])
