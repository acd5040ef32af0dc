"""A model of the zygote's own, served once in memory: what a worker imports late, it finds imported.

With scikit-learn it is a small logistic regression saved by hand, otherwise a function; both go through exactly the
lines that a worker runs before READY.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import tempfile
from typing import Any, Dict

from ..worker import loader, paths, probe
from ..worker.config import Config
from ..worker.libraries import library
from ..worker.scorer import Scorer

_COLUMNS = ("a", "b")


def run() -> None:
    """Load, probe and choose paths like a worker.

    Raises:
        Exception: whatever a library raises.
    """
    directory = tempfile.mkdtemp(prefix="rehearsal-", dir=os.getcwd())
    try:
        _save(directory)
        spec = {
            "model": "rehearsal", "version": "0", "directory": directory, "unknown_columns": "warn", "timeout": 1.0,
            "kill_grace": 1.0, "startup_budget": 1.0, "body_limit": 1, "json_depth": 64,
        }  # fmt: skip
        config = Config({"key": "", "socket": "", "state_fd": -1, "parent_pid": 0, "spec": spec})
        model_file = loader.read_model_file(directory)
        model = loader.load(directory)
        scorer = Scorer(model, model_file)
        probe.run(scorer, model_file)
        paths.choose(model, model_file, scorer, config)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _load_pyfunc(path: str) -> Any:
    """MLflow calls this when there is no scikit-learn."""
    del path
    return _Half()


class _Half:
    def predict(self, data: Any, params: Any = None) -> Any:
        return data[_COLUMNS[0]] / 2


def _save(directory: str) -> None:
    if "mlflow.sklearn" in sys.modules:
        flavors = _save_estimator(directory)
    else:
        flavors = {"python_function": {"loader_module": __name__, "python_version": _python()}}
    document = {
        "flavors": flavors,
        "mlflow_version": str(library("mlflow").__version__),
        "model_uuid": "0" * 32,
        "utc_time_created": "2000-01-01 00:00:00.000000",
        "signature": {"inputs": json.dumps([{"name": name, "type": "double"} for name in _COLUMNS])},
    }
    _write(directory, "MLmodel", document)
    example = {"dataframe_split": {"columns": list(_COLUMNS), "data": [[0.5, 1.5], [2.5, 0.25]]}}
    _write(directory, "serving_input_example.json", example)


def _save_estimator(directory: str) -> Dict[str, Any]:
    frame = library("pandas").DataFrame([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 1.0]], columns=list(_COLUMNS))
    estimator = library("sklearn.linear_model").LogisticRegression().fit(frame, [0, 1, 0, 1])
    with open(os.path.join(directory, "model.pkl"), "wb") as stream:
        pickle.dump(estimator, stream)
    sklearn = {
        "code": None, "pickled_model": "model.pkl", "serialization_format": "pickle",
        "sklearn_version": str(library("sklearn").__version__),
    }  # fmt: skip
    function = {
        "loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": "predict",
        "python_version": _python(),
    }  # fmt: skip
    return {"python_function": function, "sklearn": sklearn}


def _python() -> str:
    return "%d.%d.%d" % sys.version_info[:3]


def _write(directory: str, name: str, document: Any) -> None:
    with open(os.path.join(directory, name), "w", encoding="utf-8") as stream:
        json.dump(document, stream)
