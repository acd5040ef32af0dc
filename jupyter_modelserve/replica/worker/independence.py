"""Whether the rows of a request are independent for a model, so that requests may share one prediction.

Two things must agree: a list of classes whose prediction of a row depends on that row alone (or the word of the model's
author), and a probe with real predictions. The probe can only say no: no number of equal answers proves independence.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from .direct.base import Unsuitable, is_public
from .direct.find import estimator_of, predict_function
from .encode import plain
from .libraries import numpy
from .sameness import same
from .signature import ModelFile

DECLARATION = "modelserve.row_independent"
"""Key of the model's metadata by which its author says that every row is answered by itself."""
KNOWN = "known estimator"
ROWS = 8
_BUDGET = 0.3
_METHODS = frozenset({"predict", "predict_proba", "predict_log_proba"})

_CLASSES: Dict[str, Tuple[str, ...]] = {
    "sklearn.linear_model": (
        "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "GammaRegressor", "HuberRegressor", "Lars",
        "LarsCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression",
        "LogisticRegression", "LogisticRegressionCV", "OrthogonalMatchingPursuit", "PassiveAggressiveClassifier",
        "PassiveAggressiveRegressor", "Perceptron", "PoissonRegressor", "QuantileRegressor", "Ridge", "RidgeCV",
        "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier", "SGDRegressor", "TheilSenRegressor",
        "TweedieRegressor",
    ),
    "sklearn.svm": ("LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "OneClassSVM", "SVC", "SVR"),
    "sklearn.tree": ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"),
    "sklearn.ensemble": (
        "ExtraTreesClassifier", "ExtraTreesRegressor", "GradientBoostingClassifier", "GradientBoostingRegressor",
        "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "IsolationForest",
        "RandomForestClassifier", "RandomForestRegressor",
    ),
    "sklearn.neighbors": ("KNeighborsClassifier", "KNeighborsRegressor", "NearestCentroid"),
    "sklearn.naive_bayes": ("BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neural_network": ("MLPClassifier", "MLPRegressor"),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    "sklearn.cluster": ("KMeans", "MiniBatchKMeans"),
    "sklearn.mixture": ("BayesianGaussianMixture", "GaussianMixture"),
    "sklearn.preprocessing": (
        "Binarizer", "KBinsDiscretizer", "MaxAbsScaler", "MinMaxScaler", "Normalizer", "OneHotEncoder",
        "OrdinalEncoder", "PolynomialFeatures", "PowerTransformer", "QuantileTransformer", "RobustScaler",
        "SplineTransformer", "StandardScaler", "TargetEncoder",
    ),
    "sklearn.impute": ("KNNImputer", "MissingIndicator", "SimpleImputer"),
    "sklearn.decomposition": ("PCA", "TruncatedSVD"),
    "sklearn.feature_selection": ("SelectKBest", "SelectPercentile", "VarianceThreshold"),
    "sklearn.feature_extraction.text": ("CountVectorizer", "HashingVectorizer", "TfidfTransformer", "TfidfVectorizer"),
    "xgboost": ("Booster", "XGBClassifier", "XGBRFClassifier", "XGBRFRegressor", "XGBRegressor"),
    "lightgbm": ("Booster", "LGBMClassifier", "LGBMRegressor"),
}  # fmt: skip
"""Classes that answer each row by itself. Anything with a function of the user's inside is missing on purpose."""
_ENSEMBLES = (
    "AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor", "VotingClassifier",
    "VotingRegressor",
)  # fmt: skip


def judge(model: Any, model_file: ModelFile) -> Tuple[bool, str]:
    """Whether requests for a model may share a prediction as far as its class or its author says, and the reason."""
    if model_file.signature.is_tensor and len(model_file.signature.tensors) > 1:
        return False, "several input tensors"
    declared = model_file.metadata.get(DECLARATION)
    if declared is not None:
        return declared is True or str(declared).lower() == "true", "declared by the model"
    if predict_function(model_file) not in _METHODS:
        return False, "it answers with " + predict_function(model_file)
    try:
        estimator = estimator_of(model, model_file)
        offender = _dependent(estimator)
    except Unsuitable as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - an estimator in an unusual state is simply not known
        return False, type(error).__name__
    return (True, KNOWN) if offender is None else (False, offender + " is not known to be row-independent")


def _dependent(estimator: Any, depth: int = 0) -> Optional[str]:
    """The class name of the first part that is not known to answer each row by itself; ``None`` when all are."""
    cls = type(estimator)
    if depth > 8 or {"predict", "predict_proba", "transform"} & set(vars(estimator)):
        return cls.__name__
    parts = _parts(estimator)
    if parts is None:
        known = any(is_public(cls, module, names) for module, names in _CLASSES.items())
        return None if known and not _has_function(estimator) else cls.__name__
    return next((name for name in (_dependent(part, depth + 1) for part in parts) if name), None)


def _has_function(estimator: Any) -> bool:
    """Whether a parameter is a function of the user's (a kernel, a tokenizer), which may look at all rows."""
    values = estimator.get_params(deep=False).values() if hasattr(estimator, "get_params") else ()
    return any(callable(value) and not isinstance(value, type) and not hasattr(value, "fit") for value in values)


def _parts(estimator: Any) -> Optional[List[Any]]:
    """The fitted estimators inside one that only combines others."""
    cls = type(estimator)
    if is_public(cls, "sklearn.pipeline", ("Pipeline",)):
        found = [step for _, step in estimator.steps]
    elif is_public(cls, "sklearn.pipeline", ("FeatureUnion",)):
        found = [step for _, step in estimator.transformer_list]
    elif is_public(cls, "sklearn.compose", ("ColumnTransformer",)):
        found = [step for _, step, _ in estimator.transformers_]
    elif is_public(cls, "sklearn.ensemble", _ENSEMBLES):
        found = list(estimator.estimators_)
    elif is_public(cls, "sklearn.ensemble", ("StackingClassifier", "StackingRegressor")):
        found = [*estimator.estimators_, estimator.final_estimator_]
    elif is_public(cls, "sklearn.model_selection", ("GridSearchCV", "RandomizedSearchCV")):
        found = [estimator.best_estimator_]
    elif is_public(cls, "sklearn.multiclass", ("OneVsRestClassifier", "OneVsOneClassifier")):
        found = list(estimator.estimators_)
    elif is_public(cls, "sklearn.calibration", ("CalibratedClassifierCV",)):
        found = [each.estimator for each in estimator.calibrated_classifiers_]
    elif is_public(cls, "sklearn.preprocessing", ("FunctionTransformer",)) and estimator.func is None:
        found = []
    else:
        return None
    return [part for part in found if part is not None and not isinstance(part, str)]


def probe(predict: Callable[[Any], Any], rows: Any) -> Tuple[bool, str]:
    """Predict *rows* (a frame or an array) together, in halves, turned round and one by one; false when answers differ.

    A model that refuses invented rows has not shown any dependence.
    """
    count = len(rows)
    begin = time.monotonic()
    try:
        whole = plain(predict(_copy(rows)))
    except BaseException:  # noqa: BLE001 - invented rows may be refused in any way, sys.exit included
        return True, "the probe's rows were refused"
    if not isinstance(whole, list) or len(whole) != count:
        return False, "its answer has not one entry per row"
    half = count // 2
    parts = [list(range(half)), list(range(half, count)), list(range(count))[::-1], *([n] for n in range(count))]
    for number, chosen in enumerate(parts):
        if number >= 2 and time.monotonic() - begin > _BUDGET:
            return True, "probed in part: the model is slow"
        try:
            found = plain(predict(_take(rows, chosen)))
        except BaseException:  # noqa: BLE001 - what was answered together is refused alone
            return False, "it refuses some rows of the probe alone"
        if not same(found, [whole[row] for row in chosen]):
            return False, "the probe's answers depend on the other rows"
    return True, "probed"


def _take(rows: Any, chosen: List[int]) -> Any:
    if isinstance(rows, numpy().ndarray):
        return rows[chosen]
    return rows.iloc[chosen].reset_index(drop=True)


def _copy(rows: Any) -> Any:
    return rows.copy()
