"""Every estimator that has a direct path, as small fitted models, and how to make requests that try its edges."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

NAMES = ["a", "b", "c", "d"]
KINDS = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}


def training(kinds: list[str]) -> tuple[pd.DataFrame, Any]:
    """120 rows with values that repeat and values that do not, and three classes."""
    chance = np.random.default_rng(7)
    content: dict[str, Any] = {}
    for name, kind in zip(NAMES, kinds, strict=True):
        values = (
            np.round(chance.normal(2.0, 3.0, 120), 1) if kind in ("double", "float") else chance.integers(-5, 9, 120)
        )
        content[name] = (values > 1 if kind == "boolean" else values).astype(KINDS[kind])
    frame = pd.DataFrame(content)
    score = frame["a"].astype(float) + 0.5 * frame["b"].astype(float) - frame["d"].astype(float)
    return frame, pd.cut(score, [-np.inf, 0.0, 2.5, np.inf], labels=False)


def _labels(target: Any) -> Any:
    return np.array(["low", "middle", "high"], dtype=object)[target]


def _sklearn() -> dict[str, Callable[[Any, Any], Any]]:
    from sklearn import ensemble, linear_model, svm, tree
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    def binary(estimator: Any) -> Callable[[Any, Any], Any]:
        return lambda frame, target: estimator.fit(frame, target > 0)

    def three(estimator: Any) -> Callable[[Any, Any], Any]:
        return lambda frame, target: estimator.fit(frame, target)

    def named(estimator: Any) -> Callable[[Any, Any], Any]:
        return lambda frame, target: estimator.fit(frame, _labels(target))

    def value(estimator: Any) -> Callable[[Any, Any], Any]:
        return lambda frame, target: estimator.fit(frame, target + frame["a"].astype(float))

    logistic = linear_model.LogisticRegression
    return {
        "logistic": three(logistic(max_iter=400)),
        "logistic-binary": binary(logistic(max_iter=400)),
        "logistic-text": named(logistic(max_iter=400)),
        "logistic-cv": three(
            linear_model.LogisticRegressionCV(
                Cs=2, cv=2, max_iter=400, use_legacy_attributes=False, l1_ratios=(0.0,)
            )
        ),
        "perceptron": three(linear_model.Perceptron()),
        "ridge-classifier": three(linear_model.RidgeClassifier()),
        "sgd-classifier": three(linear_model.SGDClassifier(random_state=0)),
        "linear-svc": three(svm.LinearSVC(random_state=0)),
        "linear": value(linear_model.LinearRegression()),
        "linear-two": lambda frame, target: linear_model.LinearRegression().fit(frame, np.c_[target, frame["a"]]),
        "ridge": value(linear_model.Ridge()),
        "lasso": value(linear_model.Lasso(0.1)),
        "elastic-net": value(linear_model.ElasticNet(0.1)),
        "bayesian-ridge": value(linear_model.BayesianRidge()),
        "huber": value(linear_model.HuberRegressor(max_iter=1000)),
        "sgd-regressor": value(linear_model.SGDRegressor(random_state=0, eta0=0.001)),
        "linear-svr": value(svm.LinearSVR(random_state=0, max_iter=10000)),
        "standard-logistic": three(make_pipeline(StandardScaler(), logistic(max_iter=400))),
        "min-max-ridge": value(make_pipeline(MinMaxScaler(), linear_model.Ridge())),
        "min-max-clip-linear": value(make_pipeline(MinMaxScaler(clip=True), linear_model.LinearRegression())),
        "max-abs-logistic": three(make_pipeline(MaxAbsScaler(), logistic(max_iter=400))),
        "robust-forest": three(make_pipeline(RobustScaler(), ensemble.RandomForestClassifier(5, random_state=0))),
        "standard-forest": value(make_pipeline(StandardScaler(), ensemble.RandomForestRegressor(5, random_state=0))),
        "pass-through": three(Pipeline([("none", "passthrough"), ("model", logistic(max_iter=400))])),
        "tree": three(tree.DecisionTreeClassifier(random_state=0)),
        "tree-regressor": value(tree.DecisionTreeRegressor(random_state=0)),
        "extra-tree": three(tree.ExtraTreeClassifier(random_state=0)),
        "forest": three(ensemble.RandomForestClassifier(8, random_state=0)),
        "forest-text": named(ensemble.RandomForestClassifier(8, max_depth=3, random_state=0)),
        "forest-weighted": three(ensemble.RandomForestClassifier(8, class_weight="balanced", random_state=0)),
        "forest-regressor": value(ensemble.RandomForestRegressor(8, random_state=0)),
        "extra-trees": three(ensemble.ExtraTreesClassifier(8, random_state=0)),
        "extra-trees-regressor": value(ensemble.ExtraTreesRegressor(8, random_state=0)),
        "gradient": three(ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0)),
        "gradient-binary": binary(ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0)),
        "gradient-regressor": value(ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0)),
        "gradient-zero": value(ensemble.GradientBoostingRegressor(n_estimators=8, init="zero", random_state=0)),
        "histogram": three(ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=0)),
        "histogram-binary": binary(ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=0)),
        "histogram-regressor": value(ensemble.HistGradientBoostingRegressor(max_iter=8, random_state=0)),
        "histogram-poisson": lambda frame, target: ensemble.HistGradientBoostingRegressor(
            max_iter=8, loss="poisson", random_state=0
        ).fit(frame, target),
    }  # fmt: skip


def _xgboost() -> dict[str, Callable[[Any, Any], Any]]:
    import xgboost

    options: dict[str, Any] = {"n_estimators": 8, "max_depth": 3, "random_state": 0, "n_jobs": 1}

    def booster(objective: str) -> Callable[[Any, Any], Any]:
        return lambda frame, target: xgboost.train(
            {"objective": objective, "max_depth": 3, "nthread": 1}, xgboost.DMatrix(frame, target > 0), 8
        )

    return {
        "xgb-classifier": lambda frame, target: xgboost.XGBClassifier(**options).fit(frame, target),
        "xgb-binary": lambda frame, target: xgboost.XGBClassifier(**options).fit(frame, target > 0),
        "xgb-regressor": lambda frame, target: xgboost.XGBRegressor(**options).fit(frame, target + frame["a"]),
        "xgb-missing": lambda frame, target: xgboost.XGBRegressor(missing=0.0, **options).fit(frame, target),
        "xgb-forest": lambda frame, target: xgboost.XGBRFRegressor(**options).fit(frame, target),
        "xgb-booster": booster("binary:logistic"),
        "xgb-booster-squared": booster("reg:squarederror"),
    }


def _lightgbm() -> dict[str, Callable[[Any, Any], Any]]:
    import lightgbm

    options: dict[str, Any] = {"n_estimators": 8, "num_leaves": 7, "random_state": 0, "n_jobs": 1, "verbose": -1}

    def booster(frame: Any, target: Any) -> Any:
        return lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(frame, target), 8)

    return {
        "lgbm-classifier": lambda frame, target: lightgbm.LGBMClassifier(**options).fit(frame, target),
        "lgbm-binary": lambda frame, target: lightgbm.LGBMClassifier(**options).fit(frame, _labels(target) == "low"),
        "lgbm-text": lambda frame, target: lightgbm.LGBMClassifier(**options).fit(frame, _labels(target)),
        "lgbm-regressor": lambda frame, target: lightgbm.LGBMRegressor(**options).fit(frame, target + frame["a"]),
        "lgbm-booster": booster,
    }


FLAVOURS = {"sklearn": _sklearn, "xgboost": _xgboost, "lightgbm": _lightgbm}
DOUBLES = ["double"] * 4
MIXED = ["double", "long", "double", "integer"]


def save_estimator(path: Path, flavour: str, name: str, kinds: list[str], **options: Any) -> Path:
    """Fit and save one of the models above with a signature of the given kinds."""
    frame, target = training(kinds)
    signature = ModelSignature(Schema([ColSpec(kind, column) for column, kind in zip(NAMES, kinds, strict=True)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FLAVOURS[flavour]()[name](frame, target)
        if flavour == "sklearn":
            options["serialization_format"] = "cloudpickle"
        options.setdefault("input_example", frame.head(3))
        getattr(mlflow, flavour).save_model(
            model, str(path), signature=signature, pip_requirements=["mlflow"], **options
        )
    return path
