"""The main job end to end, by papermill: the notebook that a stranger runs first, and how a magic fails there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from scripts import demo, docs_links
from tests.support.instance import RunningInstance

nbformat: Any = import_module("nbformat")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def execute(source: Path, target: Path, kernel: str, folder: Path, **parameters: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return papermill.execute_notebook(
            str(source), str(target), parameters=parameters, kernel_name=kernel, cwd=str(folder), progress_bar=False
        )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty working directory: the notebook may not depend on where it runs."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.mark.req("REQ-015", "REQ-016", "REQ-020", "REQ-031", "REQ-033", "REQ-036", "REQ-037", "REQ-151", "REQ-174")
@pytest.mark.timeout(600)
def test_the_quickstart(instance: RunningInstance, kernel: str, folder: Path, tmp_path: Path) -> None:
    done = execute(demo.NOTEBOOK, tmp_path / "out.ipynb", kernel, folder, model_name="quick.test-1", keep_serving=True)
    versions = demo.outputs(done, "version")
    assert [(each["name"], each["version"], each["aliases"]) for each in versions] == [
        ("quick.test-1", "1", ["Champion"]),
        ("quick.test-1", "2", []),
    ]
    assert all(["input", "petal width (cm)", "double", "yes"] in each["signature"] for each in versions)
    served = demo.outputs(done, "endpoint")[0]["endpoint"]
    assert (served["status"]["service"], served["status"]["versions"][0]["verdict"]) == ("READY", "passed")
    assert ", 0 failed; version 2 took over" in demo.printed(done, "move-check")
    listed = demo.outputs(done, "endpoints")[0]["endpoints"]
    assert [(each["version"], each["serving"]) for each in listed[0]["status"]["versions"]] == [("2", True)]
    line = demo.outputs(done, "snippet")[0]["content"]
    assert instance.token not in (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.startswith('{"predictions":')
    with instance.client() as client:
        client.delete_endpoint("quickstart")
        client.wait_gone("quickstart")


TUTORIAL = demo.ROOT / "docs" / "tutorial" / "quickstart.md"


def test_the_tutorial_as_it_is_written(instance: RunningInstance, kernel: str, folder: Path, tmp_path: Path) -> None:
    """Every block of the page is a cell; the second to last section stops what it has served."""
    blocks = docs_links.FENCE.findall(TUTORIAL.read_text(encoding="utf-8"))
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(block.strip()) for _, block in blocks]
    nbformat.write(notebook, str(tmp_path / "in.ipynb"))
    done = execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb", kernel, folder)
    (version,) = demo.outputs(done, "version")
    assert (version["name"], version["aliases"]) == ("iris", ["Champion"])
    (served,) = demo.outputs(done, "endpoint")
    assert served["endpoint"]["status"]["versions"][0]["verdict"] == "passed"
    asked = [cell for cell in done.cells if "%score" in cell.source]
    assert len(asked) == 2
    assert all("0" in json.dumps(cell.outputs[0]["data"]["text/plain"]) for cell in asked)
    assert "%stop iris" in done.cells[-1].source
    with instance.client() as client:
        client.wait_gone("iris")


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("%score nothing-here [[1]]", "NotFound", "no endpoint and no model is called 'nothing-here'"),
        ("%serve nothing-here@x", "NotFound", "nothing-here"),
        ("%register bad@name 3", "InvalidParameter", "holds one of / : @"),
    ],
)
def test_a_failing_magic_fails_the_notebook_in_one_line(
    instance: RunningInstance, kernel: str, folder: Path, tmp_path: Path, source: str, name: str, message: str
) -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(each) for each in ("%load_ext jupyter_modelserve", source)]
    nbformat.write(notebook, str(tmp_path / "in.ipynb"))
    with pytest.raises(PapermillExecutionError) as caught:
        execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb", kernel, folder)
    assert caught.value.ename == name
    assert message in caught.value.evalue
    written = nbformat.read(str(tmp_path / "out.ipynb"), 4)
    errors = [output for cell in written.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert len(errors) == 1
    assert len(errors[0].traceback) <= 2
    assert "Traceback" not in "".join(errors[0].traceback)


def test_the_notebook_is_clean() -> None:
    notebook = nbformat.read(str(demo.NOTEBOOK), 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]
    inspected = papermill.inspect_notebook(str(demo.NOTEBOOK))
    assert set(inspected) == {"model_name", "endpoint", "keep_serving"}
    assert all(each["help"] for each in inspected.values())


def test_a_failing_demo_says_so_in_one_line(tmp_path: Path) -> None:
    """Nothing answers at this address: exit code 1, one line, no traceback."""
    environ = os.environ | {"MODELSERVE_URL": "http://127.0.0.1:9", "MODELSERVE_TOKEN": "ms_none"}
    command = [sys.executable, str(demo.ROOT / "scripts" / "demo.py"), "--output", str(tmp_path / "out.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environ, check=False)
    assert done.returncode == 1
    failed = [line for line in done.stderr.splitlines() if line.startswith("demo failed: ")]
    assert len(failed) == 1
    assert "NotRunning" in failed[0]
    assert "http://127.0.0.1:9" in failed[0]
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out.ipynb").is_file()
