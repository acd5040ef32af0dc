"""Linear models of scikit-learn: one product of matrices.

Products are not bit for bit the same for every number of rows, here or in pyfunc. So rows whose label or whose leading
digits depend on rounding (scores that cancel) are outside the domain.
"""

from __future__ import annotations

from typing import Any

from ..libraries import numpy
from .base import Columns, Outside, Predict, Unsuitable, labels_of, need_plain

KINDS = ("double", "integer", "long")
CLASSIFIERS = (
    "LogisticRegression", "LogisticRegressionCV", "Perceptron", "PassiveAggressiveClassifier", "RidgeClassifier",
    "RidgeClassifierCV", "SGDClassifier",
)  # fmt: skip
REGRESSORS = (
    "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars", "LarsCV", "Lasso",
    "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression", "OrthogonalMatchingPursuit",
    "PassiveAggressiveRegressor", "QuantileRegressor", "Ridge", "RidgeCV", "SGDRegressor", "TheilSenRegressor",
)  # fmt: skip
_LABEL_SLACK = 1e-13
_VALUE_SLACK = 1e-6
"""Times the sum of magnitudes and the number of columns: a thousand times the error that rounding can make."""


class _Scores:
    """``X @ coefficients + intercept`` beside the sum of the magnitudes that went into it."""

    def __init__(self, estimator: Any, limit: float) -> None:
        coefficients = numpy().asarray(estimator.coef_, dtype=numpy().float64)
        if coefficients.ndim not in (1, 2) or not numpy().isfinite(coefficients).all():
            raise Unsuitable("its coefficients are no finite matrix")
        self.weights = coefficients.T
        self.width = coefficients.shape[-1]
        self._intercept = estimator.intercept_
        self._magnitudes = numpy().abs(self.weights)
        self._base = numpy().abs(numpy().asarray(self._intercept, dtype=numpy().float64))
        self._limit = limit

    def __call__(self, matrix: Any) -> Any:
        size = numpy().abs(matrix)
        sums = size @ self._magnitudes + self._base
        # An infinity or a NaN of the input is one of the sum, whatever its coefficient.
        top = sums.max()
        if not top < 1e300 or (self._limit < float("inf") and size.max() > self._limit):
            raise Outside
        return matrix @ self.weights + self._intercept, sums


def classifier(estimator: Any, columns: Columns) -> Predict:
    """A path to the labels of a linear classifier.

    Raises:
        Unsuitable: multi-label, or not fitted in the usual way.
    """
    columns.need(*KINDS)
    need_plain(estimator, columns)
    classes = estimator.classes_
    if not isinstance(classes, numpy().ndarray) or classes.ndim != 1:
        raise Unsuitable("it has several outputs")
    if str(getattr(getattr(estimator, "_label_binarizer", None), "y_type_", "")).startswith("multilabel"):
        raise Unsuitable("it is multi-label")
    scores_of = _Scores(estimator, columns.limit)
    slack = _LABEL_SLACK * scores_of.width

    def predict(matrix: Any) -> Any:
        scores, sums = scores_of(matrix)
        if scores.ndim > 1 and scores.shape[1] == 1:
            return labels_of(scores.reshape(-1), classes, slack * sums.reshape(-1))
        return labels_of(scores, classes, slack * (sums if sums.ndim == 1 else sums.max(axis=1)))

    return predict


def regressor(estimator: Any, columns: Columns) -> Predict:
    """A path to the values of a linear regressor.

    Raises:
        Unsuitable: not fitted in the usual way.
    """
    columns.need(*KINDS)
    need_plain(estimator, columns)
    values_of = _Scores(estimator, columns.limit)
    slack = _VALUE_SLACK * values_of.width

    def predict(matrix: Any) -> Any:
        values, sums = values_of(matrix)
        if not (numpy().abs(values) >= slack * sums).all():
            raise Outside
        return values

    return predict
