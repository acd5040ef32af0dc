"""Every refusal: the right status, a message that names the place and the types, and none of the caller's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.replica.conftest import Bench
from tests.unit.replica.models import IRIS, ROW

GOOD: dict[str, Any] = {"i": 1, "l": 2, "b": True, "t": "2020-01-01", "d": 1.5, "f": 0.5, "s": "x", "x": "YWI="}
RECORD = dict(zip(IRIS, ROW, strict=True))


@pytest.mark.parametrize(
    ("column", "value", "expected", "got"),
    [
        ("l", "1.5", "long", "double with a fraction"),
        ("i", "3e9", "integer", "outside"),
        ("i", "2147483648", "integer", "outside"),
        ("l", "9223372036854775808", "long", "outside"),
        ("l", "true", "long", "boolean"),
        ("l", '"5"', "long", "string"),
        ("l", "null", "long", "null"),
        ("i", "NaN", "integer", "null"),
        ("l", "Infinity", "long", "infinity"),
        ("l", "1e400", "long", "too large"),
        ("d", '"abc"', "double", "string"),
        ("d", "true", "double", "boolean"),
        ("d", "1e400", "double", "too large"),
        ("d", "-1e400", "double", "too large"),
        ("d", "9007199254740993", "double", "exactly"),
        ("d", "1" + "0" * 400, "double", "exactly"),
        ("d", "[1]", "double", "array"),
        ("d", "{}", "double", "object"),
        ("f", "1e39", "float", "cannot hold"),
        ("f", "16777217", "float", "exactly"),
        ("b", "null", "boolean", "null"),
        ("b", "2", "boolean", "integer"),
        ("b", '"true"', "boolean", "string"),
        ("s", "5", "string", "integer"),
        ("s", "[]", "string", "array"),
        ("t", '"yesterday"', "datetime", "no date"),
        ("t", "1577836800000", "datetime", "integer"),
        ("t", '"2020-01-01T00:00:00Z"', "datetime", "time zone"),
        ("t", '"2020-01-01T00:00:00+02:00"', "datetime", "time zone"),
        ("t", '"2020-13-45"', "datetime", "no date"),
        ("t", '"1066-10-14"', "datetime", "no date"),
        ("x", '"@@"', "binary", "base64"),
        ("x", "5", "binary", "integer"),
        ("ol", "null", "long", "null"),
        ("od", '"abc"', "double", "string"),
    ],
)
def test_a_cell_that_its_type_cannot_hold(
    bench: Callable[..., Bench], column: str, value: str, expected: str, got: str
) -> None:
    good = json.dumps({**GOOD, "ol": 1})
    bad = good[:-1].replace(f'"{column}": ', '"unused": ') + f', "{column}": {value}}}'
    answer = bench("typed", "ignore").score(f"[{good}, {bad}]".encode())
    assert answer.status == 400
    assert answer.json["error_code"] == "INVALID_PARAMETER_VALUE"
    assert answer.message.startswith(f"row 1, column '{column}': expected {expected}")
    assert got in answer.message
    assert (answer.json["details"]["row"], answer.json["details"]["column"]) == (1, column)
    assert answer.headers["x-modelserve-format"] == "mlflow-1-records"


@pytest.mark.parametrize(
    ("column", "value", "seen"),
    [
        ("l", 2.0, 2),
        ("i", -(2**31), -(2**31)),
        ("l", 2**63 - 1, 2**63 - 1),
        ("l", 1e15, 10**15),
        ("d", 3, 3.0),
        ("d", 2**60, float(2**60)),
        ("d", None, None),
        ("f", 0.1, 0.10000000149011612),
        ("f", 2**30, float(2**30)),
        ("f", None, None),
        ("b", 0, False),
        ("b", 1, True),
        ("s", None, None),
        ("t", None, None),
        ("t", "2020-02-29T12:30:15.123456789", "2020-02-29T12:30:15.123456789"),
        ("t", "2020-02-29 12:30", "2020-02-29T12:30:00"),
        ("x", "Y\nWI=", "YWI="),
        ("od", None, None),
        ("ob", None, None),
        ("ol", None, "missing"),
        ("ol", 4, 4),
    ],
)
def test_a_cell_that_its_type_holds(bench: Callable[..., Bench], column: str, value: Any, seen: Any) -> None:
    answer = bench("typed").score([{**GOOD, column: value}])
    assert answer.status == 200
    assert answer.json["rows"][0].get(column, "missing") == seen


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literals_that_are_no_json_are_understood_and_answered_as_null(
    bench: Callable[..., Bench], literal: str
) -> None:
    body = json.dumps([{**GOOD, "d": "?"}]).replace('"?"', literal).encode()
    answer = bench("typed").score(body)
    assert (answer.status, answer.json["rows"][0]["d"]) == (200, None)


def test_the_callers_index_label_is_named(bench: Callable[..., Bench]) -> None:
    body = {"dataframe_split": {"columns": IRIS, "data": [ROW, ["x", 1, 1, 1]], "index": ["first", "second"]}}
    answer = bench("logistic").score(body)
    assert answer.message.startswith("row 1 (index 'second'), column 'sepal_length': expected double, got string")
    assert answer.json["details"]["index"] == "second"


def test_missing_and_unknown_columns_are_all_named(bench: Callable[..., Bench]) -> None:
    answer = bench("logistic").score([{"sepal_length": 1.0, "petal": 2, "leaf": 3}])
    assert answer.status == 400
    assert answer.message == (
        "missing columns: 'sepal_width', 'petal_length', 'petal_width'; "
        "the request has the unknown columns 'petal', 'leaf'"
    )


def test_unknown_columns_follow_the_setting(bench: Callable[..., Bench]) -> None:
    body = [{**RECORD, "a": 1, 'b"\r\nx: y': 2}]
    warned = bench("logistic", "warn").score(body)
    assert (warned.status, warned.headers["warning"]) == (200, '199 - "unknown columns ignored: a, b???x: y"')
    refused = bench("logistic", "refuse").score(body)
    assert refused.status == 400
    assert refused.message.startswith("unknown columns: 'a', ")
    ignored = bench("logistic", "ignore").score(body)
    assert (ignored.status, "warning" in ignored.headers) == (200, False)


@pytest.mark.parametrize(("rows", "counts"), [([ROW[:3]], ("3", "4")), (ROW, ("1", "4")), ([[*ROW, 1]], ("5", "4"))])
def test_a_tensor_of_another_width_names_both_counts(
    bench: Callable[..., Bench], rows: Any, counts: tuple[str, str]
) -> None:
    answer = bench("logistic").score({"inputs": rows})
    assert answer.status == 400
    assert answer.message.startswith(f"each row has {counts[0]} values, but the model has {counts[1]} columns")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"inputs": [1], "instances": [1]}', "found instances and inputs"),
        (b'{"data": [1]}', "the body has 'data'"),
        (b"{}", "has none"),
        (b"5", "got integer"),
        (b'"5"', "got integer"),
        (b'"\\"x\\""', "got string"),
        (b"null", "got null"),
        (b"[1]", "row 0 is integer"),
        (b'[{"a": 1}, [2]]', "row 1 is array"),
        (b'{"inputs": null}', "inputs is null"),
        (b'{"input_data": 5}', "got integer"),
        (b'{"dataframe_split": [1]}', "got array"),
        (b'{"dataframe_split": {"columns": ["a"]}}', "has no data"),
        (b'{"dataframe_split": {"data": [], "rows": 1}}', "unknown part 'rows'"),
        (b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', "'a' twice"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}', "row 1 has 2 values, expected 1"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [1]}}', "row 0 must be a list"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1]], "index": [1, 2]}}', "index must have one"),
        (b'{"dataframe_records": {"a": 1}}', "got object"),
        (b'{"inputs": [[1], {"a": 1}]}', "mixes objects"),
        (b'{"inputs": [[1], [2, 3]]}', "row 1 has 2 values"),
        (b'{"inputs": {"a": [1], "b": [1, 2]}}', "differ in length ('a' 1, 'b' 2)"),
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"[1, 2", "line 1 column 6"),
        (b'{\n"a": tru}', "line 2 column 6"),
        (b'{"inputs": 1, "inputs": 2}', "'inputs' is given twice"),
        (b"[" * 70 + b"]" * 70, "deeper than 64"),
        (b"[" * 200_000, "deeper than 64"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'\xff\xfe"', "not valid"),
        (b'{"a": "\xff"}', "byte 7 cannot be decoded"),
    ],
)
def test_a_body_that_is_no_request(bench: Callable[..., Bench], body: bytes, words: str) -> None:
    answer = bench("logistic").score(body)
    assert (answer.status, answer.json["request_id"]) == (400, "r-1")
    assert words in answer.message


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("text/html", "'text/html' is not supported"),
        ("application/json; format=tf", "'tf' is unknown"),
        ("text/csv; format=pandas-split", "is unknown"),
        ("application/json; charset=klingon", "'klingon' is unknown"),
        ("application/json; charset=base64", "cannot be used"),
        ("application/json; charset=punycode", "cannot be used"),
        ("application/json; charset=a\0b", "unknown"),
    ],
)
def test_an_unknown_media_type(bench: Callable[..., Bench], content_type: str, words: str) -> None:
    answer = bench("logistic").score([RECORD], content_type)
    assert (answer.status, answer.json["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert words in answer.message


def test_a_format_that_contradicts_the_body(bench: Callable[..., Bench]) -> None:
    assert "is a list" in bench("logistic").score([RECORD], "application/json; format=pandas-split").message
    body = {"columns": IRIS, "data": [ROW]}
    assert "is an object" in bench("logistic").score(body, "application/json; format=pandas-records").message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"a,a\n1,2\n", "'a' twice"),
        (b"a,b\n1,2,3\n", "line 2 of the CSV has 3 cells, the header has 2"),
        (b"a,b\n\n1\n", "line 3 of the CSV has 1 cells"),
        (b",,\n1,2,3\n", "empty"),
        ((",".join(IRIS) + "\n1,2,x,4\n").encode(), "row 0, column 'petal_length': expected double, got string"),
        ((",".join(IRIS) + "\n1,2,1_0,4\n").encode(), "got string"),
        ((",".join(IRIS) + "\n1,2,1e999,4\n").encode(), "too large"),
        (b'a\n"unclosed\n', "line 2 of the body is not valid CSV"),
    ],
)
def test_a_csv_that_is_no_table(bench: Callable[..., Bench], body: bytes, words: str) -> None:
    answer = bench("logistic").score(body, "text/csv")
    assert (answer.status, answer.headers["x-modelserve-format"]) == (400, "csv")
    assert words in answer.message


def test_csv_cells_become_the_declared_types(bench: Callable[..., Bench]) -> None:
    body = "i,l,b,t,d,f,s,x\n1,2.0,TRUE,2020-01-01,0.1,,007,YWI=\n"
    row = bench("typed").score(body.encode(), "text/csv").json["predictions"]["rows"][0]
    assert row == {"i": 1, "l": 2, "b": True, "t": "2020-01-01T00:00:00", "d": 0.1, "f": None, "s": "007", "x": "YWI="}


def test_a_parquet_file_that_is_none(bench: Callable[..., Bench]) -> None:
    answer = bench("logistic").score(b"PAR1 nonsense PAR1", "application/vnd.apache.parquet")
    assert (answer.status, answer.headers["x-modelserve-format"]) == (400, "parquet")


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        ("tensor", [[1, 2, 3]], "axis 1 of the input has 3 values, the model expects 4"),
        ("tensor", [1, 2, 3, 4], "has 1 axes"),
        ("tensor", [[1, 2, True, 4]], "row 0, the input[0][2]: expected a number (float64), got boolean"),
        ("tensor", [[1, 2, "x", 4]], "got string"),
        ("tensor", [[1, 2, 3, 4], [1]], "differ in length"),
        ("tensor", [[1, 2, 3, 2**53 + 1]], "exactly"),
        ("tensor", {"a": [1]}, "one unnamed tensor"),
        (
            "int-tensor",
            [[[1, 2], [3, 4.5]]],
            "row 0, the input[0][1][1]: expected an integer (int32), got double with a fraction",
        ),
        ("int-tensor", [[[1, 2], [3, 2**31]]], "outside"),
        ("int-tensor", [[[1, 2], [3, None]]], "got null"),
        ("int-tensor", [[[1, 2]]], "axis 1 of the input has 1 values, the model expects 2"),
        ("tensors", {"tokens": [[1, 2, 3]]}, "missing inputs: 'mask'"),
        ("tensors", [[1, 2]], "named inputs 'tokens', 'mask'"),
        ("tensors", {"tokens": [[1, 2, 3]], "mask": [1e39]}, "too large"),
        ("tensors", {"tokens": [[1, 2]], "mask": [1]}, "axis 1 of the input 'tokens'"),
    ],
)
def test_a_tensor_that_does_not_fit(bench: Callable[..., Bench], model: str, inputs: Any, words: str) -> None:
    answer = bench(model).score({"inputs": inputs})
    assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert words in answer.message


def test_nulls_are_nan_in_a_float_tensor(bench: Callable[..., Bench]) -> None:
    assert bench("tensor").score({"inputs": [[1, None, 3, 4]]}).json["predictions"]["data"] == [[1, None, 3, 4]]


def test_instances_with_different_names(bench: Callable[..., Bench]) -> None:
    answer = bench("tensors").score({"instances": [{"tokens": [1, 2, 3], "mask": 1}, {"tokens": [1, 2, 3]}]})
    assert "row 1 differs from row 0 in 'mask'" in answer.message


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"factr": 1, "nam": 2}, "unknown params: 'factr', 'nam'"),
        ([1], "params must be an object"),
        ({"count": 1.5}, "'count' must be long, got double"),
        ({"count": True}, "got boolean"),
        ({"factor": "x"}, "'factor' must be double, got string"),
        ({"count": 2**63}, "out of its range"),
        ({"flags": True}, "list of boolean"),
        ({"flags": [True, 1]}, "integer at position 1"),
        ({"name": 1}, "'name' must be string"),
    ],
)
def test_params_that_the_schema_does_not_know(bench: Callable[..., Bench], params: Any, words: str) -> None:
    answer = bench("params").score({"inputs": {"d": [1]}, "params": params})
    assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert words in answer.message
    assert "it has none" in bench("logistic").score({"inputs": [ROW], "params": {"a": 1}}).message


def test_a_model_exception_names_its_class_and_the_null_columns(
    bench: Callable[..., Bench], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = bench("failing").score({"inputs": {"d": [1.0, None]}})
    assert (answer.status, answer.json["error_code"]) == (400, "BAD_REQUEST")
    assert answer.message == (
        "the model could not score this request (ZeroDivisionError); "
        "it may not accept missing values: the request has nulls in 'd'"
    )
    assert "secret text" not in json.dumps(answer.json)
    log = capsys.readouterr().err
    assert "request r-1 failed" in log
    assert "secret text of the model" in log


def test_a_model_that_exits_fails_its_request_only(bench: Callable[..., Bench]) -> None:
    answer = bench("exiting").score({"inputs": {"d": [1.0]}})
    assert (answer.status, "SystemExit" in answer.message) == (400, True)


def test_mlflows_own_refusal_does_not_echo_the_data(bench: Callable[..., Bench]) -> None:
    answer = bench("nested").score([{"a": ["private"], "o": {"n": 1, "w": 1.0}, "m": {}}])
    assert answer.status == 400
    assert "private" not in json.dumps(answer.json)
    assert "does not fit the model's signature" in answer.message


def test_records_without_common_keys_do_not_fill_the_memory(bench: Callable[..., Bench]) -> None:
    body = b"[" + b",".join(b'{"%d":1}' % number for number in range(100_000)) + b"]"
    answer = bench("free").score(body)
    assert (answer.status, answer.message) == (400, "the body: the records have too few keys in common to be one table")
    assert "missing columns" in bench("logistic").score(body).message
