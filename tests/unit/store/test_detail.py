"""What the panel reads of a version: only what lies in its directory, and no failure for a damaged file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_modelserve.controller.registry.detail import LARGEST, read_detail
from jupyter_modelserve.types import ModelVersion

VERSION = ModelVersion("iris", "1", "None", "", "", "", 0)
MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {code: null}
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: null
"""


@pytest.mark.req("REQ-146")
def test_signature_example_and_requirements_are_read(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "requirements.txt").write_text("scikit-learn\n")
    (tmp_path / "serving_input_example.json").write_text(json.dumps({"inputs": [1]}))
    found = read_detail(VERSION, tmp_path)
    assert found.signature == {
        "inputs": [{"type": "double", "name": "x", "required": True}], "outputs": [], "params": [],
    }  # fmt: skip
    assert (found.example, found.requirements, found.problem) == ({"inputs": [1]}, "scikit-learn\n", "")
    assert (found.flavors, found.python_version, found.mlflow_version) == (("sklearn",), "3.11.7", "3.17.2")
    assert [each.path for each in found.files] == ["MLmodel", "requirements.txt", "serving_input_example.json"]


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("flavors: {secret: {}}")
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").symlink_to(tmp_path / "secret")
    found = read_detail(VERSION, model)
    assert (found.mlmodel, found.files) == ("", ())
    assert "missing" in found.problem


@pytest.mark.parametrize("text", ["{[", "just text", "signature: 7\nflavors: 3", "x" * (LARGEST + 1)])
def test_a_damaged_file_leaves_its_field_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    (tmp_path / "serving_input_example.json").write_text("{broken")
    found = read_detail(VERSION, tmp_path)
    assert (found.signature, found.example, found.flavors) == (None, None, ())
