"""What the repository promises about itself: cheap import, one version, explained modules, no address of an index."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = {"mlflow", "pandas", "numpy", "docker", "sqlalchemy", "fastapi", "httpx", "tornado", "IPython", "pydantic"}


def modules() -> list[Path]:
    found = sorted((ROOT / "jupyter_modelserve").rglob("*.py"))
    return [path for path in found if "labextension" not in path.parts]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import jupyter_modelserve; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & HEAVY


def test_loading_the_server_extension_loads_no_model_library() -> None:
    code = "import sys, jupyter_modelserve as m; m._jupyter_server_extension_points(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(done.stdout.split()) & {"mlflow", "pandas", "docker", "sqlalchemy", "fastapi", "httpx"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_why_it_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), path


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_the_front_end_stays_small() -> None:
    # What a program wrote from the OpenAPI document grows with the API and is read by nobody.
    written = {path: path.read_text(encoding="utf-8") for path in (ROOT / "labextension" / "src").rglob("*.ts*")}
    long = {
        path.name: count
        for path, text in written.items()
        if "Written by scripts/docs.py" not in text and (count := len(text.splitlines())) > 400
    }
    assert not long


def test_the_version_has_one_source() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", json.loads((ROOT / "labextension" / "package.json").read_text())["version"])


@pytest.mark.parametrize("name", ["constraints.txt", "labextension/yarn.lock", "labextension/.yarnrc.yml"])
def test_locks_name_no_index(name: str) -> None:
    """A lock must work with whatever index the user's configuration names."""
    assert "://" not in re.sub(r"https?-proxy-agent", "", (ROOT / name).read_text(encoding="utf-8"))


def test_every_dependency_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {re.split(r"==", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)]
    names = {re.split(r"[\[<>=;]", each, maxsplit=1)[0].strip().lower().replace("_", "-") for each in wanted}
    assert not names - pinned - {"jupyter-modelserve"}


def test_make_help_lists_the_promised_targets() -> None:
    done = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=ROOT)
    for target in ("demo", "lab", "test", "check", "bench", "docs", "lock", "clean"):
        assert f"make {target} " in done.stdout
