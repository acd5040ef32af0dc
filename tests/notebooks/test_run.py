"""``jupyter modelserve run`` as a schedule calls it: its exit codes, what it says, and the stamp on what it made."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.traced import NodeType, NotebookRunState
from tests.support.instance import RunningInstance

nbformat: Any = import_module("nbformat")

pytestmark = [pytest.mark.slow]

PARAMETERS = 'name = "stamped"  # str: the model\nfail = False\nrows: int = 3\n'
TRAIN = """\
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
import jupyter_modelserve as ms

%load_ext jupyter_modelserve
client = ms.connect(track=True)
model = LinearRegression().fit([[float(each)] for each in range(rows)], list(range(rows)))
data = ms.table(pd.DataFrame({"x": range(rows)}), name="training rows")
made = ms.register(model, name, input_example=np.array([[1.0]]), tags={"mine": "kept"}, dataset=data)
with mlflow.start_run(run_name="own") as own:
    pass
"""
CHECK = 'assert not fail, "it was told to fail"'
RESULT = "ms.record(version=made.version, run=made.run_id, own=own.info.run_id)"


def written(path: Path, *cells: str, heading: str = "") -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(each, id=f"cell-{number}") for number, each in enumerate(cells)]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    if heading:
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(f"## {heading}", id="text"))
    nbformat.write(notebook, str(path))
    return path


def run(kernel: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jupyter_modelserve.cli", "run", "--kernel", kernel, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False)


@pytest.mark.timeout(300)
def test_a_run_stamps_what_it_makes_and_leaves_the_notebook_alone(
    instance: RunningInstance, kernel: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "nightly.ipynb", PARAMETERS, TRAIN, CHECK, RESULT)
    before = source.read_bytes()
    done = run(kernel, tmp_path, str(source), "-p", "rows", "5", "-o", str(tmp_path / "out-{run}.ipynb"), "--json")
    assert done.returncode == 0, done.stderr
    assert source.read_bytes() == before
    found = json.loads(done.stdout)
    assert (found["state"], found["parameters"], found["failed"]) == ("succeeded", {"rows": 5}, None)
    assert found["output"] == str(tmp_path / f"out-{found['run']}.ipynb")
    expected = {
        "modelserve.notebook.path": str(source),
        "modelserve.notebook.output": found["output"],
        "modelserve.notebook.run": found["run"],
        "modelserve.notebook.parameters": '{"rows": 5}',
    }
    result = found["records"]["result"]
    with instance.client() as client:
        tags = client.model("stamped").versions[0].tags
    assert tags == {**expected, "mine": "kept"}
    for run_id in (result["run"], result["own"]):
        tags = tags_of(instance, run_id)
        assert expected.items() <= tags.items()
        assert tags["modelserve.notebook.cell"] == "3"  # the second cell runs after papermill's own
    assert instance.token not in Path(found["output"]).read_text(encoding="utf-8")
    traced(instance, source, found)


def traced(instance: RunningInstance, source: Path, found: dict[str, Any]) -> None:
    """The run is told to the instance, and is part of the lineage of what it made."""
    with instance.client() as client:
        told = client.notebook_runs()[0]
        graph = client.lineage("stamped", "1")
    assert (told.id, told.state, told.notebook, told.output) == (
        found["run"], NotebookRunState.SUCCEEDED, str(source), found["output"],
    )  # fmt: skip
    assert told.records == found["records"]
    names = {each.id: each.name for each in graph.nodes}
    edges = {(names[each.source], each.relation.value, names[each.target]) for each in graph.edges}
    execution = found["run"]
    assert {
        ("nightly.ipynb", "ran", execution),
        (execution, "wrote", Path(found["output"]).name),
        (execution, "tracked", "nightly"),
        ("training rows", "read", "nightly"),
        ("nightly", "logged", "stamped"),
        ("stamped", "registered", "stamped 1"),
    } <= edges
    data = next(each for each in graph.nodes if each.type is NodeType.DATASET)
    assert (data.facts["rows"], len(data.facts["content_sha256"])) == (5, 64)


def tags_of(instance: RunningInstance, run_id: str) -> dict[str, str]:
    import httpx

    address = f"{instance.url}/api/2.0/mlflow/runs/get"
    answer = httpx.get(address, params={"run_id": run_id}, headers=instance.headers, trust_env=False)
    return {each["key"]: each["value"] for each in answer.json()["run"]["data"]["tags"]}


def test_a_failing_cell_is_named(instance: RunningInstance, kernel: str, tmp_path: Path) -> None:
    source = written(tmp_path / "bad.ipynb", PARAMETERS, CHECK, "1 + 1", heading="Compare with the champion")
    done = run(kernel, tmp_path, str(source), "-p", "fail", "true", "-o", "out.ipynb")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: cell cell-1 (Compare with the champion) failed: AssertionError: it was told to fail; "
        f"see {tmp_path / 'out.ipynb'}"
    )
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out.ipynb").is_file()
    with instance.client() as client:
        told = client.notebook_runs()[0]
    assert (told.output, told.state) == (str(tmp_path / "out.ipynb"), NotebookRunState.FAILED)
    assert told.failed is not None
    assert (told.failed["cell"], told.failed["error"]) == ("cell-1", "AssertionError")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("import os; os._exit(3)", [], "the kernel died"),
        ("import time; time.sleep(600)", ["--timeout", "2s"], "no end after 2 s"),
    ],
)
def test_what_does_not_end_is_named(kernel: str, tmp_path: Path, source: str, options: list[str], message: str) -> None:
    path = written(tmp_path / "stuck.ipynb", PARAMETERS, source)
    done = run(kernel, tmp_path, str(path), "-o", "out.ipynb", *options)
    assert done.returncode == 1
    assert "error: cell cell-1" in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "nmae", "x"], "the notebook has no parameter nmae; did you mean name?"),
        (["-p", "rows", "many"], "parameter rows is 'many'; it takes a whole number"),
        (["-p", "rows", "1", "-p", "rows", "2"], "parameter rows is given twice"),
        (["-o", "here.ipynb"], "--output is the notebook itself"),
        (["-o", "{what}.ipynb"], "only {name}, {time} and {run} are replaced"),
    ],
)
def test_a_wrong_argument_runs_nothing(kernel: str, tmp_path: Path, arguments: list[str], message: str) -> None:
    source = written(tmp_path / "here.ipynb", PARAMETERS, "open('ran', 'w')")
    done = run(kernel, tmp_path, str(source), *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["here.ipynb", "jupyter"]


def test_an_unknown_kernel_is_named(kernel: str, tmp_path: Path) -> None:
    source = written(tmp_path / "here.ipynb", PARAMETERS, "1")
    done = run("nothing-like-it", tmp_path, str(source))
    assert done.returncode == 1
    assert "no kernel is called nothing-like-it" in done.stderr
