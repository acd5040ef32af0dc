"""What is served: two classifiers of the iris data, the requests for them and the answers that are right."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ONE, MANY = "1 row", "1,000 rows"
NAMES = {"lr": "LogisticRegression", "rf": "RandomForest(100)"}
REQUIREMENTS = ("mlflow", "scikit-learn", "pandas", "numpy", "scipy", "cloudpickle")
"""What a model of ours needs; peers get the same versions."""


@dataclass(frozen=True)
class Model:
    """A saved model. ``frame`` is its training data, which the requests are taken from."""

    name: str
    directory: Path
    frame: Any
    fitted: Any


@dataclass(frozen=True)
class Question:
    """The rows of one request and the labels that they must get."""

    rows: list[list[float]]
    labels: list[int]


Encode = Callable[[list[str], list[list[float]]], dict[str, Any]]


def split(columns: list[str], rows: list[list[float]]) -> dict[str, Any]:
    """MLflow's ``dataframe_split``, which every server that wraps pyfunc is sent."""
    return {"dataframe_split": {"columns": columns, "data": rows}}


def pins() -> list[str]:
    """The requirements in the versions of this environment."""
    return [f"{name}=={version(name)}" for name in REQUIREMENTS]


def train(folder: Path, names: Iterable[str] = NAMES) -> dict[str, Model]:
    """Fit them and save them below *folder* as MLflow models with signature and example."""
    warnings.simplefilter("ignore")
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    frame, target = load_iris(return_X_y=True, as_frame=True)
    estimators = {
        "lr": LogisticRegression(max_iter=500),
        "rf": RandomForestClassifier(n_estimators=100, max_depth=7, random_state=0),
    }
    found = {}
    for name in names:
        fitted = estimators[name].fit(frame, target)
        mlflow.sklearn.save_model(
            fitted,
            folder / name,
            signature=infer_signature(frame, fitted.predict(frame)),
            input_example=frame.head(2),
            pip_requirements=pins(),
            serialization_format="cloudpickle",
        )
        found[name] = Model(name, folder / name, frame, fitted)
    return found


def questions(model: Model, kind: str) -> list[Question]:
    """150 requests of one row, or three of 1,000, in an order in which neighbours differ."""
    rows = model.frame.to_numpy().tolist()
    labels = [int(label) for label in model.fitted.predict(model.frame)]
    # 61 and 150 have no common factor, so this visits every row and jumps between the three kinds of flower.
    order = [(61 * index) % 150 for index in range(150)]
    if kind == ONE:
        return [Question([rows[index]], [labels[index]]) for index in order]
    long = (order * 7)[:1000]
    turns = [long[shift:] + long[:shift] for shift in (0, 1, 2)]
    return [Question([rows[index] for index in turn], [labels[index] for index in turn]) for turn in turns]


def bodies(model: Model, kind: str, encode: Encode = split) -> list[str]:
    """The requests as JSON."""
    columns = list(model.frame.columns)
    return [json.dumps(encode(columns, each.rows)) for each in questions(model, kind)]
