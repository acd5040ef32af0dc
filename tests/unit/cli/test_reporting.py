"""What the instance is told of a run, also when it does not take all of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_modelserve.cli import reporting
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.traced import NotebookRun


class _Strict:
    """An instance that takes small results only."""

    def __init__(self) -> None:
        self.taken: list[NotebookRun] = []

    def __enter__(self) -> _Strict:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def report_notebook_run(self, run: NotebookRun) -> None:
        """Take it or not."""
        if len(str(run.records)) > 100 or len(str(run.parameters)) > 100:
            raise InvalidParameter("record less")
        self.taken.append(run)


def _run(**values: Any) -> Any:
    told = {"run": "5f0c", "notebook": "/n", "output": "/o", "state": "succeeded", "failed": None}
    return SimpleNamespace(**{**told, "parameters": {"a": 1}, "records": {}, **values})


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> _Strict:
    found = _Strict()
    monkeypatch.setattr(Client, "discover", lambda **_: found)
    return found


def test_results_that_are_too_many_do_not_hide_that_the_run_ended(strict: _Strict) -> None:
    refused = reporting.report(_run(records={"result": {"a": "x" * 200}}), 1, ended=True)
    assert refused == "record less"
    (told,) = strict.taken
    assert (told.state, told.parameters, told.records) == ("succeeded", {"a": 1}, {})


def test_what_fits_is_told_whole_and_what_never_fits_is_not_told(strict: _Strict) -> None:
    assert reporting.report(_run(records={"result": {"a": 1}}), 1, ended=True) == ""
    assert reporting.report(_run(parameters={"a": "x" * 200}), 1, ended=False) == "record less"
    assert [each.records for each in strict.taken] == [{"result": {"a": 1}}]
