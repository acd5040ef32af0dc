"""Small real MLflow models of every kind that the replica's tests score, saved once per session."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property

IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROW = [5.1, 3.5, 1.4, 0.2]


def iris() -> tuple[pd.DataFrame, Any]:
    """The iris data with the seeds' column names."""
    from sklearn.datasets import load_iris

    found = load_iris(as_frame=True)
    return found.data.set_axis(IRIS, axis=1), found.target


def python_model(function: Callable[..., Any]) -> PythonModel:
    """A model that calls *function* with its input (and params)."""

    class Model(PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return function(model_input, params)

    return Model()


def save(path: Path, function: Callable[..., Any], signature: ModelSignature | None = None, **options: Any) -> Path:
    """Save a python model whose only dependency is mlflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            path=str(path),
            python_model=python_model(function),
            signature=signature,
            pip_requirements=["mlflow"],
            **options,
        )
    return path


def columns(*specs: tuple[str, Any, bool]) -> ModelSignature:
    """A column signature of (name, type, required)."""
    return ModelSignature(inputs=Schema([ColSpec(kind, name, required) for name, kind, required in specs]))


def save_iris(path: Path, estimator: str = "logistic", **options: Any) -> Path:
    """An sklearn classifier with named double columns; with an input example unless told otherwise."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    frame, target = iris()
    model: Any = LogisticRegression(max_iter=500)
    if estimator == "forest":
        model = RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0)
    model.fit(frame, target)
    options.setdefault("input_example", frame.head(2))
    options.setdefault("pip_requirements", ["mlflow", "scikit-learn"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model, str(path), signature=infer_signature(frame), serialization_format="cloudpickle", **options
        )
    return path


def _typed() -> ModelSignature:
    kinds = DataType
    return columns(
        ("i", kinds.integer, True),
        ("l", kinds.long, True),
        ("b", kinds.boolean, True),
        ("t", kinds.datetime, True),
        ("d", kinds.double, True),
        ("f", kinds.float, True),
        ("s", kinds.string, True),
        ("x", kinds.binary, True),
        ("ol", kinds.long, False),
        ("od", kinds.double, False),
        ("ob", kinds.boolean, False),
    )


def _nested() -> ModelSignature:
    return columns(
        ("a", Array(DataType.double), True),
        ("o", Object([Property("n", DataType.long), Property("w", DataType.double)]), True),
        ("m", Map(DataType.double), True),
    )


def _params() -> ModelSignature:
    schema = ParamSchema(
        [
            ParamSpec("factor", DataType.double, 1.0),
            ParamSpec("count", DataType.long, 1),
            ParamSpec("name", DataType.string, "x"),
            ParamSpec("flags", DataType.boolean, [True], (-1,)),
        ]
    )
    return ModelSignature(inputs=Schema([ColSpec(DataType.double, "d")]), params=schema)


def _two_tensors() -> ModelSignature:
    return ModelSignature(
        inputs=Schema(
            [TensorSpec(np.dtype("int64"), (-1, 3), "tokens"), TensorSpec(np.dtype("float32"), (-1,), "mask")]
        )
    )


def _describe(data: Any, params: Any) -> Any:
    """What the model got, as plain values: columns or shape, dtypes, values."""
    if isinstance(data, dict):
        return {name: [str(np.asarray(each).dtype), list(np.shape(each)), each] for name, each in data.items()}
    if isinstance(data, pd.DataFrame):
        kinds = {str(name): str(data[name].dtype) for name in data}
        return {
            "dtypes": kinds,
            "index": list(data.index),
            "rows": data.astype(object).to_dict("records"),
            "params": params,
        }
    return {"dtype": str(getattr(data, "dtype", type(data).__name__)), "shape": list(np.shape(data)), "data": data}


def _fail(data: Any, params: Any) -> Any:
    raise ZeroDivisionError("secret text of the model")


MODELS: dict[str, Callable[[Path], Path]] = {
    "logistic": save_iris,
    "forest": lambda path: save_iris(path, "forest"),
    "first": lambda path: save_iris(path, pip_requirements=["mlflow==1.30.0", "scikit-learn"]),
    "typed": lambda path: save(path, _describe, _typed()),
    "nested": lambda path: save(path, _describe, _nested()),
    "params": lambda path: save(path, lambda data, params: [params[key] for key in sorted(params)], _params()),
    "tensor": lambda path: save(
        path, _describe, ModelSignature(inputs=Schema([TensorSpec(np.dtype("float64"), (-1, 4))]))
    ),
    "int-tensor": lambda path: save(
        path, _describe, ModelSignature(inputs=Schema([TensorSpec(np.dtype("int32"), (-1, 2, 2))]))
    ),
    "tensors": lambda path: save(path, _describe, _two_tensors()),
    "strings": lambda path: save(
        path,
        lambda data, params: [str(text).upper() for text in data["text"]],
        columns(("text", DataType.string, True)),
    ),
    "unnamed": lambda path: save(
        path, _describe, ModelSignature(inputs=Schema([ColSpec(DataType.double), ColSpec(DataType.long)]))
    ),
    "free": lambda path: save(path, _describe),
    "failing": lambda path: save(path, _fail, columns(("d", DataType.double, True))),
    "exiting": lambda path: save(path, lambda data, params: exit(3), columns(("d", DataType.double, True))),
}
