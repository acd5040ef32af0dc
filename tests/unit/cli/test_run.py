"""What ``run`` refuses before papermill is even imported: exit code 2, one line, nothing written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from jupyter_modelserve.cli import main

PARAMETERS = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["day = open('x')\n"], "outputs": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("no JSON", "is no notebook"),
        ("{}", "is no notebook"),
        ("[]", "is no notebook"),
        (json.dumps({"cells": [PARAMETERS]}), "parameter day has no literal as its default (line 1)"),
    ],
)
def test_what_cannot_be_run_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)  # importing it would fail
    source = tmp_path / "n.ipynb"
    if content is not None:
        source.write_text(content)
    assert main(["run", str(source), "-o", str(tmp_path / "out" / "x.ipynb")]) == 2
    written = capsys.readouterr()
    assert message in written.err
    assert (written.err.count("\n"), written.out) == (1, "")
    assert not (tmp_path / "out").exists()
