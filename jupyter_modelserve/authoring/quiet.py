"""Silences MLflow's chatter while a model is logged: what matters to the user is said by our own warnings.

MLflow logs experimental notices, pip and uv inference messages, progress bars and "View run" lines; in a notebook they
bury the result.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_VARIABLES: Final = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_PRINT_MODEL_URLS_ON_CREATION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}


@contextmanager
def quiet(verbose: bool = False) -> Iterator[None]:
    """Nothing below ERROR from MLflow reaches the notebook inside this block, unless *verbose*."""
    if verbose:
        yield
        return
    logger = logging.getLogger("mlflow")
    level = logger.level
    saved = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(_VARIABLES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow.pyfunc  # noqa: F401 - importing it warns, and sets the level of its logger

            level = logger.level if level == logging.NOTSET else level
            logger.setLevel(logging.ERROR)
            yield
    finally:
        logger.setLevel(level)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
