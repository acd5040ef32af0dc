"""The stamp of a run: into MLflow's variable and out of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_modelserve.authoring import connection, stamp
from jupyter_modelserve.plugins.run_context import NotebookContext


def test_tags_go_through_the_variable_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stamp.VARIABLE, '{"team": "risk"}')
    found = stamp.tags("/a/nightly.ipynb", "/b/out.ipynb", "1f", {"rows": 5})
    monkeypatch.setenv(stamp.VARIABLE, stamp.variable(found))
    assert stamp.current() == found
    assert connection.notebook_name() == "nightly"

    from mlflow.tracking.context.registry import resolve_tags

    assert {**found, "team": "risk"}.items() <= resolve_tags().items()


@pytest.mark.parametrize("text", ["", "no JSON", "[1]"])
def test_a_foreign_value_is_no_stamp(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(stamp.VARIABLE, text)
    assert stamp.current() == {}


def test_long_parameters_become_a_digest() -> None:
    found = json.loads(stamp.tags("/a", "/b", "1", {"text": "x" * 6000})[stamp.PARAMETERS])
    assert set(found) == {"sha256", "names"}


class Kernel:
    """A shell in its third cell, as ipykernel has it; JupyterLab names the cell."""

    history_manager = SimpleNamespace(input_hist_parsed=["", "1", "2", "3"])

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.kernel = SimpleNamespace(get_parent=lambda _: {"metadata": metadata})


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (stamp.VARIABLE, "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(stamp, "kernel", lambda: Kernel({"cellId": "ab-cd"}))
    monkeypatch.setattr(stamp, "_namespace", dict)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("shell")
def test_a_run_in_a_kernel_knows_notebook_and_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NotebookContext().in_context()
    assert NotebookContext().tags() == {}  # a console: no notebook, so its cells mean nothing
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/iris.ipynb")
    cell = {stamp.CELL: "3", stamp.CELL_ID: "ab-cd"}
    assert NotebookContext().tags() == {stamp.NOTEBOOK: "/home/me/iris.ipynb", **cell}
    given = stamp.tags("/a/nightly.ipynb", "/b/out.ipynb", "1f", {})
    monkeypatch.setenv(stamp.VARIABLE, stamp.variable(given))
    assert NotebookContext().tags() == {**given, **cell}
    monkeypatch.setattr(stamp, "kernel", lambda: Kernel({}))
    assert stamp.CELL_ID not in stamp.here()


@pytest.mark.usefixtures("shell")
def test_a_job_of_jupyter_scheduler_is_a_run_of_the_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job = tmp_path / "scheduler_staging_area" / "ceda6441"
    job.mkdir(parents=True)
    monkeypatch.chdir(job)
    assert stamp.here() == {}
    (job / "train.ipynb").touch()
    assert stamp.here().items() >= {stamp.NOTEBOOK: "train.ipynb", stamp.RUN: "ceda6441"}.items()


def test_outside_of_a_kernel_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(stamp.VARIABLE, raising=False)
    assert not NotebookContext().in_context()
    assert stamp.here() == {}
