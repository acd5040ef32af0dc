"""What the zygote imports and runs before it forks: libraries of the environment, and a model of its own making.

Running a model once pulls in what libraries import late. A served model is never loaded here, for its modules would
then be those of every later version (two versions with a same-named module must not mix).
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import warnings
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Tuple

_LIBRARIES = (
    "yaml", "numpy", "pandas", "mlflow.pyfunc", "mlflow.pyfunc.model", "cloudpickle", "joblib", "sklearn",
    "sklearn.base", "sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model",
    "sklearn.pipeline", "sklearn.preprocessing", "sklearn.tree", "mlflow.sklearn",
)  # fmt: skip
"""Imported where they are installed. The order is that in which loading a model would import them."""
_FLAVORS: Dict[str, Tuple[str, ...]] = {
    "mlflow.xgboost": ("xgboost", "mlflow.xgboost"),
    "mlflow.lightgbm": ("lightgbm", "mlflow.lightgbm"),
    "mlflow.catboost": ("catboost", "mlflow.catboost"),
    "mlflow.statsmodels": ("statsmodels.api", "mlflow.statsmodels"),
    "skops": ("skops.io",),
}
"""Imported when the first model of the flavour comes: they cost too much where nobody needs them."""
_NOT_FORKED = ("torch", "tensorflow", "polars", "jax", "keras", "pyspark", "cupy")
_HIDDEN = ("polars",)


def warm() -> None:
    """Import the libraries and serve the made-up model once.

    Raises:
        Exception: a library is installed and cannot be imported.
    """
    with _hidden():
        for name in _LIBRARIES:
            _import(name)
    if "mlflow.pyfunc" in sys.modules:
        _rehearse()


def is_new(flavor: str) -> bool:
    """Whether models of a flavour need libraries that are not imported yet."""
    return any(name not in sys.modules for name in _FLAVORS.get(flavor, ()))


def warm_flavor(flavor: str) -> str:
    """Import what models of a flavour need; why this process must not be forked any more, empty when all is well."""
    try:
        with _hidden():
            for name in _FLAVORS[flavor]:
                _import(name)
    except Exception as error:  # noqa: BLE001 - half-imported it would fail in another way in a fork
        return "%s cannot be imported (%s)" % (flavor, type(error).__name__)
    return unfit()


def unfit() -> str:
    """Why this process must not be forked; empty when it may be. Only the thread that forks survives a fork."""
    loaded = [name for name in _NOT_FORKED if name in sys.modules]
    if loaded:
        return "%s is loaded, which does not survive a fork" % loaded[0]
    threads = len(os.listdir("/proc/self/task"))
    return "a library has started threads (%d)" % threads if threads > 1 else ""


@contextmanager
def _hidden() -> Iterator[None]:
    """What starts threads as soon as it is imported is not found meanwhile: MLflow imports polars wherever it is
    installed, only to offer it. Versions that require it are spawned, and in a fork it is found again.
    """
    missing = [name for name in _HIDDEN if name not in sys.modules]
    modules: Dict[str, Any] = sys.modules  # None there is how Python itself says that a module is not to be found.
    modules.update(dict.fromkeys(missing))
    try:
        yield
    finally:
        for name in missing:
            if modules.get(name) is None:
                modules.pop(name, None)


def _import(name: str) -> None:
    top = name.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        return
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # An older or smaller library without this module; a missing dependency is another matter.
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise


def _rehearse() -> None:
    """Load and score the made-up model. Its failure is no reason not to fork: everything is imported by now."""
    from . import rehearsal

    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rehearsal.run()
    except Exception as error:  # noqa: BLE001 - as above
        sys.stderr.write("the rehearsal failed: %s: %s\n" % (type(error).__name__, str(error)[:300]))
    finally:
        logging.disable(level)
