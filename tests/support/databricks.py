"""What databricks clients read from the environment, pointed at an instance of ours for one test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

NATIVE = "MLFLOW_ENABLE_UC_NATIVE_MODEL_REGISTRY"


@contextlib.contextmanager
def pointed_at(house: RunningInstance, token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``DATABRICKS_HOST`` and ``DATABRICKS_TOKEN`` name *house*; nothing else of the machine is looked at."""
    with monkeypatch.context() as patch:
        for name in [each for each in os.environ if each.startswith("DATABRICKS_")]:
            patch.delenv(name)
        patch.setenv("DATABRICKS_HOST", house.url)
        patch.setenv("DATABRICKS_TOKEN", token)
        patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
        yield


def user(house: RunningInstance, name: str) -> str:
    """Add a user without rights; returns a token."""
    with house.client() as admin:
        admin.create_principal(name)
        return admin.create_token(f"for {name}", principal=name)[0]


@contextlib.contextmanager
def registry(house: RunningInstance, token: str, dialect: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MLflow as a Databricks notebook has it: ``databricks-uc``, host, token; runs are tracked here."""
    monkeypatch.setenv(NATIVE, "true" if dialect == "native" else "false")
    with mlflow_of(house) as mlflow, pointed_at(house, token, monkeypatch):
        from mlflow.tracking._model_registry import utils

        # MLflow keeps the store that it made first for an address, whatever its dialect.
        utils._get_store_registry()._get_store_with_resolved_uri.cache_clear()  # type: ignore[no-untyped-call]
        os.environ["MLFLOW_TRACKING_TOKEN"] = token
        mlflow.set_registry_uri("databricks-uc")
        yield mlflow


def logged(mlflow: Any, name: str, constant: float, **options: Any) -> str:
    """Log and register a model that predicts *constant*; returns the version.

    With its requirements, or MLflow loads each model in a new process to find them (test_lineage leaves them to it).
    """
    from sklearn.dummy import DummyRegressor

    options.setdefault("pip_requirements", zoo.pins("scikit-learn", "numpy", "cloudpickle"))
    model = DummyRegressor(strategy="constant", constant=constant).fit([[0.0]], [constant])
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            model, name="model", registered_model_name=name, input_example=np.array([[1.0]]), **options
        )
    return str(info.registered_model_version)


def predicted(mlflow: Any, address: str) -> float:
    """What the model at *address* predicts for one row."""
    return float(mlflow.pyfunc.load_model(address).predict(np.array([[1.0]]))[0])


def refused(call: Callable[[], Any], code: str, *words: str) -> None:
    """MLflow's client raises *code* with a message that holds *words*."""
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, caught.value
    for word in words:
        assert word in str(caught.value), caught.value
