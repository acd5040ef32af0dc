"""The magics: what a line becomes, what it returns, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from IPython.core.error import UsageError

from jupyter_modelserve.client.results import EndpointList, ModelList, ServedEndpoint, Text
from jupyter_modelserve.magics.failure import MagicFailure
from jupyter_modelserve.types import ServiceState, UpdateState, VersionState
from tests.unit.client.samples import TOKEN, Instance, endpoint, version_status

MAGICS = ("register", "serve", "score", "models", "endpoints", "logs", "stop", "modelserve")


def run(shell: Any, line: str) -> Any:
    """Run a line magic; exceptions come through."""
    name, _, rest = line.removeprefix("%").partition(" ")
    return shell.run_line_magic(name, rest)


def sent(instance: Instance) -> Any:
    return json.loads(instance.requests[-1].content)


def test_load_and_unload(shell: Any) -> None:
    assert all(shell.find_line_magic(name) for name in MAGICS)
    assert shell.find_cell_magic("score")
    shell.run_line_magic("unload_ext", "jupyter_modelserve")
    assert not any(shell.find_line_magic(name) for name in MAGICS)
    assert not any(
        "modelserve" in str(getattr(each, "matcher_identifier", "")) for each in shell.Completer.custom_matchers
    )
    shell.run_line_magic("load_ext", "jupyter_modelserve")


def test_lists_logs_and_stop(shell: Any) -> None:
    assert isinstance(run(shell, "%models"), ModelList)
    assert isinstance(run(shell, "%endpoints"), EndpointList)
    assert str(run(shell, "%logs iris -n 5")) == "line of 1"
    assert str(run(shell, "%logs iris --merged")) == "line of all"
    assert isinstance(run(shell, "%stop iris"), Text)


def test_serve(shell: Any, instance: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = endpoint("mine", ServiceState.PENDING, UpdateState.IN_PROGRESS, versions=())
    instance.statuses = [waiting, waiting, waiting, endpoint("mine")]
    served = run(shell, "%serve iris@Champion --name mine --size large --timeout 20")
    assert isinstance(served, ServedEndpoint)
    put = next(each for each in instance.requests if each.method == "PUT")
    assert put.url.path.endswith("/endpoints/mine")
    assert json.loads(put.content)["entities"][0]["workload_size"] == "Large"
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "mine: pending, in progress",
        "mine: ready, not updating · iris/1 ready",
    ]


def test_serve_no_wait(shell: Any, instance: Instance) -> None:
    run(shell, "%serve iris --no-wait")
    assert [each.method for each in instance.requests] == ["PUT"]


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("%score iris df", {"dataframe_split": {"columns": ["a", "b c"], "data": [[1, 2]]}}),
        ("%score iris df[['b c']]", {"dataframe_split": {"columns": ["b c"], "data": [[2]]}}),
        ("%score iris@Champion array", {"inputs": [[1, 2]]}),
        ("%score iris [1, 2]", {"inputs": [1, 2]}),
        ("%score --params settings iris array", {"inputs": [[1, 2]], "params": {"t": 1}}),
        ("%score iris -o answer array", {"inputs": [[1, 2]]}),
    ],
)
@pytest.mark.req("REQ-033")
def test_score_data(shell: Any, instance: Instance, line: str, body: Any) -> None:
    shell.user_ns.update(df=pd.DataFrame({"a": [1], "b c": [2]}), array=np.array([[1, 2]]), settings={"t": 1})
    run(shell, line)
    assert sent(instance) == body


def test_score_files(shell: Any, instance: Instance, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.json").write_text('[{"a": 1}]')
    for name in ("x.csv", "x.parquet"):
        run(shell, f"%score iris {tmp_path / name}")
        assert sent(instance) == {"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}
    run(shell, f"%score iris {tmp_path / 'x.json'}")
    assert sent(instance) == {"dataframe_records": [{"a": 1}]}


def test_score_stores_in_a_variable(shell: Any) -> None:
    assert run(shell, "%score iris [[1]] -o answer") is None
    assert shell.user_ns["answer"].tolist() == [0]


def test_variables_are_expanded(shell: Any, instance: Instance) -> None:
    shell.user_ns.update(name="iris", alias="Champion")
    assert shell.run_cell("%score {name}@$alias [[1]]").success
    assert instance.requests[-1].url.path == "/model/iris/Champion/invocations"


@pytest.mark.parametrize(
    ("line", "cell", "content_type"),
    [
        ("iris", '[{"a": 1}]', "application/json"),
        ("iris", "a,b\n1,2\n", "text/csv"),
        ("iris --format pandas-split", '{"columns": ["a"], "data": [[1]]}', "application/json; format=pandas-split"),
    ],
)
@pytest.mark.req("REQ-031")
def test_a_cell_is_sent_as_it_is(shell: Any, instance: Instance, line: str, cell: str, content_type: str) -> None:
    instance.predict = lambda body: [1]
    assert shell.run_cell_magic("score", line, cell).tolist() == [1]
    assert instance.requests[-1].content == cell.encode()
    assert instance.requests[-1].headers["content-type"] == content_type


@pytest.mark.req("REQ-042")
def test_snippets(shell: Any) -> None:
    for language in ("curl", "python", "powerbi"):
        text = str(run(shell, f"%score iris@Champion --as {language}"))
        assert "/model/iris/Champion/invocations" in text
        assert TOKEN not in text


@pytest.mark.parametrize(
    "line",
    [
        "%serve",
        "%serve iris --size huge",
        "%score iris",
        "%score iris nothing",
        "%score iris missing.csv",
        "%score iris a b",
        "%score iris [1] --as cobol",
        "%models extra",
        "%register iris nothing",
        "%register iris [1] --tag novalue",
        "%logs iris -n many",
    ],
)
def test_bad_arguments_are_usage_errors(shell: Any, line: str) -> None:
    with pytest.raises(UsageError):
        run(shell, line)


def test_failures_are_one_line_with_the_right_name(shell: Any) -> None:
    with pytest.raises(MagicFailure) as caught:
        run(shell, "%stop nothing")
    assert type(caught.value).__name__ == "NotFound"
    assert caught.value._render_traceback_() == ["NotFound: endpoint 'nothing' does not exist"]


def test_a_failed_version_shows_cause_and_hint(shell: Any, instance: Instance) -> None:
    failed = (version_status("1", VersionState.FAILED),)
    instance.statuses = [endpoint("iris", ServiceState.FAILED, UpdateState.UPDATE_FAILED, versions=failed)]
    with pytest.raises(MagicFailure) as caught:
        run(shell, "%serve iris@Champion")
    assert caught.value._render_traceback_() == [
        "ServingFailed: endpoint iris: iris version 1 failed: missing module: no module named x",
        "hint: add x",
    ]


def test_an_interrupt_leaves_the_endpoint(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jupyter_modelserve.client.verbs.serve", interrupt)
    with pytest.raises(MagicFailure, match="goes on starting") as caught:
        run(shell, "%serve iris")
    assert type(caught.value).__name__ == "KeyboardInterrupt"


def test_register_passes_everything_on(shell: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import jupyter_modelserve.authoring.register as module

    seen: dict[str, Any] = {}
    monkeypatch.setattr(module, "register", lambda model, name, **rest: seen.update(model=model, name=name, **rest))
    shell.user_ns.update(fitted=object(), X=pd.DataFrame({"a": [1]}), scores={"accuracy": 1.0})
    run(
        shell,
        "%register a.b.c fitted --alias One --alias Two --example X --dataset X --tag k=v --tag 'l=m n' "
        "--description 'two words' --metrics scores --requirement tqdm",
    )
    assert (seen["model"], seen["name"], seen["alias"]) == (shell.user_ns["fitted"], "a.b.c", ["One", "Two"])
    assert (seen["tags"], seen["description"]) == ({"k": "v", "l": "m n"}, "two words")
    assert seen["input_example"] is shell.user_ns["X"]
    assert seen["metrics"] == {"accuracy": 1.0}
    assert seen["extra_pip_requirements"] == ["tqdm"]
    run(shell, "%register iris runs:/1/model")
    assert seen["model"] == "runs:/1/model"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "fitted").mkdir(parents=True)
    run(shell, "%register iris models/fitted")
    assert seen["model"] == "models/fitted"
    (tmp_path / "fitted").mkdir()
    run(shell, "%register iris fitted")
    assert seen["model"] is shell.user_ns["fitted"], "a variable comes before a folder"
    run(shell, "%register iris")
    assert seen["model"] is None


def test_help_shows_the_usage(shell: Any) -> None:
    assert "--no-wait" in shell.find_line_magic("serve").__doc__
