"""Every direct path against ``PyFuncModel.predict``: the same answers and the same refusals, whatever comes.

FUZZ multiplies the number of examples.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_modelserve.replica.worker.direct.base import Outside
from tests.unit.replica import estimators
from tests.unit.replica.estimators import DOUBLES, FLAVOURS, MIXED, NAMES
from tests.unit.replica.fast import Fast

MORE = int(os.environ.get("FUZZ", "1"))
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

ALL = [(flavour, name, DOUBLES) for flavour, make in FLAVOURS.items() for name in make()]
MIXED_ONES = [
    ("sklearn", name, MIXED)
    for name in ("logistic", "ridge", "standard-logistic", "forest", "gradient", "histogram", "tree-regressor")
] + [("xgboost", "xgb-classifier", MIXED)]
FLOATS = [("sklearn", name, ["float"] * 4) for name in ("forest", "tree", "gradient")] + [
    ("xgboost", "xgb-regressor", ["float"] * 4)
]
CASES = [*ALL, *MIXED_ONES, *FLOATS]


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Fast]:
    """A model by flavour, name and kinds, fitted on first use."""
    root = tmp_path_factory.mktemp("direct")
    known: dict[tuple[str, ...], Fast] = {}

    def find(flavour: str, name: str, kinds: list[str]) -> Fast:
        key = (flavour, name, *kinds)
        if key not in known:
            known[key] = Fast(estimators.save_estimator(root / "-".join(key), flavour, name, kinds))
        return known[key]

    return find


USUAL = st.floats(-12, 12).map(lambda value: round(value, 1)) | st.integers(-9, 9)
EDGES: st.SearchStrategy[Any] = st.sampled_from(
    [0, -0.0, 1e-310, 1e-30, 16777217, 2**53, 2**53 + 1, -(2**63), 2**63, 10**400, 1e30, 3.4028234e38, 3.4028236e38,
     3.5e38, -1e39, 1e150, 1e300, 1.7976931348623157e308, 0.1 + 0.2, math.nan, math.inf, -math.inf, None, True, False,
     "", "1.5", "x", [], [1.0], {}]
)  # fmt: skip
CELL = st.one_of(USUAL, USUAL, USUAL, USUAL, USUAL, st.floats(), EDGES)


def cells_for(kind: str) -> st.SearchStrategy[Any]:
    """Mostly cells of a kind, so that most requests are answered."""
    return st.integers(-9, 9) | st.integers(-9, 9) | CELL if kind in ("long", "integer") else CELL


@st.composite
def bodies(draw: st.DrawFn, kinds: list[str]) -> bytes:
    """A request in one of the dialects: mostly as it should be, sometimes with other columns, keys or rows."""
    usual = draw(st.integers(0, 2)) > 0
    row = st.tuples(*[st.integers(-9, 9) if kind in ("long", "integer") else USUAL for kind in kinds])
    wild = st.tuples(*[cells_for(kind) for kind in kinds])
    rows = draw(st.lists(row if usual else wild, min_size=0 if not usual else 1, max_size=4))
    names = draw(st.permutations(NAMES)) if draw(st.booleans()) else list(NAMES)
    if draw(st.integers(0, 9)) == 0:
        names = [*names[:-1], draw(st.sampled_from(["a", "extra", "A", ""]))]
    if draw(st.integers(0, 9)) == 0:
        names.append("more")
        rows = [(*each, 1.0) for each in rows]
    order = [NAMES.index(name) if name in NAMES else -1 for name in names]
    listed = [[each[position] for position in order] for each in rows]
    records = [dict(zip(names, each, strict=True)) for each in listed]
    split: dict[str, Any] = {"columns": names, "data": listed}
    if draw(st.integers(0, 3)) == 0:
        split["index"] = draw(st.sampled_from([list(range(len(rows))), [7] * len(rows), ["i"] * len(rows), [1.5]]))
    columns = {name: [record.get(name) for record in records] for name in names}
    plain = [list(each) for each in rows]
    document: Any = draw(
        st.sampled_from(
            [{"dataframe_split": split}, {"dataframe_split": split}, split, {"input_data": split}, records,
             {"dataframe_records": records}, {"instances": records}, {"inputs": records}, {"input_data": records},
             {"inputs": plain}, {"instances": plain}, {"input_data": plain}, {"inputs": columns},
             {"instances": columns}, {"input_data": columns}, {"dataframe_split": {"data": plain}}]
        )
    )  # fmt: skip
    if isinstance(document, dict) and draw(st.integers(0, 9)) == 0:
        document["params"] = draw(st.sampled_from([None, {}, {"k": 1}, 3]))
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("flavour", "name", "kinds"), CASES, ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_a_direct_path_answers_as_pyfunc_does(
    fast: Callable[..., Fast], flavour: str, name: str, kinds: list[str]
) -> None:
    model = fast(flavour, name, kinds)
    assert model.paths.path["kind"] == "direct", model.paths.path
    assert model.paths.batches, model.paths.batching_reason

    @settings(RELAXED, max_examples=40 * MORE)
    @given(body=bodies(kinds))
    def check(body: bytes) -> None:
        model.check(body)

    check()


@pytest.mark.parametrize(
    ("flavour", "name", "kinds"), CASES, ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_usual_rows_do_take_the_direct_path(
    fast: Callable[..., Fast], flavour: str, name: str, kinds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fast(flavour, name, kinds)
    frame, _ = estimators.training(kinds)
    rows = frame.astype(object).to_numpy().tolist()
    inside = 0
    for row in rows:
        try:
            model.paths.direct(model.paths.reader.matrix([row]))  # type: ignore[misc, union-attr]
            inside += 1
        except Outside:
            continue
    assert inside >= 0.95 * len(rows)
    whole = model.check(json.dumps({"dataframe_split": {"columns": NAMES, "data": rows[:50]}}).encode())
    assert whole.status == 200
    # With pyfunc gone the same request is still answered, so it was the direct path.
    monkeypatch.setattr(model.scorer, "_model", None)
    body = json.dumps({"inputs": [row for row in rows if is_inside(model, row)][:20]}).encode()
    assert model.score(body).status == 200


def is_inside(model: Fast, row: list[Any]) -> bool:
    try:
        model.paths.direct(model.paths.reader.matrix([row]))  # type: ignore[misc, union-attr]
    except Outside:
        return False
    return True


@pytest.mark.parametrize("name", ["tree", "forest", "forest-regressor", "gradient-regressor", "histogram-regressor"])
def test_values_at_the_thresholds_of_trees_go_the_same_way(fast: Callable[..., Fast], name: str) -> None:
    model = fast("sklearn", name, DOUBLES)
    estimator = model.model._model_impl.sklearn_model
    if "histogram" in name:
        predictors = [each for stage in estimator._predictors for each in stage]
        splits = [
            (int(node["feature_idx"]), float(node["num_threshold"]))
            for each in predictors
            for node in each.nodes
            if not node["is_leaf"]
        ]
    else:
        members = [estimator] if name == "tree" else list(np.ravel(estimator.estimators_))
        splits = [
            (int(feature), float(threshold))
            for each in members
            for feature, threshold in zip(each.tree_.feature, each.tree_.threshold, strict=True)
            if feature >= 0
        ]
    rows = []
    for feature, threshold in splits[:60]:
        for value in (
            threshold,
            np.nextafter(threshold, -np.inf),
            np.nextafter(threshold, np.inf),
            float(np.float32(threshold)),
        ):
            row = [1.0, 0.5, 2.0, -1.0]
            row[feature] = float(value)
            rows.append(row)
    assert rows
    assert model.check(json.dumps({"inputs": rows}).encode()).status == 200


def test_scores_that_cancel_are_left_to_pyfunc(fast: Callable[..., Fast]) -> None:
    """Their leading digits would depend on the order of additions."""
    model = fast("sklearn", "ridge", DOUBLES)
    estimator = model.model._model_impl.sklearn_model
    weights, shift = estimator.coef_, estimator.intercept_
    row = [1e9, 0.0, 0.0, 0.0]
    row[1] = -(weights[0] * row[0] + shift) / weights[1]
    with pytest.raises(Outside):
        model.paths.direct(model.paths.reader.matrix([row]))  # type: ignore[misc, union-attr]
    model.check(json.dumps({"inputs": [row]}).encode())


def save_sklearn(path: Path, model: Any, kinds: list[str] = DOUBLES, **options: Any) -> Path:
    """A fitted scikit-learn estimator as it is."""
    import warnings

    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(Schema([ColSpec(kind, column) for column, kind in zip(NAMES, kinds, strict=True)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options.setdefault("input_example", estimators.training(kinds)[0].head(3))
        mlflow.sklearn.save_model(
            model,
            str(path),
            signature=signature,
            serialization_format="cloudpickle",
            pip_requirements=["mlflow"],
            **options,
        )
    return path


def _subclass() -> Any:
    from sklearn.linear_model import LinearRegression

    class Mine(LinearRegression):
        def predict(self, X: Any) -> Any:  # noqa: N803
            return super().predict(X) - super().predict(X).mean()

    return Mine()


def _replaced() -> Any:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(*estimators.training(DOUBLES))
    model.predict = lambda rows: np.arange(len(rows))
    return model


def _function() -> Any:
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(lambda rows: rows - rows.mean()), LinearRegression())


def _dummy() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="uniform")


def _kernel() -> Any:
    from sklearn.svm import SVC

    return SVC(kernel=lambda left, right: left @ right.T)


@pytest.mark.parametrize("make", [_subclass, _replaced, _function, _dummy, _kernel])
def test_what_is_not_exactly_a_known_class_has_neither_path_nor_batches(
    tmp_path: Path, make: Callable[[], Any]
) -> None:
    frame, target = estimators.training(DOUBLES)
    estimator = make()
    if "predict" not in vars(estimator):
        estimator.fit(frame, target)
    model = Fast(save_sklearn(tmp_path / "m", estimator))
    assert model.paths.path["kind"] == "pyfunc"
    assert model.paths.path["reason"]
    assert not model.paths.batches
    model_batching = model.paths.batching_reason
    assert "known" in model_batching or "depend" in model_batching


def test_another_method_or_output_has_no_direct_path(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame, target = estimators.training(DOUBLES)
    shares = Fast(
        save_sklearn(tmp_path / "p", LogisticRegression().fit(frame, target), pyfunc_predict_fn="predict_proba")
    )
    assert shares.paths.path == {"kind": "pyfunc", "reason": "it answers with predict_proba"}
    assert shares.paths.batches
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).set_output(transform="pandas").fit(frame, target)
    own = Fast(save_sklearn(tmp_path / "o", pipeline))
    assert own.paths.path["kind"] == "pyfunc"
    assert "output container" in own.paths.path["reason"]


def test_a_direct_path_that_differs_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_modelserve.replica.worker.direct import find, linear

    def wrong(estimator: Any, columns: Any) -> Any:
        right = linear.regressor(estimator, columns)
        return lambda matrix: right(matrix) * (1 + 1e-6)

    monkeypatch.setitem(find._BUILDERS, ("sklearn.linear_model", "Ridge"), wrong)
    directory = estimators.save_estimator(tmp_path / "m", "sklearn", "ridge", DOUBLES)
    model = Fast(directory)
    assert model.paths.path == {"kind": "pyfunc", "reason": "the direct path's answers differ from pyfunc's"}

    def broken(estimator: Any, columns: Any) -> Any:
        raise AttributeError("coef_")

    monkeypatch.setitem(find._BUILDERS, ("sklearn.linear_model", "Ridge"), broken)
    assert Fast(directory).paths.path == {"kind": "pyfunc", "reason": "the direct path failed (AttributeError)"}


def test_paths_are_switched_off_by_the_specification(tmp_path: Path) -> None:
    directory = estimators.save_estimator(tmp_path / "m", "sklearn", "logistic", DOUBLES)
    plain = Fast(directory, direct=False, batching=False)
    assert (plain.paths.direct, plain.paths.reader, plain.paths.batches) == (None, None, False)
    joint = Fast(directory, direct=False)
    assert (joint.paths.direct, joint.paths.batches) == (None, True)
    assert joint.paths.path == {"kind": "pyfunc", "reason": "switched off (direct)"}
    lonely = Fast(directory, batching=False)
    assert (lonely.paths.path["kind"], lonely.paths.batches) == ("direct", False)
    body = json.dumps({"inputs": [[1.0, 2.0, 3.0, 4.0]]}).encode()
    assert len({bytes(each.check(body).body) for each in (plain, joint, lonely)}) == 1
