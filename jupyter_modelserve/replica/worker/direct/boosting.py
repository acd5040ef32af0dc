"""Gradient boosting of scikit-learn, both kinds: its own compiled loops over the trees, and no checks around them."""

from __future__ import annotations

import sys
from typing import Any

from ..libraries import numpy
from .base import Columns, Outside, Predict, Unsuitable, is_public, labels_of, need_plain, single_precision

_SLACK = 1e-12


def gradient_boosting(estimator: Any, columns: Columns) -> Predict:
    """A path through ``GradientBoostingClassifier`` or ``GradientBoostingRegressor``.

    Raises:
        Unsuitable: it starts from an estimator of the user's.
    """
    columns.need("double", "float", "integer", "long")
    need_plain(estimator, columns)
    start = estimator.init_
    if start != "zero" and not is_public(type(start), "sklearn.dummy", ("DummyClassifier", "DummyRegressor")):
        raise Unsuitable("it starts from another estimator (init)")
    stages = sys.modules["sklearn.ensemble._gradient_boosting"].predict_stages
    trees, rate, width = estimator.estimators_, estimator.learning_rate, len(columns.kinds)
    # A dummy estimator and zero say the same about every row.
    base = estimator._raw_predict_init(numpy().zeros((1, width), dtype=numpy().float32))[0]

    def raw(matrix: Any) -> Any:
        rows = single_precision(matrix, columns.limit)
        found = numpy().repeat(base[None, :], len(rows), axis=0)
        stages(trees, rows, rate, found)
        return found

    return _finish(estimator, raw, None)


def histogram_boosting(estimator: Any, columns: Columns) -> Predict:
    """A path through ``HistGradientBoostingClassifier`` or ``HistGradientBoostingRegressor``; nulls are welcome.

    Raises:
        Unsuitable: categorical features.
    """
    columns.need("double", "integer", "long")
    need_plain(estimator, columns)
    if getattr(estimator, "is_categorical_", None) is not None or getattr(estimator, "_preprocessor", None) is not None:
        raise Unsuitable("it has categorical features")
    if getattr(estimator, "_in_fit", False):
        raise Unsuitable("it is being fitted")
    base, predictors, limit = estimator._baseline_prediction, estimator._predictors, columns.limit
    each_time = estimator.n_trees_per_iteration_

    def raw(matrix: Any) -> Any:
        if limit < float("inf") and not numpy().nanmax(numpy().abs(matrix), initial=0.0) <= limit:
            raise Outside
        found = numpy().zeros((len(matrix), each_time), dtype=base.dtype, order="F")
        found += base
        estimator._predict_iterations(matrix, predictors, found, False, 1)
        return found

    link = None if hasattr(estimator, "classes_") else estimator._loss.link.inverse
    return _finish(estimator, raw, link)


def _finish(estimator: Any, raw: Predict, link: Any) -> Predict:
    """Labels for a classifier, values for a regressor."""
    if not hasattr(estimator, "classes_"):
        return lambda matrix: raw(matrix).ravel() if link is None else link(raw(matrix).ravel())
    classes = estimator.classes_

    def predict(matrix: Any) -> Any:
        scores = raw(matrix)
        if scores.shape[1] == 1:
            scores = scores.ravel()
        # At a tie the versions of scikit-learn decide differently.
        return labels_of(scores, classes, _SLACK)

    return predict
