"""The replica runs in the model's interpreter: its syntax is Python 3.8's, and its own parts need nothing installed."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jupyter_modelserve

PACKAGE = Path(jupyter_modelserve.__file__).parent / "replica"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LAZY = {"numpy", "pandas", "yaml", "mlflow", "mlflow.pyfunc", "sklearn", "sklearn.linear_model"}
IMPORT_ALL = """
import importlib, importlib.util, json, sys
where = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "modelserve_replica", where + "/__init__.py", submodule_search_locations=[where]
)
package = importlib.util.module_from_spec(spec)
sys.modules["modelserve_replica"] = package
spec.loader.exec_module(package)
for name in json.loads(sys.argv[2]):
    importlib.import_module("modelserve_replica." + name)
from modelserve_replica.worker.body import read_json, decode
from modelserve_replica.worker.dialects import recognise
from modelserve_replica.wire import parse_head
text = decode(b'{"input_data": [[1]\\n[2]]}', None, True)
document, warnings = read_json(text, 64)
found = recognise(document, None, lambda name: None)
print(json.dumps([found.name, len(warnings), parse_head(b"GET / HTTP/1.1").method]))
print(json.dumps(sorted(set(sys.modules) & {"numpy", "pandas", "yaml", "mlflow"})))
"""


def interpreters() -> list[str]:
    """Other Pythons: those of MODELSERVE_TEST_PYTHONS and those on PATH by their version's name."""
    named = os.environ.get("MODELSERVE_TEST_PYTHONS", "").split(os.pathsep)
    on_path = [shutil.which(f"python3.{minor}") or "" for minor in range(8, 20)]
    return [python for python in dict.fromkeys([sys.executable, *named, *on_path]) if python]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_syntax_is_that_of_python_3_8(source: Path) -> None:
    ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_standard_library_is_imported(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module)]
        else:
            continue
        for name in names:
            assert name.partition(".")[0] in sys.stdlib_module_names, f"{source}: {name}"
    asked = set(re.findall(r"library\(\"([\w.]+)\"\)", source.read_text(encoding="utf-8")))
    assert asked <= LAZY


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: Path(python).name)
def test_the_parts_without_a_model_run_under_every_python_found(python: str) -> None:
    probe = [python, "-c", "import sys; print(int(sys.version_info >= (3, 8)))"]
    version = subprocess.run(probe, capture_output=True, text=True, check=False, timeout=60)
    if version.stdout.strip() != "1":
        pytest.skip(f"{python} is no Python from 3.8 on")
    modules = [
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in SOURCES if not path.name.startswith("__")
    ]
    command = [python, "-I", "-c", IMPORT_ALL, str(PACKAGE), json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [["azure-tensor", 1, "GET"], []]
