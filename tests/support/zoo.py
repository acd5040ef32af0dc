"""Models for end-to-end tests: one for every kind of input that the source texts show."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

IRIS_SHORT = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
IRIS_MIXED = ["sepal_length (cm)", "sepal_width (cm)", "petal_length (cm)", "petal_width"]
IRIS_LONG = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
HEART = ["age", "sex", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal"]


def pins(*names: str) -> list[str]:
    """Requirements of the versions that are installed, so that this interpreter can be borrowed."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("mlflow", *names)]


def iris(columns: list[str]) -> tuple[Any, pd.DataFrame]:
    """A classifier of the iris data under these column names; predicts 0 for the sources' first flower."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    features, target = load_iris(return_X_y=True)
    frame = pd.DataFrame(features, columns=columns)
    return LogisticRegression(max_iter=1000).fit(frame, target), frame


def heart() -> tuple[Any, pd.DataFrame]:
    """A regression that answers the sum of its twelve columns, so that the right prediction is known."""
    from sklearn.linear_model import LinearRegression

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 12)), columns=HEART)
    return LinearRegression().fit(frame, frame.sum(axis=1)), frame


def function_models() -> dict[str, tuple[Callable[..., Any], Any, Any]]:
    """name -> (predict function, signature, input example) of models over tensors."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def tensors(**specs: tuple[str, tuple[int, ...]]) -> ModelSignature:
        schema = Schema([TensorSpec(np.dtype(kind), shape, name) for name, (kind, shape) in specs.items()])
        return ModelSignature(inputs=schema)

    def masked(model_input: Any) -> Any:
        return (np.asarray(model_input["tokens"]) * np.asarray(model_input["mask"])).sum(axis=1)

    def shapes(model_input: Any) -> Any:
        return {name: list(np.asarray(value).shape) for name, value in model_input.items()}

    def upper(model_input: Any) -> Any:
        return [str(each).upper() for each in np.asarray(model_input).ravel()]

    words = ModelSignature(inputs=Schema([TensorSpec(np.dtype(str), (-1,))]))
    named = tensors(t1=("str", (-1,)), t2=("int64", (-1, 5)), t3=("int64", (-1, 3, 2)))
    return {
        "masked": (masked, tensors(tokens=("int64", (-1, 12)), mask=("int64", (-1, 12))), None),
        "shapes": (shapes, named, None),
        "upper": (upper, words, np.array(["x", "y"])),
    }


def register(mlflow: Any, name: str, model: Any, example: Any = None, **options: Any) -> str:
    """Log and register a model with the unmodified client; returns the version's number."""
    warnings.simplefilter("ignore")
    client = mlflow.MlflowClient()
    with mlflow.start_run():
        if hasattr(model, "fit"):
            options.setdefault("pip_requirements", pins("scikit-learn", "pandas", "numpy", "cloudpickle"))
            flavour, arguments = mlflow.sklearn, {"sk_model": model, "serialization_format": "cloudpickle"}
        else:
            options.setdefault("pip_requirements", pins("pandas", "numpy", "cloudpickle"))
            flavour, arguments = mlflow.pyfunc, {"python_model": model}
        info = flavour.log_model(
            name="model", registered_model_name=name, input_example=example, **arguments, **options
        )
    number = str(info.registered_model_version)
    assert client.get_model_version(name, number).status == "READY"
    return number
