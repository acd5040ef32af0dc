"""Loading a version, exactly as MLflow does it for every flavour and every MLflow since 1.0.

mlflow's scoring server is never imported: mlflow-skinny has neither FastAPI nor Flask.
"""

from __future__ import annotations

import gc
from typing import Any

from .libraries import library
from .signature import ModelFile


def load(directory: str) -> Any:
    """The ``PyFuncModel`` of the model files in *directory*.

    Raises:
        Exception: whatever MLflow, the flavour's library or the model's own code raises.
    """
    # The warnings compare the requirements with what is installed, which chose this environment. To know that again
    # MLflow looks at every file of every distribution: half a second, and several where the disk is cold.
    return _imported("mlflow.pyfunc").load_model(directory, suppress_warnings=True)


def _imported(name: str) -> Any:
    """A module, without the collections that find nothing while it is imported: modules stay for good."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return library(name)
    finally:
        if collects:
            gc.enable()


def read_model_file(directory: str) -> ModelFile:
    """What the MLmodel file says.

    Raises:
        FileNotFoundError: the directory has no MLmodel file.
        ImportError: the environment has no yaml, which comes with every mlflow.
    """
    return ModelFile(directory)
