"""Requests that wait together: each is answered as if it were alone, whatever its neighbours are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.types import DataType

from jupyter_modelserve.replica.worker import independence
from jupyter_modelserve.replica.worker.batching import Job
from tests.unit.replica import estimators, models
from tests.unit.replica.estimators import DOUBLES, NAMES
from tests.unit.replica.fast import Fast, assert_same, job
from tests.unit.replica.models import columns

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
DECLARED: dict[str, Any] = {"metadata": {independence.DECLARATION: True}}


def body(*rows: Any, **more: Any) -> bytes:
    """A request with named columns."""
    return json.dumps({"dataframe_split": {"columns": NAMES, "data": rows}, **more}).encode()


def check_together(model: Fast, bodies: list[bytes], content_type: str = "application/json") -> None:
    """Score all at once and each alone along the general path."""
    jobs = [job(each, content_type) for each in bodies]
    answers = model.run(jobs)
    assert set(answers) == set(jobs)
    for each, raw in zip(jobs, bodies, strict=True):
        answer = answers[each]
        assert answer is not None
        assert_same(answer, model.scorer.score(raw, content_type, "r-1"), raw)


@pytest.fixture(scope="module")
def ridge(tmp_path_factory: pytest.TempPathFactory) -> Fast:
    """An estimator on the list, without its direct path, so that pyfunc gets the batches."""
    directory = estimators.save_estimator(tmp_path_factory.mktemp("m") / "m", "sklearn", "ridge", DOUBLES)
    return Fast(directory, direct=False)


class Counting:
    """A model that notes how many rows each prediction had."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.rows: list[int] = []

    def predict(self, data: Any, **options: Any) -> Any:
        self.rows.append(len(data))
        return self.inner.predict(data, **options)


def counted(model: Fast, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each prediction from now on."""
    counting = Counting(model.model)
    monkeypatch.setattr(model.scorer, "_model", counting)
    return counting.rows


def test_what_waits_together_is_predicted_once(ridge: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = counted(ridge, monkeypatch)
    bodies = [body([number, 1.0, 2.0, 3.0]) for number in range(20)] + [body([1, 2, 3, 4], [5, 6, 7, 8])]
    ridge.run([job(each) for each in bodies])
    assert rows == [22]
    rows.clear()
    check_together(ridge, bodies)


def test_a_bad_row_spoils_only_its_own_request(ridge: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ridge refuses nulls: the joint prediction raises, and each request is asked alone."""
    bodies = [body([1, 2, 3, 4]), body([None, 2, 3, 4]), body([1, 2, 3, "x"]), b"{", body([4, 3, 2, 1])]
    check_together(ridge, bodies)
    rows = counted(ridge, monkeypatch)
    ridge.run([job(each) for each in bodies])
    assert rows == [3, 1, 1, 1]


@pytest.mark.req("REQ-140")
@pytest.mark.parametrize("value", ["0123456789abcdef" * 40, "first line\nlast line"], ids=["long", "several lines"])
def test_what_is_said_of_a_failed_batch_holds_no_part_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    directory = estimators.save_estimator(tmp_path / "m", "sklearn", "ridge", DOUBLES)
    model = Fast(directory, direct=False, secrets={"API_KEY": value})

    def telling(*_: Any, **__: Any) -> Any:
        raise ValueError(f"cannot log in with {value}")

    monkeypatch.setattr(model.scorer, "predict", telling)
    model.run([job(body([1, 2, 3, 4])) for _ in range(2)])
    said = next(each for each in capsys.readouterr().err.split("a batch of ") if each.startswith("2 requests failed"))
    assert said.splitlines()[1] == "ValueError: cannot log in with [secret]"


def test_batches_are_bounded_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = estimators.save_estimator(tmp_path / "m", "sklearn", "ridge", DOUBLES)
    model = Fast(directory, direct=False, batch_rows=8)
    rows = counted(model, monkeypatch)
    bodies = [body(*([[1, 2, 3, 4]] * count)) for count in (3, 3, 3, 20, 1, 1)]
    model.run([job(each) for each in bodies])
    assert rows == [6, 3, 20, 2]


def test_a_replayed_request_is_predicted_alone(ridge: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = counted(ridge, monkeypatch)
    jobs = [job(body([1, 2, 3, 4])) for _ in range(3)]
    jobs.insert(1, job(body([1, 2, 3, 4], [1, 2, 3, 4]), x_modelserve_alone="1"))
    ridge.run(jobs)
    assert sorted(rows) == [2, 3]


def test_an_abandoned_request_is_not_predicted(ridge: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = counted(ridge, monkeypatch)
    jobs = [job(body([1, 2, 3, 4])) for _ in range(3)]
    jobs[1].request.gone = True
    answers = ridge.run(jobs)
    assert rows == [2]
    assert answers[jobs[1]] is None


def test_all_dialects_and_types_mix(ridge: Fast) -> None:
    records = [{"a": 1, "b": 2, "c": 3, "d": 4.5}]
    bodies = [
        body([1, 2, 3, 4]), json.dumps(records).encode(), json.dumps({"inputs": [[1, 2, 3, 4]]}).encode(),
        json.dumps({"dataframe_records": [{**records[0], "extra": 1}]}).encode(),
        json.dumps({"dataframe_records": [{**records[0], "other": 1}]}).encode(),
        json.dumps({"dataframe_split": {"columns": NAMES, "data": [[1, 2, 3, 4]], "index": ["x"]}}).encode(),
        json.dumps({"dataframe_split": {"columns": NAMES, "data": [[1, 2, 3, 4]], "index": [5]}}).encode(),
        body(), json.dumps({"inputs": []}).encode(), body([1, 2, 3, 4], params={}), body([1, 2, 3, 4], params={"k": 1}),
    ]  # fmt: skip
    check_together(ridge, bodies)
    check_together(ridge, [b"a,b,c,d\n1,2,3,4\n", b"a,b,c,d\n5,6,7,8\n9,9,9,9\n", b"a,b\n1,2\n"], "text/csv")


CELL = st.floats(-9, 9) | st.integers(-9, 9) | st.sampled_from([None, "x", 1e300, True])


@settings(RELAXED, max_examples=40)
@given(
    requests=st.lists(
        st.lists(
            st.lists(CELL, min_size=4, max_size=4),
            min_size=0, max_size=3,
        ), min_size=2, max_size=6,
    )
)  # fmt: skip
@pytest.mark.parametrize("direct", [True, False])
def test_any_mixture_is_answered_as_if_alone(
    saved_models: Callable[[bool], Fast], direct: bool, requests: list[list[list[Any]]]
) -> None:
    check_together(saved_models(direct), [body(*rows) for rows in requests])


@pytest.fixture(scope="module")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Fast]:
    """A forest with and without its direct path."""
    directory = estimators.save_estimator(tmp_path_factory.mktemp("m") / "m", "sklearn", "forest-regressor", DOUBLES)
    known = {direct: Fast(directory, direct=direct) for direct in (True, False)}
    return known.__getitem__


def test_different_params_do_not_share_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = models._params()
    model = Fast(models.save(tmp_path / "m", lambda data, params: data["d"] * params["factor"], signature, **DECLARED))
    assert model.paths.batches

    def request(value: float, **params: Any) -> bytes:
        return json.dumps({"inputs": {"d": [value]}, **({"params": params} if params else {})}).encode()

    bodies = [request(1, factor=2.0), request(2, factor=3.0), request(3, factor=2.0), request(4), request(5)]
    check_together(model, bodies)
    rows = counted(model, monkeypatch)
    model.run([job(each) for each in bodies])
    assert sorted(rows) == [1, 2, 2]


def test_frames_of_other_dtypes_do_not_share_a_batch(tmp_path: Path) -> None:
    """Without a signature a column is what pandas makes of it: joined, the integers would become floats."""
    model = Fast(models.save(tmp_path / "m", lambda data, params: [str(each) for each in data["x"]], **DECLARED))
    model.runner.batches = True
    bodies = [json.dumps([{"x": value}]).encode() for value in (1, 1.5, 2, "a", None, True, 2.5)]
    bodies.append(json.dumps([{"y": 1, "x": 3}]).encode())
    check_together(model, bodies)


def test_arrays_share_a_batch_when_their_shapes_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype("float64"), (-1, -1))]))
    model = Fast(
        models.save(tmp_path / "m", lambda data, params: data.sum(axis=1), signature, **DECLARED), batching=True
    )
    bodies = [
        json.dumps({"inputs": rows}).encode() for rows in ([[1.0, 2.0]], [[3.0]], [[4.0, 5.0], [6.0, 7.0]], [[8.0]])
    ]
    check_together(model, bodies)
    rows = counted(model, monkeypatch)
    model.run([job(each) for each in bodies])
    assert sorted(rows) == [2, 3]


def mean(data: Any, params: Any) -> Any:
    return data["d"] - data["d"].mean()


def rank(data: Any, params: Any) -> Any:
    return data["d"].rank()


D = columns(("d", DataType.double, True))


@pytest.mark.parametrize("function", [mean, rank])
def test_a_model_whose_answer_depends_on_the_other_rows_is_never_batched(
    tmp_path: Path, function: Callable[..., Any]
) -> None:
    assert not Fast(models.save(tmp_path / "silent", function, D)).paths.batches
    # Its author is wrong about it, and the probe finds out.
    declared = Fast(models.save(tmp_path / "declared", function, D, **DECLARED))
    assert not declared.paths.batches
    assert declared.paths.batching_reason == "the probe's answers depend on the other rows"
    check_together(declared, [json.dumps({"inputs": {"d": [value]}}).encode() for value in (1.0, 5.0, 3.0)])


def test_the_models_word_switches_batching_on(tmp_path: Path) -> None:
    def double(data: Any, params: Any) -> Any:
        return data["d"] * 2

    silent = Fast(models.save(tmp_path / "silent", double, D))
    assert (silent.paths.batches, silent.paths.batching_reason) == (False, "the flavour is mlflow.pyfunc.model")
    declared = Fast(models.save(tmp_path / "declared", double, D, **DECLARED))
    assert (declared.paths.batches, declared.paths.batching_reason) == (True, "declared by the model")
    denied = models.save(tmp_path / "denied", double, D, metadata={independence.DECLARATION: False})
    assert not Fast(denied).paths.batches
    assert Fast(denied, batching=True).paths.batches
    assert not Fast(tmp_path / "declared", batching=False).paths.batches
    bodies = [json.dumps({"inputs": {"d": [value]}}).encode() for value in (1, 2.5, None, 1e300, 4)]
    check_together(declared, bodies)


@pytest.mark.parametrize("answer", [lambda data: len(data), lambda data: {"n": 1}, lambda data: [1], lambda data: "x"])
def test_an_answer_that_cannot_be_split_ends_batching(tmp_path: Path, answer: Callable[[Any], Any]) -> None:
    model = Fast(models.save(tmp_path / "m", lambda data, params: answer(data), D), batching=True)
    assert model.runner.batches
    check_together(model, [json.dumps({"inputs": {"d": [value]}}).encode() for value in (1.0, 2.0, 3.0)])
    assert not model.runner.batches


@pytest.mark.parametrize(
    "form",
    [
        lambda data: data,
        lambda data: data["d"],
        lambda data: data["d"].to_numpy(),
        lambda data: data["d"].tolist(),
        lambda data: data["d"].to_numpy().astype("float32").reshape(-1, 1),
        lambda data: pd.DataFrame({"t": pd.to_datetime(data["d"].fillna(0), unit="D"), "s": data["d"].astype(str)}),
        lambda data: np.array([None if value != value else str(value) for value in data["d"]], dtype=object),
        lambda data: pd.Categorical(data["d"]).astype(str),
    ],
)
def test_every_form_of_answer_is_split_as_if_alone(tmp_path: Path, form: Callable[[Any], Any]) -> None:
    model = Fast(models.save(tmp_path / "m", lambda data, params: form(data), D), batching=True)
    check_together(
        model,
        [json.dumps({"inputs": {"d": value}}).encode() for value in ([1.5], [None], [2.0, 3.0], [float("nan")], [7])],
    )


def test_a_model_that_ends_the_process_is_asked_alone(tmp_path: Path) -> None:
    def picky(data: Any, params: Any) -> Any:
        if (data["d"] < 0).any():
            raise SystemExit(3)
        return data["d"]

    model = Fast(models.save(tmp_path / "m", picky, D), batching=True)
    check_together(model, [json.dumps({"inputs": {"d": [value]}}).encode() for value in (1.0, -1.0, 2.0)])


def test_half_a_surrogate_spoils_no_batch(tmp_path: Path) -> None:
    signature = columns(("text", DataType.string, True))
    model = Fast(models.save(tmp_path / "m", lambda data, params: data["text"].str.len(), signature), batching=True)
    bodies = [b'[{"text": "abc"}]', b'[{"text": "\\ud800"}]', b'[{"text": null}]', b'[{"text": 3}]', b'[{"text": "d"}]']
    check_together(model, bodies)


def test_columns_of_every_type_share_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [("i", "integer"), ("b", "boolean"), ("t", "datetime"), ("f", "float"), ("s", "string")]
    signature = columns(*((name, DataType[kind], True) for name, kind in kinds))

    def show(data: Any, params: Any) -> Any:
        return [repr(list(row)) + str(list(data.dtypes)) for row in data.itertuples(index=False)]

    model = Fast(models.save(tmp_path / "m", show, signature), batching=True)
    good = {"i": 1, "b": True, "t": "2020-01-02T03:04:05", "f": 0.1, "s": "ä"}
    changes: list[dict[str, Any]] = [
        {}, {"i": 2.0}, {"i": 1.5}, {"b": 1}, {"t": "2020-02-30"}, {"t": None}, {"f": None}, {"f": 1e39}, {"s": None},
        {"s": ""}, {"t": "20200102"}, {"i": True},
    ]  # fmt: skip
    bodies = [json.dumps([{**good, **change}]).encode() for change in changes]
    check_together(model, bodies)
    rows = counted(model, monkeypatch)
    model.run([job(json.dumps([{**good, **change}]).encode()) for change in ({}, {"f": None}, {"s": ""})])
    assert rows == [3]


@pytest.fixture(scope="module")
def passengers(tmp_path_factory: pytest.TempPathFactory) -> Fast:
    """A pipeline of text and numbers, made of parts that are all on the list."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    chance = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "sex": chance.choice(["male", "female"], 80),
            "class": chance.integers(1, 4, 80),
            "age": np.where(chance.random(80) < 0.2, np.nan, np.round(chance.uniform(1, 80, 80))),
            "fare": np.round(chance.uniform(5, 200, 80), 2),
        }
    )
    parts = make_column_transformer(
        (OneHotEncoder(), ["sex", "class"]), (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "fare"])
    )
    model = make_pipeline(parts, LogisticRegression()).fit(frame, (frame["sex"] == "female") | (frame["fare"] > 150))
    directory = tmp_path_factory.mktemp("m") / "m"
    signature = columns(
        ("sex", DataType.string, True), ("class", DataType.long, True), ("age", DataType.double, False),
        ("fare", DataType.double, True),
    )  # fmt: skip
    import mlflow

    mlflow.sklearn.save_model(
        model, str(directory), signature=signature, serialization_format="cloudpickle", pip_requirements=["mlflow"],
        input_example=frame.head(5),
    )  # fmt: skip
    return Fast(directory)


PASSENGERS = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["male", "female", "male", "female", "other", None, 3]),
        "class": st.sampled_from([1, 2, 3, 1, 2, 3, 4, None, 1.0, "1"]),
        "age": st.none() | st.floats(0, 90),
        "fare": st.floats(0, 300) | st.sampled_from([None, 1e300, "x"]),
    }
)


def test_a_pipeline_of_known_parts_is_batched(passengers: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (passengers.paths.batches, passengers.paths.batching_reason) == (True, "known estimator")
    assert passengers.paths.path["kind"] == "pyfunc"
    rows = counted(passengers, monkeypatch)
    one = {"sex": "male", "class": 1, "age": None, "fare": 7.5}
    passengers.run([job(json.dumps([{**one, "age": age}]).encode()) for age in (None, 3.5, 80)])
    assert rows == [3]


@settings(RELAXED, max_examples=30)
@given(requests=st.lists(st.lists(PASSENGERS, min_size=1, max_size=2), min_size=2, max_size=5))
def test_text_and_nulls_of_others_change_no_answer(passengers: Fast, requests: list[list[dict[str, Any]]]) -> None:
    check_together(passengers, [json.dumps({"dataframe_records": rows}).encode() for rows in requests])


@pytest.mark.parametrize(("requests", "code"), [(1, 75), (2, 75), (1, 0), (2, 0)])
def test_the_watchdog_ends_a_process_that_hangs(requests: int, code: int) -> None:
    """Wherever the prediction runs: here it holds the thread that would run the loop."""
    import subprocess
    import sys

    source = f"""
import time
from jupyter_modelserve.replica.worker.batching import Clock
from jupyter_modelserve.replica.worker.watchdog import watch
clock = Clock()
watch(clock, timeout=0.2, grace=0.1)
clock.begin({requests})
time.sleep(60 if {code} else 0)
clock.end()
time.sleep(0.5)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    assert ("ran longer than" in done.stderr) is (code == 75)


def test_the_probe_is_not_fooled_by_a_model_that_refuses_rows_alone() -> None:
    def predict(rows: Any) -> Any:
        if len(rows) == 1:
            raise ValueError("too few")
        return np.zeros(len(rows))

    def leave(rows: Any) -> Any:
        raise SystemExit(3)

    frame = pd.DataFrame({"a": np.arange(8.0)})
    assert independence.probe(leave, frame) == (True, "the probe's rows were refused")
    assert independence.probe(predict, frame) == (False, "it refuses some rows of the probe alone")
    assert independence.probe(lambda rows: 1, frame) == (False, "its answer has not one entry per row")
    assert independence.probe(lambda rows: rows["a"] * 2, frame) == (True, "probed")


def test_jobs_are_hashable_by_identity() -> None:
    first, second = job(b"1"), job(b"1")
    assert isinstance(first, Job)
    assert first != second
