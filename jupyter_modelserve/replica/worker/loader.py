"""Loading a version, exactly as MLflow does it for every flavour and every MLflow since 1.0.

mlflow's scoring server is never imported: mlflow-skinny has neither FastAPI nor Flask.
"""

from __future__ import annotations

from typing import Any

from .libraries import library
from .signature import ModelFile


def load(directory: str) -> Any:
    """The ``PyFuncModel`` of the model files in *directory*.

    Raises:
        Exception: whatever MLflow, the flavour's library or the model's own code raises.
    """
    return library("mlflow.pyfunc").load_model(directory)


def read_model_file(directory: str) -> ModelFile:
    """What the MLmodel file says.

    Raises:
        FileNotFoundError: the directory has no MLmodel file.
        ImportError: the environment has no yaml, which comes with every mlflow.
    """
    return ModelFile(directory)
