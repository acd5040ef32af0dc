"""Models that load in the time that MLflow needs and misbehave when told to. Local classes: pickled by value."""

from __future__ import annotations

from typing import Any

from tests.support import zoo

BODY = '{"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}'
DEADLY = '{"dataframe_split": {"columns": ["x"], "data": [[1000.0]]}}'
"""Ends the process of :func:`mortal`."""


def register(mlflow: Any, name: str, model: Any, requirements: list[str] | None = None) -> str:
    """Register *model*, which takes one number ``x``; returns the version. There is no example: nothing runs here.

    Without *requirements* those of this interpreter are taken.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    options = {"pip_requirements": requirements} if requirements else {}
    signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]))
    return zoo.register(mlflow, name, model, signature=signature, **options)


def steady(mlflow: Any, tag: int) -> Any:
    """Answers *tag*, so that an answer tells which version made it."""

    class Steady(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [tag for _ in range(len(model_input))]

    return Steady()


def slow(mlflow: Any, tag: int, seconds: float) -> Any:
    """As :func:`steady`, but works on every prediction for a while."""

    class Slow(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            import time

            time.sleep(seconds)
            return [tag for _ in range(len(model_input))]

    return Slow()


def unloadable(mlflow: Any) -> Any:
    """Cannot be loaded: a module is missing."""

    class Unloadable(mlflow.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            import no_such_module_anywhere  # type: ignore[import-not-found]  # noqa: F401

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [0]

    return Unloadable()


def short_lived(mlflow: Any, seconds: float) -> Any:
    """Ends its process *seconds* after it was loaded, whatever happens."""

    class ShortLived(mlflow.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            import os
            import threading

            threading.Timer(seconds, os._exit, (3,)).start()

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [99 for _ in range(len(model_input))]

    return ShortLived()


def never_ready(mlflow: Any) -> Any:
    """Loads for ever."""

    class NeverReady(mlflow.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            import time

            time.sleep(3600)

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [0]

    return NeverReady()


def mortal(mlflow: Any, tag: int) -> Any:
    """As :func:`steady`, but a large ``x`` is answered and ends the process right afterwards."""

    class Mortal(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            import os
            import threading

            if float(model_input["x"].max()) >= 1000:
                threading.Timer(0.02, os._exit, (7,)).start()
            return [tag for _ in range(len(model_input))]

    return Mortal()
