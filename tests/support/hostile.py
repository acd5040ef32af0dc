"""Models that try to harm others. Local classes: pickled by value; each answers what became of its attempt."""

from __future__ import annotations

from typing import Any


def prowler(mlflow: Any) -> Any:
    """Evaluates the Python expression that it is sent and answers the text of the result or of the error."""

    class Prowler(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            found = []
            for source in model_input["x"]:
                try:
                    space: dict[str, Any] = {}
                    exec(source, space)
                    found.append(str(space.get("answer")))
                except BaseException as error:
                    found.append(f"{type(error).__name__}: {error}")
            return found

    return Prowler()


def eater(mlflow: Any) -> Any:
    """Fills the memory when it is sent a number of MiB."""

    class Eater(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            total = 0
            for size in model_input["x"]:
                total += len(b"x" * (int(size) * 1024 * 1024))
            return [total]

    return Eater()


def fat(mlflow: Any) -> Any:
    """Cannot be loaded in the memory that it is given."""

    class Fat(mlflow.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            self.kept = [b"x" * (64 * 1024 * 1024) for _ in range(1024)]

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [0]

    return Fat()


def register(mlflow: Any, name: str, model: Any, kind: str) -> str:
    """Register a model that takes one column ``x`` of *kind*."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from tests.support import docker_serving

    signature = ModelSignature(inputs=Schema([ColSpec(kind, "x")]))
    return docker_serving.register(mlflow, name, model, signature=signature)
