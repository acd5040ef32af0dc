"""XGBoost and LightGBM: their own predict on an array instead of a frame, which both would first have to take apart."""

from __future__ import annotations

from typing import Any

from ..libraries import numpy
from .base import FLOAT_MAX, Columns, Outside, Predict, Unsuitable

_SLACK = 1e-9
_TRAINING_ONLY = frozenset(
    {"bagging_fraction", "bagging_freq", "deterministic", "feature_fraction", "force_col_wise", "force_row_wise",
     "is_unbalance", "lambda_l1", "lambda_l2", "max_bin", "metric", "min_data_in_leaf", "scale_pos_weight", "seed",
     "verbose", "verbosity"}
)  # fmt: skip
"""Parameters of LightGBM that its scikit-learn classes hand to predict as well, where they mean nothing."""


def xgboost_booster(booster: Any, columns: Columns) -> Predict:
    """A path through ``xgboost.Booster``.

    Raises:
        Unsuitable: other features than the signature's, categories, or a linear booster.
    """
    check = _xgboost_domain(booster, columns)
    make, limit = _module_of(booster).DMatrix, columns.limit
    names, types = booster.feature_names, booster.feature_types

    def predict(matrix: Any) -> Any:
        check(matrix, limit)
        return booster.predict(make(matrix, feature_names=names, feature_types=types))

    return predict


def xgboost_estimator(estimator: Any, columns: Columns) -> Predict:
    """A path through ``XGBClassifier``, ``XGBRegressor`` and their like.

    Raises:
        Unsuitable: as for a booster.
    """
    if set(vars(estimator)) & {"predict", "predict_proba", "get_booster"}:
        raise Unsuitable("a method of the estimator was replaced")
    booster = estimator.get_booster()
    check = _xgboost_domain(booster, columns)
    limit = columns.limit

    def predict(matrix: Any) -> Any:
        check(matrix, limit)
        return estimator.predict(matrix, validate_features=False)

    return predict


def _xgboost_domain(booster: Any, columns: Columns) -> Any:
    columns.need("double", "float", "integer", "long")
    names = booster.feature_names
    if names is not None and list(names) != columns.names:
        raise Unsuitable("the booster's features are not the signature's columns")
    if booster.num_features() != len(columns.kinds):
        raise Unsuitable("the booster was trained with %d features" % booster.num_features())
    if "c" in (booster.feature_types or ()):
        raise Unsuitable("it has categorical features")
    if '"gblinear"' in booster.save_config():
        raise Unsuitable("a linear booster")
    return _check_floats


def _check_floats(matrix: Any, limit: float) -> None:
    """Refuse what a float cannot hold; nulls are what XGBoost calls missing."""
    if not numpy().nanmax(numpy().abs(matrix), initial=0.0) <= min(limit, FLOAT_MAX):
        raise Outside


def _module_of(value: Any) -> Any:
    import sys

    return sys.modules[type(value).__module__.partition(".")[0]]


def lightgbm_booster(booster: Any, columns: Columns) -> Predict:
    """A path through ``lightgbm.Booster``.

    Raises:
        Unsuitable: categories, or another number of features.
    """
    columns.need("double")
    if getattr(booster, "pandas_categorical", None):
        raise Unsuitable("it has categorical features")
    if booster.num_feature() != len(columns.kinds):
        raise Unsuitable("the booster was trained with %d features" % booster.num_feature())
    return lambda matrix: booster.predict(numpy().ascontiguousarray(matrix))


def lightgbm_estimator(estimator: Any, columns: Columns) -> Predict:
    """A path through ``LGBMClassifier`` or ``LGBMRegressor``.

    Raises:
        Unsuitable: prediction options among its parameters, a custom objective, or as for a booster.
    """
    if set(vars(estimator)) & {"predict", "predict_proba"}:
        raise Unsuitable("a method of the estimator was replaced")
    other = set(getattr(estimator, "_other_params", None) or ()) - _TRAINING_ONLY
    if other or callable(estimator.objective):
        raise Unsuitable("it has parameters of its own (%s)" % (min(other) if other else "objective"))
    values_of = lightgbm_booster(estimator.booster_, columns)
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return values_of

    def predict(matrix: Any) -> Any:
        shares = values_of(matrix)
        if shares.ndim == 1:
            if not (numpy().abs(shares - 0.5) > _SLACK).all():
                raise Outside
            return classes[(shares > 0.5).astype(numpy().intp)]
        return classes[shares.argmax(axis=1)]

    return predict
