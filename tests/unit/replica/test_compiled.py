"""The compiled signature against the general path: what it accepts is read exactly as there, the rest is left to it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_modelserve.replica.worker.body import DECODER
from jupyter_modelserve.replica.worker.compiled import Block, Reader, compile_reader
from jupyter_modelserve.replica.worker.scorer import Reading, Scorer
from jupyter_modelserve.replica.worker.signature import ModelFile
from tests.unit.replica.models import IRIS, ROW
from tests.unit.replica.test_equality import DIALECTS

MORE = int(os.environ.get("FUZZ", "1"))
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

KINDS = ["integer", "long", "boolean", "datetime", "double", "float", "string"]
SIGNATURES: dict[str, list[dict[str, Any]]] = {
    "doubles": [{"name": name, "type": "double"} for name in "abc"],
    "one": [{"name": "a", "type": "double"}],
    "mixed": [{"name": kind, "type": kind} for kind in KINDS],
    "optional": [{"name": kind, "type": kind, "required": False} for kind in KINDS],
    "texts": [{"name": "a", "type": "string"}, {"name": "b", "type": "string"}],
    "unnamed": [{"type": "double"}, {"type": "long"}],
    "unnamed-doubles": [{"type": "double"}, {"type": "double"}],
    "tensor": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}],
}


class Both:
    """A signature with its compiled reader and its general path; no model, because nothing is predicted."""

    def __init__(
        self, directory: Path, inputs: list[dict[str, Any]], policy: str = "warn", logged_with: str = "3"
    ) -> None:
        content = {"signature": {"inputs": json.dumps(inputs)}, "mlflow_version": logged_with}
        (directory / "MLmodel").write_text(json.dumps(content))
        self.file = ModelFile(str(directory))
        reader = compile_reader(self.file, 64)
        assert reader is not None
        self.reader: Reader = reader
        self.scorer = Scorer(None, self.file, policy)
        self.names = [each.get("name") for each in inputs]

    def check(self, raw: bytes, content_type: str = "application/json") -> Block | None:
        """Read both ways; what the compiled reader accepts must be what the general path makes of it."""
        block = self.reader.read(raw, content_type)
        if block is None:
            return None
        found = self.scorer.read(raw, content_type, "r-1")
        assert isinstance(found, Reading), (raw, found.body)
        assert found.headers == {"x-modelserve-format": block.dialect}, (raw, found.headers)
        assert (found.bare, found.params, found.prepared.empty) == (block.bare, {}, False)
        try:
            data = self.reader.data(block.rows, block.labels)
        except UnicodeEncodeError:
            raise AssertionError(raw) from None
        assert_equal(data, found.prepared.data)
        return block


def assert_equal(left: Any, right: Any) -> None:
    """The same frame or array to the last bit, index and dtypes included."""
    assert type(left) is type(right)
    if isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(
            left, right, check_exact=True, check_index_type=True, check_column_type=True, check_names=True
        )
    else:
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        np.testing.assert_array_equal(left, right)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Both]:
    """Both ways by the name of a signature."""
    known: dict[tuple[str, ...], Both] = {}

    def find(name: str, policy: str = "warn", logged_with: str = "3") -> Both:
        key = (name, policy, logged_with)
        if key not in known:
            known[key] = Both(tmp_path_factory.mktemp("m"), SIGNATURES[name], policy, logged_with)
        return known[key]

    return find


WILD: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=4)
    | st.sampled_from([10**400, 16777217, 3.4028236e38, "2020-02-30", "2020-02-29T10:00:00Z", "1677-01-01", [], {}])
)  # fmt: skip
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "double": st.floats(-1e15, 1e15) | st.integers(-(2**53), 2**53) | st.none(),
    "float": st.floats(-1e7, 1e7) | st.integers(-(2**24), 2**24) | st.none(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    "datetime": st.datetimes(
        min_value=pd.Timestamp("1679-01-01").to_pydatetime(), max_value=pd.Timestamp("2260-12-31").to_pydatetime()
    ).map(lambda moment: moment.isoformat()) | st.dates(
        min_value=pd.Timestamp("1679-01-01").date(), max_value=pd.Timestamp("2260-12-31").date()
    ).map(lambda day: day.isoformat()),
}  # fmt: skip


def kinds_of(name: str) -> list[str]:
    inputs = SIGNATURES[name]
    return ["double"] * 3 if name == "tensor" else [each["type"] for each in inputs]


@st.composite
def requests(draw: st.DrawFn, name: str) -> Any:
    """A document for a signature: good cells in most requests, odd ones in the others, in every form."""
    kinds = kinds_of(name)
    given_names = [each.get("name") or f"x{number}" for number, each in enumerate(SIGNATURES[name])]
    names = given_names if name != "tensor" else ["a", "b", "c"]
    good = st.tuples(*[GOOD[kind] for kind in kinds])
    odd = st.tuples(*[GOOD[kind] | WILD for kind in kinds])
    rows = [list(row) for row in draw(st.lists(good if draw(st.integers(0, 2)) else odd, max_size=4))]
    order = draw(st.permutations(range(len(names)))) if draw(st.booleans()) else list(range(len(names)))
    if draw(st.integers(0, 11)) == 0 and len(order) > 1:
        order = order[1:]
    shown = [names[position] for position in order]
    listed: list[Any] = [[row[position] for position in order] for row in rows]
    if draw(st.integers(0, 11)) == 0:
        shown = [*shown, draw(st.sampled_from(["extra", *names]))]
        listed = [[*row, 1.0] for row in listed]
    if draw(st.integers(0, 11)) == 0 and listed:
        listed[-1] = listed[-1][:-1] if draw(st.booleans()) else draw(st.sampled_from([None, 1, {}, "x"]))
    pairs = [dict(zip(shown, row, strict=False)) if isinstance(row, list) else row for row in listed]
    split: dict[str, Any] = {"columns": shown, "data": listed}
    if draw(st.integers(0, 3)) == 0:
        labels = [
            list(range(len(rows))),
            [5] * len(rows),
            ["r"] * len(rows),
            [True] * len(rows),
            [None],
            3,
            [2**70] * len(rows),
        ]
        split["index"] = draw(st.sampled_from(labels))
    if draw(st.integers(0, 7)) == 0:
        split["columns"] = draw(st.sampled_from([None, [], [1, 2, 3], "abc", [["a"]], shown[::-1]]))
    named = {
        key: [row[number] if isinstance(row, list) and number < len(row) else None for row in listed]
        for number, key in enumerate(shown)
    }
    positional = rows if order == list(range(len(names))) else listed
    fitting: list[Any] = [
        {"dataframe_split": split}, {"dataframe_split": {"data": positional}}, {"inputs": positional},
        {"instances": positional}, {"input_data": positional}, {"dataframe_records": pairs}, pairs, split,
        {"instances": pairs}, {"inputs": named}, {"input_data": split}, {"input_data": named}, {"inputs": pairs},
    ]  # fmt: skip
    if name == "tensor" or name.startswith("unnamed"):
        fitting = fitting[1:5]
    document: Any = draw(st.sampled_from(fitting))
    if draw(st.integers(0, 7)) == 0:
        payload = draw(st.sampled_from([split, pairs, listed, rows, named, {"data": listed}]))
        key = draw(st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances", "input_data", None]))
        document = payload if key is None else {key: payload}
    if isinstance(document, dict) and draw(st.integers(0, 9)) == 0:
        document[draw(st.sampled_from(["params", "x", "client_request_id", "inputs"]))] = draw(WILD)
    return document


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_accepted_is_what_the_general_path_reads(both: Callable[..., Both], name: str) -> None:
    accepted = 0

    @settings(RELAXED, max_examples=150 * MORE)
    @given(
        document=requests(name),
        policy=st.sampled_from(["warn", "refuse", "ignore"]),
        first=st.sampled_from(["3", "1.30"]),
    )
    def check(document: Any, policy: str, first: str) -> None:
        nonlocal accepted
        accepted += both(name, policy, first).check(json.dumps(document).encode()) is not None

    check()
    assert accepted >= 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_a_compiled_form(both: Callable[..., Both], dialect: str) -> None:
    doubles = both("doubles")
    rows: list[dict[str, Any]] = [{"a": 1.5, "b": 2, "c": None}, {"a": -1, "b": 0.0, "c": 1e15}]
    block = doubles.reader.read(json.dumps(dress_doubles(rows, dialect)).encode(), "application/json")
    assert block is not None
    assert (block.dialect, [list(row) for row in block.rows]) == (dialect, [[1.5, 2, None], [-1, 0.0, 1e15]])


def dress_doubles(rows: list[dict[str, Any]], dialect: str) -> Any:
    """The rows as a body of a dialect."""
    names = list(rows[0])
    split = {"columns": names, "data": [list(row.values()) for row in rows]}
    columns = {name: [row[name] for row in rows] for name in names}
    bodies: dict[str, Any] = {
        "mlflow-1-records": rows, "mlflow-1-split": split, "dataframe_records": {"dataframe_records": rows},
        "dataframe_split": {"dataframe_split": split}, "inputs": {"inputs": columns}, "instances": {"instances": rows},
        "azure-split": {"input_data": split}, "azure-named-tensors": {"input_data": columns},
        "azure-tensor": {"input_data": split["data"]},
    }  # fmt: skip
    return bodies[dialect]


ODD_BODIES = [
    b"", b"{}", b"[]", b"null", b"1", b'"x"', b'{"inputs": [[1, 2, 3]]', b'{"inputs": [[1, 2, 3]]} x',
    b'{"inputs": [[1, 2, 3]], "inputs": [[1, 2, 3]]}', b'{"inputs": [{"a": 1, "a": 2, "b": 3, "c": 4}]}',
    b'{"inputs": [[1, 2, NaN]]}', b'{"inputs": [[1, 2, Infinity]]}', b'{"inputs": [[1, 2, 1e400]]}',
    b'{"inputs": [[1, 2, -1e400]]}', b'{"inputs": [[1e400, 2, -1e400]]}', b'{"inputs": [[1, 2, ' + b"9" * 5000 + b"]]}",
    b'\xef\xbb\xbf{"inputs": [[1, 2, 3]]}', '{"inputs": [[1, 2, 3]]}'.encode("utf-16"),
    '{"inputs": [[1, 2, 3]]}'.encode("utf-16-le"), '{"inputs": [[1, 2, 3]]}'.encode("utf-32-be"),
    b'{"inputs": [[1, 2, "\xff"]]}', b"[" * 100000, b'{"input_data": {"columns": ["a"], "data": [[1]\n[2]]}}',
    b'"{\\"inputs\\": [[1, 2, 3]]}"', b'{"inputs": [1, 2, 3]}', b'{"inputs": [[[1, 2, 3]]]}', b'{"inputs": []}',
    b'{"inputs": [[]]}', b'{"inputs": {}}', b'{"inputs": {"a": 1, "b": 2, "c": 3}}', b'{"inputs": [[1, 2, true]]}',
    b'{"dataframe_split": {"columns": ["a", "b", "a"], "data": [[1, 2, 3]]}}',
    b'{"dataframe_split": {"columns": ["a", "b", 3], "data": [[1, 2, 3]]}}',
    b'{"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1, 2, 3]], "more": 1}}',
    b'{"dataframe_split": {"columns": ["a", "b", "c"], "data": {"a": 1}}}',
]  # fmt: skip


@pytest.mark.parametrize("raw", ODD_BODIES, ids=lambda raw: raw[:40].decode("latin-1"))
@pytest.mark.parametrize("name", ["doubles", "tensor"])
def test_odd_bodies_are_left_to_the_general_path(both: Callable[..., Both], name: str, raw: bytes) -> None:
    assert both(name).check(raw) is None


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json", True),
        ("", True),
        ("application/json; charset=utf-8", True),
        ("application/json; charset=latin-1", False),
        ("application/json; format=pandas-split", False),
        ("text/csv", False),
        ("Application/JSON", False),
    ],
)
def test_only_plain_json_types_are_read_here(both: Callable[..., Both], content_type: str, accepted: bool) -> None:
    raw = b'{"dataframe_split": {"columns": ["c", "a", "b"], "data": [[3, 1, 2]], "index": [9]}}'
    assert (both("doubles").check(raw, content_type) is not None) is accepted


def test_signatures_of_other_kinds_are_not_compiled(bench: Callable[..., Any]) -> None:
    for name in ("nested", "tensors", "int-tensor", "free", "typed"):
        assert compile_reader(bench(name).file, 64) is None
    assert compile_reader(bench("logistic").file, 3) is None
    assert compile_reader(bench("logistic").file, 4) is not None


def test_a_row_of_doubles_is_read_many_times_faster(bench: Callable[..., Any]) -> None:
    """A ratio with slack: it is about fifty in a quiet process."""
    import time

    logistic = bench("logistic")
    reader = compile_reader(logistic.file, 64)
    assert reader is not None
    raw = json.dumps({"dataframe_split": {"columns": IRIS, "data": [ROW]}}).encode()

    def cost(function: Callable[[], Any], count: int) -> float:
        times = []
        for _ in range(7):
            begin = time.process_time()
            for _ in range(count):
                function()
            times.append((time.process_time() - begin) / count)
        return min(times)

    quick = cost(lambda: reader.read(raw, "application/json"), 400)
    general = cost(lambda: logistic.scorer.read(raw, "application/json", "r"), 40)
    assert general / quick > 5
    assert math.isfinite(general)


def test_the_json_reader_is_the_standard_librarys() -> None:
    assert type(DECODER) is json.JSONDecoder
