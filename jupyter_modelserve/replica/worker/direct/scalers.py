"""Scalers of scikit-learn in front of an estimator, with the same operations in the same order on doubles."""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

from ..libraries import numpy
from .base import Columns, Unsuitable, lookup

Step = Callable[[Any], Any]


def scaler(estimator: Any, columns: Columns) -> Step:
    """A function from matrix to scaled matrix (a new one).

    Raises:
        Unsuitable: the step is no scaler known here.
    """
    make = lookup(type(estimator), _MAKERS)
    if make is None:
        raise Unsuitable("no direct path for the step %s" % type(estimator).__name__)
    columns.need("double", "integer", "long")
    step: Step = make(estimator)
    return step


def _standard(estimator: Any) -> Step:
    mean = _doubles(estimator.mean_) if estimator.with_mean else 0.0
    scale = _doubles(estimator.scale_) if estimator.with_std else 1.0
    return lambda matrix: (matrix - mean) / scale


def _min_max(estimator: Any) -> Step:
    scale, shift = _doubles(estimator.scale_), _doubles(estimator.min_)
    if not getattr(estimator, "clip", False):
        return lambda matrix: matrix * scale + shift
    low, high = estimator.feature_range
    return lambda matrix: numpy().clip(matrix * scale + shift, low, high)


def _max_abs(estimator: Any) -> Step:
    if getattr(estimator, "clip", False):
        raise Unsuitable("its MaxAbsScaler clips")
    scale = _doubles(estimator.scale_)
    return lambda matrix: matrix / scale


def _robust(estimator: Any) -> Step:
    centre = _doubles(estimator.center_) if estimator.with_centering else 0.0
    scale = _doubles(estimator.scale_) if estimator.with_scaling else 1.0
    return lambda matrix: (matrix - centre) / scale


def _doubles(values: Any) -> Any:
    return numpy().asarray(values, dtype=numpy().float64)


_MAKERS: Dict[Tuple[str, str], Callable[[Any], Step]] = {
    ("sklearn.preprocessing", "StandardScaler"): _standard,
    ("sklearn.preprocessing", "MinMaxScaler"): _min_max,
    ("sklearn.preprocessing", "MaxAbsScaler"): _max_abs,
    ("sklearn.preprocessing", "RobustScaler"): _robust,
}
