"""Every payload dialect on one address, and the answer that each expects."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from tests.unit.replica.conftest import Bench
from tests.unit.replica.models import IRIS, ROW, iris

ROWS = [ROW, [6.7, 3.0, 5.2, 2.3]]
RECORDS = [dict(zip(IRIS, row, strict=True)) for row in ROWS]
SPLIT = {"columns": IRIS, "data": ROWS}
NAMED = {name: [row[position] for row in ROWS] for position, name in enumerate(IRIS)}
CSV = "\n".join([",".join(IRIS), *(",".join(map(str, row)) for row in ROWS)]) + "\n"
BARE: Any = [0, 2]
WRAPPED: Any = {"predictions": [0, 2]}
JSON = "application/json"


def parquet() -> bytes:
    stream = io.BytesIO()
    pd.DataFrame(RECORDS).to_parquet(stream)
    return stream.getvalue()


CASES = [
    pytest.param(RECORDS, JSON, "mlflow-1-records", BARE, id="1-records", marks=pytest.mark.req("REQ-031", "REQ-043")),
    pytest.param(SPLIT, JSON, "mlflow-1-split", BARE, id="1-split", marks=pytest.mark.req("REQ-040", "REQ-043")),
    pytest.param({**SPLIT, "index": [7, 8]}, JSON, "mlflow-1-split", BARE, id="1-split-index"),
    pytest.param(
        RECORDS,
        f"{JSON}; format=pandas-records",
        "mlflow-1-records",
        BARE,
        id="format-records",
        marks=pytest.mark.req("REQ-040"),
    ),
    pytest.param(
        RECORDS, f'{JSON};FORMAT="pandas-records";charset=utf-8', "mlflow-1-records", BARE, id="format-quoted"
    ),
    pytest.param(
        SPLIT,
        f"{JSON};format=pandas-split",
        "mlflow-1-split",
        BARE,
        id="format-split",
        marks=pytest.mark.req("REQ-040"),
    ),
    pytest.param(SPLIT, "application/json-numpy-split", "mlflow-1-split", BARE, id="numpy-split"),
    pytest.param(
        {"dataframe_split": SPLIT},
        JSON,
        "dataframe_split",
        WRAPPED,
        id="split",
        marks=pytest.mark.req("REQ-037", "REQ-174", "REQ-177"),
    ),
    pytest.param(
        {"dataframe_records": RECORDS},
        JSON,
        "dataframe_records",
        WRAPPED,
        id="records",
        marks=pytest.mark.req("REQ-036", "REQ-180"),
    ),
    pytest.param({"inputs": ROWS}, JSON, "inputs", WRAPPED, id="inputs", marks=pytest.mark.req("REQ-032", "REQ-038")),
    pytest.param({"inputs": NAMED}, JSON, "inputs", WRAPPED, id="inputs-named", marks=pytest.mark.req("REQ-033")),
    pytest.param({"inputs": RECORDS}, JSON, "inputs", WRAPPED, id="inputs-records"),
    pytest.param({"instances": ROWS}, JSON, "instances", WRAPPED, id="instances", marks=pytest.mark.req("REQ-175")),
    pytest.param(
        {"instances": RECORDS}, JSON, "instances", WRAPPED, id="instances-objects", marks=pytest.mark.req("REQ-175")
    ),
    pytest.param({"instances": NAMED}, JSON, "instances", WRAPPED, id="instances-named"),
    pytest.param(
        {"input_data": SPLIT}, JSON, "azure-split", BARE, id="azure-split", marks=pytest.mark.req("REQ-150", "REQ-151")
    ),
    pytest.param(
        {"input_data": ROWS}, JSON, "azure-tensor", BARE, id="azure-tensor", marks=pytest.mark.req("REQ-150", "REQ-152")
    ),
    pytest.param(
        {"input_data": NAMED},
        JSON,
        "azure-named-tensors",
        BARE,
        id="azure-named",
        marks=pytest.mark.req("REQ-150", "REQ-153"),
    ),
    pytest.param(CSV.encode(), "text/csv", "csv", WRAPPED, id="csv", marks=pytest.mark.req("REQ-149")),
    pytest.param(CSV.encode("utf-16"), "text/csv; charset=utf-16", "csv", WRAPPED, id="csv-charset"),
    pytest.param(CSV.replace("\n", "\r\n").encode(), "text/csv; charset=UTF-8", "csv", WRAPPED, id="csv-crlf"),
    pytest.param(CSV.encode(), "", "csv", WRAPPED, id="sniffed-csv"),
    pytest.param(
        b'"' + CSV.replace(",", '","').replace("\n", '"\n"').encode()[:-1], "", "csv", WRAPPED, id="sniffed-quoted-csv"
    ),
    pytest.param(parquet(), "application/vnd.apache.parquet", "parquet", WRAPPED, id="parquet"),
    pytest.param(parquet(), "", "parquet", WRAPPED, id="sniffed-parquet"),
    pytest.param({"inputs": ROWS}, "", "inputs", WRAPPED, id="no-content-type"),
    pytest.param(b" \n" + json.dumps(RECORDS).encode(), "", "mlflow-1-records", BARE, id="no-content-type-list"),
    pytest.param(
        json.dumps({"dataframe_split": SPLIT}),
        JSON,
        "dataframe_split",
        WRAPPED,
        id="double",
        marks=pytest.mark.req("REQ-039", "REQ-181"),
    ),
    pytest.param(
        json.dumps({"dataframe_records": RECORDS}),
        "",
        "dataframe_records",
        WRAPPED,
        id="double-sniffed",
        marks=pytest.mark.req("REQ-181"),
    ),
    pytest.param(json.dumps({"inputs": ROWS}).encode("utf-8-sig"), JSON, "inputs", WRAPPED, id="bom"),
    pytest.param(json.dumps({"inputs": ROWS}).encode("utf-16"), JSON, "inputs", WRAPPED, id="utf-16-detected"),
    pytest.param(
        json.dumps({"inputs": ROWS}).encode("cp037"), f"{JSON}; charset=cp037", "inputs", WRAPPED, id="ebcdic"
    ),
    pytest.param(
        {"inputs": ROWS, "client_request_id": "a", "params": {}, "signature_name": "s"},
        JSON,
        "inputs",
        WRAPPED,
        id="neutral-keys",
    ),
]


@pytest.mark.parametrize(("body", "content_type", "dialect", "expected"), CASES)
def test_every_dialect_is_answered_in_kind(
    bench: Callable[..., Bench], body: Any, content_type: str, dialect: str, expected: Any
) -> None:
    answer = bench("forest").score(body, content_type)
    assert (answer.status, answer.json) == (200, expected)
    assert answer.headers == {"x-modelserve-format": dialect}


@pytest.mark.req("REQ-035")
@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_a_first_generation_model_answers_tensors_bare(bench: Callable[..., Bench], key: str) -> None:
    first = bench("first")
    assert first.file.is_first_generation
    assert first.score({key: ROWS}).json == BARE
    assert first.score(CSV.encode(), "text/csv").json == BARE
    assert first.score({"dataframe_records": RECORDS}).json == WRAPPED


@pytest.mark.req("REQ-152")
def test_the_printed_azure_sample_without_a_comma_is_repaired(bench: Callable[..., Bench]) -> None:
    body = b'{\n"input_data": [\n[5.1, 3.5, 1.4, 0.2],\n[6.7, 3.0, 5.2, 2.3]\n[5.1, 3.5, 1.4, 0.2]\n]\n}'
    answer = bench("forest").score(body)
    assert (answer.status, answer.json) == (200, [0, 2, 0])
    assert answer.headers["warning"].startswith('199 - "repaired JSON')
    other = bench("forest").score(body.replace(b"input_data", b"inputs"))
    assert other.status == 400
    assert other.json["details"] == {"line": 5, "column": 1}


@pytest.mark.req("REQ-176")
def test_inputs_may_differ_in_their_first_dimension(bench: Callable[..., Bench]) -> None:
    answer = bench("tensors").score({"inputs": {"tokens": [[1, 2, 3]], "mask": [1, 0.5, 3]}})
    assert answer.json["predictions"] == {
        "tokens": ["int64", [1, 3], [[1, 2, 3]]],
        "mask": ["float32", [3], [1.0, 0.5, 3.0]],
    }
    answer = bench("tensors").score({"instances": {"tokens": [[1, 2, 3]], "mask": [1, 2]}})
    assert answer.status == 400
    assert "same number of rows" in answer.message
    assert "'tokens' 1, 'mask' 2" in answer.message


@pytest.mark.req("REQ-153", "REQ-175")
@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"tokens": [1, 2, 3], "mask": 1}, {"tokens": [4, 5, 6], "mask": 0}]},
        {"inputs": {"tokens": [[1, 2, 3], [4, 5, 6]], "mask": [1, 0]}},
        {"input_data": {"tokens": [[1, 2, 3], [4, 5, 6]], "mask": [1, 0]}},
        {"dataframe_records": [{"tokens": [1, 2, 3], "mask": 1}, {"tokens": [4, 5, 6], "mask": 0}]},
        {"dataframe_split": {"columns": ["mask", "tokens"], "data": [[1, [1, 2, 3]], [0, [4, 5, 6]]]}},
        [{"tokens": [1, 2, 3], "mask": 1}, {"tokens": [4, 5, 6], "mask": 0}],
    ],
)
def test_named_tensors_in_every_dress(bench: Callable[..., Bench], body: Any) -> None:
    answer = bench("tensors").score(body)
    found = answer.json.get("predictions", answer.json)
    assert found == {"tokens": ["int64", [2, 3], [[1, 2, 3], [4, 5, 6]]], "mask": ["float32", [2], [1.0, 0.0]]}


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": ROWS},
        {"instances": ROWS},
        {"input_data": ROWS},
        {"dataframe_split": SPLIT},
        RECORDS,
        {"dataframe_split": {"data": ROWS}},
    ],
)
def test_an_unnamed_tensor_in_every_dress(bench: Callable[..., Bench], body: Any) -> None:
    answer = bench("tensor").score(body)
    found = answer.json.get("predictions", answer.json)
    assert found == {"dtype": "float64", "shape": [2, 4], "data": ROWS}


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ({"inputs": [[1, 2]]}, {"dtype": "int64", "shape": [1, 2], "data": [[1, 2]]}),
        ({"inputs": {"a": [1, 2], "b": ["x"]}}, {"a": ["int64", [2], [1, 2]], "b": ["<U1", [1], ["x"]]}),
        ({"instances": [{"a": 1}, {"a": 2}]}, {"a": ["int64", [2], [1, 2]]}),
    ],
)
def test_without_a_signature_tensors_arrive_as_mlflow_passes_them(
    bench: Callable[..., Bench], body: Any, seen: Any
) -> None:
    assert bench("free").score(body).json["predictions"] == seen


def test_without_a_signature_frames_arrive_as_pandas_makes_them(bench: Callable[..., Bench]) -> None:
    answer = bench("free").score(b'{"dataframe_records": [{"a": NaN, "b": 1}, {"a": 2, "b": null, "c": "x"}]}')
    found = answer.json["predictions"]
    assert found["rows"] == [{"a": None, "b": 1.0, "c": None}, {"a": 2.0, "b": None, "c": "x"}]
    assert (found["dtypes"]["a"], found["dtypes"]["b"]) == ("float64", "float64")
    assert bench("free").score(b"a,b\n1,x\n2,y\n", "text/csv").json["predictions"]["dtypes"]["a"] == "int64"


def test_the_callers_index_reaches_the_model(bench: Callable[..., Bench]) -> None:
    body = {"dataframe_split": {"columns": ["d"], "data": [[1], [2]], "index": ["x", "y"]}}
    assert bench("free").score(body).json["predictions"]["index"] == ["x", "y"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"dataframe_records": []},
        {"inputs": []},
        {"instances": []},
        {"input_data": []},
        {"columns": IRIS, "data": []},
    ],
)
def test_no_rows_are_answered_with_an_empty_list(bench: Callable[..., Bench], body: Any) -> None:
    answer = bench("forest").score(body)
    assert answer.status == 200
    assert answer.json in ([], {"predictions": []})


def test_a_csv_of_a_header_only_is_no_rows(bench: Callable[..., Bench]) -> None:
    assert bench("forest").score((",".join(IRIS) + "\n").encode(), "text/csv").json == {"predictions": []}


@pytest.mark.req("REQ-041", "REQ-180")
def test_power_bi_chunks_of_256_rows(bench: Callable[..., Bench]) -> None:
    frame, _ = iris()
    chunk = pd.concat([frame, frame]).head(256).to_dict("records")
    bare = bench("forest").score(chunk).json
    assert bare == bench("forest").score({"dataframe_records": chunk}).json["predictions"]
    assert len(bare) == 256


def test_strings(bench: Callable[..., Bench]) -> None:
    expected = {"predictions": ["A", "é".upper()]}
    for body in (
        {"instances": ["a", "é"]},
        {"inputs": ["a", "é"]},
        {"inputs": {"text": ["a", "é"]}},
        {"dataframe_records": [{"text": "a"}, {"text": "é"}]},
    ):
        assert bench("strings").score(body).json == expected
    assert bench("strings").score("text\na\né\n".encode("latin-1"), "text/csv; charset=latin-1").json == expected


def test_an_object_column_makes_a_dict_of_inputs_one_row(bench: Callable[..., Bench]) -> None:
    row = {"a": [1, 2.5], "o": {"n": 1, "w": 2}, "m": {"k": 1}}
    for body in ({"inputs": row}, {"dataframe_records": [row]}, {"instances": [row]}):
        found = bench("nested").score(body).json["predictions"]
        assert found["rows"] == [{"a": [1.0, 2.5], "o": {"n": 1, "w": 2.0}, "m": {"k": 1.0}}]


def test_params_reach_the_model(bench: Callable[..., Bench]) -> None:
    body = {"dataframe_records": [{"d": 1}], "params": {"factor": 2, "name": "é", "flags": [False, True]}}
    assert bench("params").score(body).json["predictions"] == [1, 2.0, [False, True], "é"]
    assert bench("params").score({**body, "params": None}).json["predictions"] == [1, 1.0, [True], "x"]


def test_csv_feeds_tensors(bench: Callable[..., Bench]) -> None:
    found = bench("tensor").score(CSV.encode(), "text/csv").json["predictions"]
    assert found == {"dtype": "float64", "shape": [2, 4], "data": ROWS}


def test_unnamed_columns_go_by_position(bench: Callable[..., Bench]) -> None:
    for body, kind in (({"inputs": [[1, 2]]}, "application/json"), (b"x,y\n1,2\n", "text/csv")):
        found = bench("unnamed").score(body, kind).json["predictions"]
        assert list(found["dtypes"].values()) == ["float64", "int64"]
        assert list(found["rows"][0].values()) == [1.0, 2]
