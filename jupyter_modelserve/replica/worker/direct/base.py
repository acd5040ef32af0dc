"""What a direct path is, and the helpers that its kinds share.

A direct path is a function from a matrix of doubles to what ``PyFuncModel.predict`` would answer for it. It raises
:class:`Outside` for every input of which that is not certain; such a request goes through pyfunc.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Sequence, Tuple

from ..libraries import numpy

Predict = Callable[[Any], Any]
EXACT = 2.0**53
FLOAT_MAX = 3.4028234663852886e38


class Outside(Exception):
    """The input is outside a direct path's domain: pyfunc must answer (or refuse) it."""


class Unsuitable(Exception):
    """There is no direct path for a model; ``str`` says why, in words for the version's status."""


class Columns:
    """What the signature says about the matrix: the names in order (empty when unnamed) and MLflow's type names."""

    __slots__ = ("kinds", "names")

    def __init__(self, names: Sequence[Any], kinds: Sequence[str]) -> None:
        self.names = list(names)
        self.kinds = list(kinds)

    def need(self, *kinds: str) -> None:
        """Refuse a signature with other kinds.

        Raises:
            Unsuitable: names the kind.
        """
        other = sorted(set(self.kinds) - set(kinds))
        if other:
            raise Unsuitable("the signature has columns of type " + ", ".join(other))

    @property
    def limit(self) -> float:
        """Largest magnitude at which going through doubles loses nothing that the library would have kept."""
        return EXACT if "long" in self.kinds else float("inf")


def is_public(cls: type, module: str, names: Sequence[str]) -> bool:
    """Whether *cls* is one of the named classes of an imported module: the very class, no subclass, no namesake."""
    loaded = sys.modules.get(module)
    return cls.__name__ in names and loaded is not None and getattr(loaded, cls.__name__, None) is cls


def lookup(cls: type, table: Dict[Tuple[str, str], Any]) -> Any:
    """The entry of *table* (keyed by public module and class name) for exactly this class, or ``None``."""
    for (module, name), value in table.items():
        if name == cls.__name__ and is_public(cls, module, (name,)):
            return value
    return None


def need_plain(estimator: Any, columns: Columns) -> None:
    """Check what every scikit-learn estimator must have for a direct path.

    Raises:
        Unsuitable: other features than the signature's, methods replaced on the instance, another output container.
    """
    own = set(vars(estimator)) & {"predict", "predict_proba", "decision_function", "transform", "_validate_X_predict"}
    if own:
        raise Unsuitable("the estimator's %s was replaced" % min(own))
    if getattr(estimator, "_sklearn_output_config", None):
        raise Unsuitable("the estimator has an output container of its own (set_output)")
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and list(names) != columns.names:
        raise Unsuitable("the estimator's features are not the signature's columns")
    width = getattr(estimator, "n_features_in_", len(columns.kinds))
    if width != len(columns.kinds):
        raise Unsuitable("the estimator was fitted with %s features" % width)


def single_precision(matrix: Any, limit: float) -> Any:
    """The matrix as floats, as tree libraries take it.

    Raises:
        Outside: a null, or a value that a float cannot hold.
    """
    top = numpy().abs(matrix).max()
    if not top <= min(limit, FLOAT_MAX):
        raise Outside
    return matrix.astype(numpy().float32, order="C")


def labels_of(scores: Any, classes: Any, slack: Any) -> Any:
    """The class of the highest score (one column: of a positive score).

    Raises:
        Outside: two scores are nearer to each other than *slack*, so that the order of additions could decide.
    """
    if scores.ndim == 1:
        if not (numpy().abs(scores) > slack).all():
            raise Outside
        return classes[(scores > 0).astype(numpy().intp)]
    best = numpy().partition(scores, -2, axis=1)
    if not (best[:, -1] - best[:, -2] > slack).all():
        raise Outside
    return classes[scores.argmax(axis=1)]
