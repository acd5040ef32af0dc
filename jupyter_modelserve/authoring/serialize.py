"""Decides how an estimator is written, so that MLflow's default does not refuse it.

MLflow writes scikit-learn models with skops and refuses every type that skops does not know, a RandomForest's trees
among them. Types of well-known libraries are passed as trusted; anything else (an own class or function) goes by
cloudpickle, which carries it by value.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_KNOWN: Final = frozenset(
    {"sklearn", "numpy", "scipy", "xgboost", "lightgbm", "catboost", "imblearn", "category_encoders", "quantile_forest"}
)


def sklearn_arguments(model: Any) -> dict[str, Any]:
    """Arguments of ``mlflow.sklearn.save_model`` for *model*: skops with trusted types, else cloudpickle."""
    trusted = trusted_types(model)
    if trusted is None:
        return {"serialization_format": "cloudpickle"}
    return {"serialization_format": "skops", "skops_trusted_types": trusted}


def trusted_types(model: Any) -> list[str] | None:
    """Types beyond skops' own that *model* needs and that come from well-known libraries; ``None``: not with skops."""
    try:
        import skops.io

        content = skops.io.dumps(model)
        unknown = list(skops.io.get_untrusted_types(data=content))
        if any(name.split(".")[0] not in _KNOWN for name in unknown):
            return None
        skops.io.loads(content, trusted=unknown)
    except Exception:  # noqa: BLE001 - whatever skops cannot write or read goes by cloudpickle
        return None
    return unknown


def pytorch_arguments(example: Any) -> dict[str, Any]:
    """Arguments of ``mlflow.pytorch.save_model``: an exported graph where the example allows one, else a pickle.

    A graph is loaded without running code of the model. It needs an array with more than one row, because of a single
    row PyTorch makes a model that takes nothing but single rows.
    """
    exported = type(example).__name__ == "ndarray" and example.ndim and len(example) > 1
    return {"serialization_format": "pt2" if exported else "pickle"}


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """A PyTorch model predicts inside this block as it will when it is served, without dropout and the like.

    MLflow puts what it loads into this mode, but a graph stays in the mode in which it was exported.
    """
    before = [(each, each.training) for each in model.modules()] if hasattr(model, "modules") else []
    for each, _ in before:
        each.training = False
    try:
        yield
    finally:
        for each, training in before:
            each.training = training


def is_local(module: str) -> bool:
    """Whether *module* is the user's own file: neither installed nor standard library, so absent where it is served."""
    found = sys.modules.get(module.split(".")[0])
    source = getattr(found, "__file__", None)
    if module == "__main__" or not source:
        return False
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    path = Path(source).resolve()
    return not any(path.is_relative_to(folder) for folder in folders) and "site-packages" not in path.parts


@contextmanager
def by_value(model: Any, code_paths: list[str] | None) -> Iterator[None]:
    """Own modules of *model*'s class or function travel inside the pickle, unless they come by *code_paths*."""
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    kinds = [model] if hasattr(model, "__qualname__") else type(model).__mro__
    modules = {kind.__module__ for kind in kinds if is_local(kind.__module__)}
    modules = {name for name in modules if not _carried(name, code_paths) and name in sys.modules}
    for name in modules:
        cloudpickle.register_pickle_by_value(sys.modules[name])
    try:
        yield
    finally:
        for name in modules:
            cloudpickle.unregister_pickle_by_value(sys.modules[name])


def _carried(module: str, code_paths: list[str] | None) -> bool:
    source = Path(sys.modules[module.split(".")[0]].__file__ or "").resolve()
    return any(source.is_relative_to(Path(each).resolve()) for each in code_paths or ())
