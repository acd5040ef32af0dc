"""Records of a notebook: what goes in comes out, and what JSON cannot hold is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jupyter_modelserve as ms
from jupyter_modelserve.client.display import MIME
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import Selector, SelectorKind


def executed(path: Path, *shown: Any) -> Path:
    outputs = [{"output_type": "execute_result", "data": each._repr_mimebundle_()} for each in shown]
    outputs.append({"output_type": "stream", "text": "words"})
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": []}, {"outputs": outputs}]}))
    return path


def test_what_is_recorded_can_be_read_from_the_output(tmp_path: Path) -> None:
    selector = Selector(SelectorKind.ALIAS, "Champion")
    values = {"a": np.float64(1.5), "b": np.array([1, 2]), "c": {"d": [None, True]}, "e": selector}
    path = executed(tmp_path / "out.ipynb", ms.record(**values), ms.record("more", x=1), ms.record("more", x=2))
    expected = {"a": 1.5, "b": [1, 2], "c": {"d": [None, True]}, "e": {"kind": "alias", "value": "Champion"}}
    assert ms.recorded(path) == {"result": expected, "more": {"x": 2}}


def test_it_shows_text_and_escaped_html() -> None:
    shown = ms.record("x", value="<script>")._repr_mimebundle_()
    assert "<script>" not in shown["text/html"]
    assert shown[MIME] == {"schema": 1, "kind": "record", "name": "x", "values": {"value": "<script>"}}


@pytest.mark.parametrize(
    ("value", "message"), [(float("nan"), r"a\.b is nan"), (object(), r"a\.b is a object"), ([np.inf], r"a\.b\[0\]")]
)
def test_what_json_cannot_hold_is_named(value: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        ms.record(a={"b": value})


def test_files_that_hold_no_records(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        ms.recorded(tmp_path / "none.ipynb")
    (tmp_path / "bad.ipynb").write_text("{}")
    with pytest.raises(InvalidParameter, match="no notebook"):
        ms.recorded(tmp_path / "bad.ipynb")
