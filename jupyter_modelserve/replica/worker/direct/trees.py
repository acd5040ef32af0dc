"""Decision trees and forests of scikit-learn: its own compiled trees, without what it does around them.

Nineteen twentieths of the time that a forest takes for one row go into dispatching a hundred calls. Here the trees are
asked in the same order and summed in the same way, so that votes that are equal stay equal.
"""

from __future__ import annotations

import sys
from typing import Any, List

from ..libraries import numpy
from .base import Columns, Predict, Unsuitable, need_plain, single_precision

KINDS = ("double", "float", "integer", "long")


def tree(estimator: Any, columns: Columns) -> Predict:
    """A path through one tree.

    Raises:
        Unsuitable: several outputs.
    """
    _need_single_output(estimator, columns)
    inner = estimator.tree_
    if not hasattr(estimator, "classes_"):
        values = inner.value[:, 0, 0].copy()
        return lambda matrix: values.take(inner.apply(single_precision(matrix, columns.limit)))
    # The winner of every leaf is known beforehand.
    winners = estimator.classes_.take(inner.value[:, 0, :].argmax(axis=1), axis=0)
    return lambda matrix: winners.take(inner.apply(single_precision(matrix, columns.limit)))


def forest_classifier(estimator: Any, columns: Columns) -> Predict:
    """A path to the votes of a forest.

    Raises:
        Unsuitable: several outputs.
    """
    _need_single_output(estimator, columns)
    classes, count = estimator.classes_, int(estimator.n_classes_)
    trees = [each.tree_ for each in _members(estimator)]
    shares = [_shares(each, count) for each in trees]

    def predict(matrix: Any) -> Any:
        rows = single_precision(matrix, columns.limit)
        votes = numpy().zeros((len(rows), count))
        for each, share in zip(trees, shares):
            votes += share.take(each.apply(rows), axis=0)
        votes /= len(trees)
        return classes.take(votes.argmax(axis=1), axis=0)

    return predict


def forest_regressor(estimator: Any, columns: Columns) -> Predict:
    """A path to the mean of a forest.

    Raises:
        Unsuitable: several outputs.
    """
    _need_single_output(estimator, columns)
    trees = [each.tree_ for each in _members(estimator)]
    means = [each.value[:, 0, 0].copy() for each in trees]

    def predict(matrix: Any) -> Any:
        rows = single_precision(matrix, columns.limit)
        total = numpy().zeros(len(rows))
        for each, mean in zip(trees, means):
            total += mean.take(each.apply(rows))
        total /= len(trees)
        return total

    return predict


def _need_single_output(estimator: Any, columns: Columns) -> None:
    columns.need(*KINDS)
    need_plain(estimator, columns)
    if estimator.n_outputs_ != 1:
        raise Unsuitable("it has several outputs")


def _members(estimator: Any) -> List[Any]:
    members = list(estimator.estimators_)
    if len({type(each) for each in members}) != 1 or any(each.n_outputs_ != 1 for each in members):
        raise Unsuitable("its trees are not of one kind")
    return members


def _shares(inner: Any, count: int) -> Any:
    """Per node, the shares of the classes; before scikit-learn 1.3 trees held counts and divided at each prediction."""
    values = inner.value[:, 0, :count].copy()
    version = str(sys.modules["sklearn"].__version__)
    if tuple(int(part) for part in version.split(".")[:2]) >= (1, 3):
        return values
    sums = values.sum(axis=1, keepdims=True)
    sums[sums == 0.0] = 1.0
    return values / sums
