"""The parts that need no model: HTTP heads, logs, status, exits, environment, specifications, signatures, failures."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.replica.hiding import Hider
from jupyter_modelserve.replica.parent.environ import worker_environ
from jupyter_modelserve.replica.parent.exits import explain_exit, oom_kills
from jupyter_modelserve.replica.parent.logs import RotatingLog
from jupyter_modelserve.replica.parent.specs import BadSpec, read_spec
from jupyter_modelserve.replica.parent.status import Status
from jupyter_modelserve.replica.wire import BadHead, Response, parse_head, render
from jupyter_modelserve.replica.worker import failures, loader, probe
from jupyter_modelserve.replica.worker.media import CSV, JSON, PARQUET, sniff
from jupyter_modelserve.replica.worker.nested import conform
from jupyter_modelserve.replica.worker.signature import ModelFile
from jupyter_modelserve.types import Cause
from tests.unit.replica import models


def test_a_head_is_read() -> None:
    request = parse_head(b"POST /a%20b?x=1 HTTP/1.1\r\nContent-Length:  5 \r\nX-A: \xe9")
    assert (request.method, request.path, request.query, request.length) == ("POST", "/a b", {"x": "1"}, 5)
    assert request.headers == {"content-length": "5", "x-a": "é"}
    assert request.keep_alive
    assert not parse_head(b"GET / HTTP/1.0").keep_alive
    assert not parse_head(b"GET / HTTP/1.1\r\nconnection: Close").keep_alive


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"GET",
        b"get / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET x HTTP/1.1",
        b"GET / HTTP/1.1\r\nnocolon",
        b"GET / HTTP/1.1\r\na b: c",
        b"GET / HTTP/1.1\r\n folded: x",
        b"GET / HTTP/1.1\r\na: b\nc: d",
        b"GET / HTTP/1.1\r\ncontent-length: 1\r\nContent-Length: 1",
        b"GET / HTTP/1.1\r\ncontent-length: +1",
        b"GET / HTTP/1.1\r\ncontent-length: 1_0",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked",
        b"GET /\xe9 HTTP/1.1",
    ],
)
def test_a_bad_head_is_refused(raw: bytes) -> None:
    with pytest.raises(BadHead):
        parse_head(raw)


def test_an_answer_is_written() -> None:
    assert render(Response(204), keep_alive=True) == b"HTTP/1.1 204 No Content\r\n\r\n"
    raw = render(Response(200, b"{}", headers={"x-a": "b"}), keep_alive=False)
    assert raw == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
        b"x-a: b\r\nconnection: close\r\n\r\n{}"
    )


def test_a_log_is_bounded_and_its_tail_spans_a_rotation(tmp_path: Path) -> None:
    log = RotatingLog(str(tmp_path / "a.log"), 1024)
    for number in range(200):
        log.write(b"line %03d " % number + b"x" * 50 + b"\n")
    log.note("end")
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["a.log", "a.log.1", "a.log.2", "a.log.3"]
    assert all(path.stat().st_size <= 1024 for path in tmp_path.iterdir())
    tail = log.tail(20)
    assert [line[:8] for line in tail[:-1]] == [f"line {number}" for number in range(181, 200)]
    assert tail[-1] == "modelserve: end"
    assert log.tail(0) == []


def test_only_a_line_feed_ends_a_line_of_a_log(tmp_path: Path) -> None:
    log = RotatingLog(str(tmp_path / "a.log"), 4096)
    printed = "asked\u2028 \x85 \x0b \x0c \x1c \r9999-01-01T00:00:00.000000Z x"
    log.write(f"{printed}\nends in two\r\n\nopen".encode())
    log.close()
    assert log.tail(10) == [printed, "ends in two", "", "open"]
    assert log.tail(1) == ["open"]
    stamps = [line.partition(" ")[0] for line in log.tail(10, times=True)]
    assert stamps == sorted(set(stamps))
    assert all(each.startswith("20") for each in stamps)


def test_phases_grow_until_they_are_done() -> None:
    now = [0.0]
    status = Status("m", "1", "unix:/s", clock=lambda: now[0])
    now[0] = 1
    assert status.phases() == [{"name": "start", "seconds": 1, "done": False}]
    status.report({"state": "LOADING"})
    now[0] = 3
    status.report({"state": "PROBING", "loader": "mlflow.sklearn", "signature": {"inputs": []}})
    now[0] = 4
    status.report({"state": "READY", "verdict": "passed"})
    now[0] = 9
    document = status.document(2)
    assert [(each["name"], each["seconds"], each["done"]) for each in document["phases"]] == [
        ("start", 1, True),
        ("load", 2, True),
        ("probe", 1, True),
        ("ready", 0, True),
    ]
    assert (document["state"], document["verdict"], document["in_flight"]) == ("READY", "passed", 2)
    assert (document["loader"], document["signature"]) == ("mlflow.sklearn", {"inputs": []})
    status.begin()
    assert (status.state, status.verdict, status.signature) == ("LOADING", None, None)


def test_a_failure_stops_the_clock() -> None:
    now = [0.0]
    status = Status("m", "1", "unix:/s", clock=lambda: now[0])
    status.report({"state": "LOADING"})
    status.fail({"cause": "load failed", "message": "m", "hint": "h"}, ["last"])
    now[0] = 5
    assert status.phases()[-1] == {"name": "load", "seconds": 0, "done": False}
    assert status.document(0)["failure"] == {"cause": "load failed", "message": "m", "hint": "h", "log_tail": ["last"]}


@pytest.mark.parametrize(
    ("code", "grown", "cause", "words"),
    [
        (-9, True, Cause.OUT_OF_MEMORY, "memory ran out"),
        (-9, False, Cause.CRASHED, "crashed (signal 9)"),
        (-11, False, Cause.CRASHED, "signal 11"),
        (75, False, Cause.CRASHED, "longer than"),
        (3, False, Cause.CRASHED, "exit code 3"),
    ],
)
def test_an_exit_is_explained(code: int, grown: bool, cause: Cause, words: str) -> None:
    now = oom_kills()
    before = None if now is None else now - grown
    if grown and now is None:
        pytest.skip("this machine does not count out-of-memory kills")
    found = explain_exit(code, before)
    assert (Cause(found["cause"]), words in found["message"]) == (cause, True)


@pytest.mark.req("REQ-010", "REQ-140")
def test_secrets_and_startup_hooks_are_not_inherited() -> None:
    inherited = dict.fromkeys(
        [
            "MODELSERVE_HOME",
            "MLFLOW_TRACKING_URI",
            "DATABRICKS_HOST",
            "A_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "DB_PASSWORD",
            "PYTHONPATH",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONSTARTUP",
            "JUPYTERHUB_API_TOKEN",
            "my_api_key",
            "PATH",
            "HOME",
            "LANG",
        ],
        "x",
    )
    found = worker_environ(inherited, {"HOME": "/y", "MY_TOKEN": "given"})
    assert {name for name in found if name in inherited} == {"PATH", "HOME", "LANG"}
    assert (found["HOME"], found["MY_TOKEN"]) == ("/y", "given")
    assert (found["OMP_NUM_THREADS"], found["MLFLOW_DISABLE_TELEMETRY"]) == ("1", "true")
    assert worker_environ({"OMP_NUM_THREADS": "2"}, {})["OMP_NUM_THREADS"] == "2"


GOOD_SPEC: dict[str, Any] = {"model": "m", "version": "1", "directory": "/d"}


def test_a_spec_has_defaults() -> None:
    spec = read_spec(json.dumps({**GOOD_SPEC, "later": 1}).encode())
    assert spec == {
        **GOOD_SPEC,
        "unknown_columns": "warn",
        "timeout": 120.0,
        "kill_grace": 10.0,
        "startup_budget": 600.0,
        "body_limit": 16777216,
        "json_depth": 64,
        "environ": {},
        "secrets": {},
        "concurrency": 1,
        "batching": None,
        "batch_rows": 1024,
        "direct": True,
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": None}, "model"),
        ({"timeout": "1"}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"body_limit": True}, "body_limit"),
        ({"unknown_columns": "drop"}, "unknown_columns"),
        ({"environ": {"a": 1}}, "environ"),
        ({"secrets": {"a": 1}}, "secrets"),
        ({"timeout": float("nan")}, "timeout"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read_spec(json.dumps({**GOOD_SPEC, **change}).encode())
    assert caught.value.field == field
    with pytest.raises(BadSpec):
        read_spec(b"[1")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[1]", JSON),
        (b" {", JSON),
        (b'"{}"', JSON),
        (b'"a","b"\n1,2', CSV),
        (b"a,b\n1,2", CSV),
        (b"1\n2", CSV),
        (b"PAR1....PAR1", PARQUET),
        (b"\xef\xbb\xbf[1]", JSON),
        (b"", JSON),
    ],
)
def test_a_body_without_a_type_is_looked_at(body: bytes, kind: str) -> None:
    assert sniff(body) == kind


def test_nested_integers_become_floats_where_declared() -> None:
    declared = {
        "type": "array",
        "items": {"type": "object", "properties": {"w": {"type": "double"}, "n": {"type": "long"}}},
    }
    value = conform([{"w": 1, "n": 1, "z": 1}, None], declared)
    assert json.dumps(value) == '[{"w": 1.0, "n": 1, "z": 1}, null]'
    assert conform(2**60, {"type": "double"}) == 2**60


def write_model(directory: Path, requirements: str = "", **content: Any) -> ModelFile:
    """An MLmodel file with the given content."""
    (directory / "MLmodel").write_text(json.dumps(content))
    if requirements:
        (directory / "requirements.txt").write_text(requirements)
    return ModelFile(str(directory))


@pytest.mark.req("REQ-035")
@pytest.mark.parametrize(
    ("requirements", "logged_with", "expected"),
    [
        ("mlflow==1.30.0\n", "3.1.0", True),
        ("mlflow==1.*", "3.1.0", True),
        ("mlflow<2,>=1.20", "3.1.0", True),
        ("mlflow<2.0", "2.0", True),
        ("mlflow-skinny==1.27", "", True),
        ("mlflow~=1.20", "", True),
        ("mlflow==2.9", "1.30", False),
        ("mlflow", "3.1", False),
        ("mlflow<=2.0", "3", False),
        ("mlflow<3", "2.9.0", False),
        ("mlflow>=1.0", "2.9.0", False),
        ("mlflow==10.1", "3", False),
        ("pandas\n", "1.30.0", True),
        ("mlflow-extra==1.0", "2.0", False),
        ("", "1.2.0", True),
        ("", "3.0.0", False),
    ],
)
def test_a_pin_on_the_first_mlflow_is_seen(tmp_path: Path, requirements: str, logged_with: str, expected: bool) -> None:
    assert write_model(tmp_path, requirements, mlflow_version=logged_with).is_first_generation is expected


def test_conda_requirements_count_as_well(tmp_path: Path) -> None:
    (tmp_path / "conda.yaml").write_text("dependencies:\n- python=3.8\n- pip:\n  - mlflow==1.28\n")
    assert write_model(tmp_path).is_first_generation


def test_signatures_of_all_ages_are_read(tmp_path: Path) -> None:
    inputs = [
        {"name": "a", "type": "double"},
        {"name": "b", "type": "long", "optional": True},
        {"name": "c", "type": "string", "required": False},
    ]
    found = write_model(tmp_path, signature={"inputs": json.dumps(inputs), "outputs": None})
    assert [(column.name, column.kind, column.required) for column in found.signature.columns] == [
        ("a", "double", True),
        ("b", "long", False),
        ("c", "string", False),
    ]
    assert found.raw_signature == {"inputs": inputs, "outputs": None, "params": None}
    assert not write_model(tmp_path).signature.has_inputs


@pytest.mark.parametrize(
    ("info", "content", "expected"),
    [
        (
            {"type": "dataframe", "pandas_orient": "split"},
            {"columns": ["a"], "data": [[1]]},
            {"dataframe_split": {"columns": ["a"], "data": [[1]]}},
        ),
        ({"type": "dataframe", "pandas_orient": "records"}, [{"a": 1}], {"dataframe_records": [{"a": 1}]}),
        ({"type": "ndarray"}, {"inputs": [[1]]}, {"inputs": [[1]]}),
        (
            {"type": "ndarray", "params": "true"},
            {"inputs": [[1]], "params": {"k": 1}},
            {"params": {"k": 1}, "inputs": [[1]]},
        ),
        ({"type": "json_object"}, ["a"], {"inputs": ["a"]}),
        ({"type": "sparse_matrix_csr"}, {"data": [1]}, None),
    ],
)
def test_examples_of_all_ages_become_requests(tmp_path: Path, info: Any, content: Any, expected: Any) -> None:
    (tmp_path / "input_example.json").write_text(json.dumps(content))
    model = write_model(tmp_path, saved_input_example_info={"artifact_path": "input_example.json", **info})
    found = probe.logged_example(model)
    assert (None if found is None else json.loads(found)) == expected


def test_loading_does_not_search_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow would look at every file of the environment, to warn of what it was chosen or built for."""
    from mlflow.utils import requirements_utils

    searched: list[str] = []
    models.save_iris(tmp_path / "m", pip_requirements=["scikit-learn==0.0.1"])
    # Raising would not be heard: MLflow catches whatever happens there.
    monkeypatch.setattr(requirements_utils, "_init_packages_to_modules_map", lambda: searched.append("all"))
    collects = gc.isenabled()
    assert len(loader.load(str(tmp_path / "m")).predict(models.iris()[0].head(2))) == 2
    assert (searched, gc.isenabled()) == ([], collects)


def test_an_example_outside_the_model_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("[1]")
    inner = tmp_path / "model"
    inner.mkdir()
    model = write_model(inner, saved_input_example_info={"artifact_path": "../secret.json", "type": "dataframe"})
    assert probe.logged_example(model) is None


@pytest.mark.req("REQ-050")
def test_a_missing_module_names_the_distribution(tmp_path: Path) -> None:
    found = failures.explain(ModuleNotFoundError("No module named 'cv2'", name="cv2"), str(tmp_path), Hider(()))
    assert Cause(found["cause"]) is Cause.MISSING_MODULE
    assert "opencv-python-headless" in found["hint"]
    (tmp_path / "code" / "mine").mkdir(parents=True)
    found = failures.explain(ModuleNotFoundError("no", name="mine.inner"), str(tmp_path), Hider(()))
    assert "code directory" in found["hint"]


def test_a_version_conflict_names_wanted_and_found(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==0.1\nunknown-thing==2\npandas\n")
    found = failures.explain(
        ValueError("numpy.dtype size changed, may indicate binary incompatibility"), str(tmp_path), Hider(())
    )
    assert Cause(found["cause"]) is Cause.VERSION_CONFLICT
    assert "numpy 0.1 is wanted" in found["message"]
    assert "unknown-thing 2 is wanted, not installed found" in found["message"]


def test_every_cause_is_one_of_the_contract() -> None:
    import inspect
    import re

    source = inspect.getsource(failures)
    named = set(re.findall(r'_failure\(\s*"([a-z -]+)"', source))
    assert named
    assert all(Cause(name) for name in named)
