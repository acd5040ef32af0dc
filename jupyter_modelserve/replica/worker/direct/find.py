"""Finding the direct path of a loaded model: which estimator pyfunc would ask, and what it must be for a short cut.

Only the very classes of the libraries count. A subclass may override anything, so it is asked through pyfunc.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, Tuple

from ..compiled import Reader
from ..signature import ModelFile
from . import boosting, libraries, linear, trees
from .base import Columns, Predict, Unsuitable, is_public, lookup, need_plain
from .scalers import scaler

Builder = Callable[[Any, Columns], Predict]

_BUILDERS: Dict[Tuple[str, str], Builder] = {
    ("sklearn.svm", "LinearSVC"): linear.classifier,
    ("sklearn.svm", "LinearSVR"): linear.regressor,
    ("sklearn.tree", "DecisionTreeClassifier"): trees.tree,
    ("sklearn.tree", "DecisionTreeRegressor"): trees.tree,
    ("sklearn.tree", "ExtraTreeClassifier"): trees.tree,
    ("sklearn.tree", "ExtraTreeRegressor"): trees.tree,
    ("sklearn.ensemble", "RandomForestClassifier"): trees.forest_classifier,
    ("sklearn.ensemble", "ExtraTreesClassifier"): trees.forest_classifier,
    ("sklearn.ensemble", "RandomForestRegressor"): trees.forest_regressor,
    ("sklearn.ensemble", "ExtraTreesRegressor"): trees.forest_regressor,
    ("sklearn.ensemble", "GradientBoostingClassifier"): boosting.gradient_boosting,
    ("sklearn.ensemble", "GradientBoostingRegressor"): boosting.gradient_boosting,
    ("sklearn.ensemble", "HistGradientBoostingClassifier"): boosting.histogram_boosting,
    ("sklearn.ensemble", "HistGradientBoostingRegressor"): boosting.histogram_boosting,
    ("xgboost", "Booster"): libraries.xgboost_booster,
    ("xgboost", "XGBClassifier"): libraries.xgboost_estimator,
    ("xgboost", "XGBRegressor"): libraries.xgboost_estimator,
    ("xgboost", "XGBRFClassifier"): libraries.xgboost_estimator,
    ("xgboost", "XGBRFRegressor"): libraries.xgboost_estimator,
    ("lightgbm", "Booster"): libraries.lightgbm_booster,
    ("lightgbm", "LGBMClassifier"): libraries.lightgbm_estimator,
    ("lightgbm", "LGBMRegressor"): libraries.lightgbm_estimator,
}
_BUILDERS.update({("sklearn.linear_model", name): linear.classifier for name in linear.CLASSIFIERS})
_BUILDERS.update({("sklearn.linear_model", name): linear.regressor for name in linear.REGRESSORS})

_FLAVOURS = {"mlflow.sklearn": "sklearn_model", "mlflow.xgboost": "xgb_model", "mlflow.lightgbm": "lgb_model"}


def estimator_of(model: Any, model_file: ModelFile) -> Any:
    """The estimator behind a ``PyFuncModel`` of one of the known flavours.

    Raises:
        Unsuitable: another flavour, or a wrapper of another shape.
    """
    attribute = _FLAVOURS.get(model_file.loader)
    if attribute is None:
        raise Unsuitable("the flavour is %s" % (model_file.loader or "unknown"))
    inner = getattr(model, "_model_impl", None)
    if type(inner).__module__ == model_file.loader:
        inner = getattr(inner, attribute, None)
    if inner is None:
        raise Unsuitable("this MLflow keeps its model elsewhere")
    return inner


def find(model: Any, model_file: ModelFile, reader: Reader) -> Tuple[str, Predict]:
    """The name of the estimator and its direct path, not yet verified.

    Raises:
        Unsuitable: there is none; says why.
        Exception: anything, when attributes are other than expected (the caller takes pyfunc then).
    """
    estimator = estimator_of(model, model_file)
    if predict_function(model_file) != "predict":
        raise Unsuitable("it answers with " + predict_function(model_file))
    if model_file.signature.params:
        raise Unsuitable("the signature has params")
    _need_default_configuration()
    names = [column.name for column in model_file.signature.columns]
    columns = Columns([] if any(name is None for name in names) else names, reader.kinds)
    return type(estimator).__name__, _build(estimator, columns)


def predict_function(model_file: ModelFile) -> str:
    """Which method pyfunc calls."""
    flavour = (model_file.content.get("flavors") or {}).get("python_function") or {}
    return str(flavour.get("predict_fn") or "predict")


def _need_default_configuration() -> None:
    library = sys.modules.get("sklearn")
    configuration = library.get_config() if library is not None else {}
    if configuration.get("transform_output", "default") != "default" or configuration.get("array_api_dispatch", False):
        raise Unsuitable("scikit-learn's global configuration is not the default")


def _build(estimator: Any, columns: Columns) -> Predict:
    if is_public(type(estimator), "sklearn.pipeline", ("Pipeline",)):
        return _pipeline(estimator, columns)
    builder: Any = lookup(type(estimator), _BUILDERS)
    if builder is None:
        raise Unsuitable("no direct path for " + type(estimator).__name__)
    path: Predict = builder(estimator, columns)
    return path


def _pipeline(pipeline: Any, columns: Columns) -> Predict:
    if set(vars(pipeline)) & {"predict", "transform"}:
        raise Unsuitable("a method of the pipeline was replaced")
    steps = [step for _, step in pipeline.steps[:-1] if step is not None and step != "passthrough"]
    if not steps:
        return _build(pipeline.steps[-1][1], columns)
    need_plain(steps[0], columns)
    # What comes out of a scaler has no names any more, whatever went in.
    bare = Columns([], ["double"] * len(columns.kinds))
    for step in steps[1:]:
        need_plain(step, bare)
    scale = [scaler(step, columns) for step in steps]
    last = _build(pipeline.steps[-1][1], bare)
    limit = columns.limit

    def predict(matrix: Any) -> Any:
        if limit < float("inf"):
            _check(matrix, limit)
        for each in scale:
            matrix = each(matrix)
        return last(matrix)

    return predict


def _check(matrix: Any, limit: float) -> None:
    from ..libraries import numpy
    from .base import Outside

    if not numpy().abs(matrix).max() <= limit:
        raise Outside
