"""Finds out how MLflow saves an object: by the library its class comes from, without importing any library."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Final

from jupyter_modelserve.errors import InvalidParameter

_BY_LIBRARY: Final = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "torch": "pytorch",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "sentence_transformers": "sentence_transformers",
    "transformers": "transformers",
    "statsmodels": "statsmodels",
    "spacy": "spacy",
    "prophet": "prophet",
    "pmdarima": "pmdarima",
    "onnx": "onnx",
    "sklearn": "sklearn",
}
"""Top-level package of a class in the model's ancestry → flavour; the nearest ancestor decides."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """``name`` is MLflow's; ``function`` says that the model is a plain function."""

    name: str
    function: bool = False

    @property
    def predicts_in_process(self) -> bool:
        """Whether the prediction for the signature can be made directly, without loading the saved model."""
        return self.name in {"sklearn", "xgboost", "lightgbm", "catboost", "pyfunc", "statsmodels"}


def detect(model: Any, flavor: str | None = None) -> Flavor:
    """The flavour of *model*.

    Raises:
        InvalidParameter: nothing is known about this type; the message names it.
    """
    if flavor:
        if flavor not in {*_BY_LIBRARY.values(), "pyfunc"}:
            known = ", ".join(sorted({*_BY_LIBRARY.values(), "pyfunc"}))
            raise InvalidParameter(f"flavor {flavor!r} is unknown; use one of {known}", details={"field": "flavor"})
        return Flavor(flavor, function=inspect.isfunction(model))
    if inspect.isfunction(model):
        return Flavor("pyfunc", function=True)
    if inspect.isclass(model):
        raise InvalidParameter(
            f"{model.__name__} is a class; give an instance of it, fitted", details={"field": "model"}
        )
    for ancestor in type(model).__mro__:
        library = ancestor.__module__.split(".")[0]
        if ancestor.__module__ == "mlflow.pyfunc.model" and ancestor.__name__ == "PythonModel":
            return Flavor("pyfunc")
        if library in _BY_LIBRARY:
            return Flavor(_BY_LIBRARY[library])
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    raise InvalidParameter(
        f"a {name} cannot be registered as it is; give a fitted estimator, an mlflow.pyfunc.PythonModel, a function, "
        "or the URI of a logged model",
        details={"field": "model"},
    )


def check_fitted(model: Any, flavor: Flavor) -> None:
    """Refuse an estimator that was never fitted, before anything is logged.

    Raises:
        InvalidParameter: scikit-learn says that it is not fitted.
    """
    if flavor.name not in {"sklearn", "xgboost", "lightgbm"} or not hasattr(model, "get_params"):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        name = type(model).__name__
        raise InvalidParameter(f"this {name} is not fitted; call fit first", details={"field": "model"}) from None
    except TypeError:
        return


def predict(model: Any, flavor: Flavor, example: Any) -> Any:
    """The model's answer to *example*, for the signature."""
    if flavor.function:
        return model(example)
    if flavor.name != "pyfunc":
        return model.predict(example)
    accepted = inspect.signature(model.predict).parameters
    return model.predict(None, example) if "context" in accepted else model.predict(example)
