"""What hand-written pages claim about files, commands, magics and variables holds."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest

from jupyter_modelserve.cli.parser import build
from jupyter_modelserve.magics.arguments import parse_argstring
from jupyter_modelserve.magics.core import ModelServeMagics
from jupyter_modelserve.settings import Settings
from scripts import docs, docs_links
from scripts.docs_links import FENCE

ROOT = Path(__file__).resolve().parents[3]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
EVERY = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def test_every_page_can_be_found_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in docs_links.links(index)}
    wanted = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    assert {path for path in wanted if path != index} - linked == set()


@EVERY
def test_blocks_of_code_are_valid(path: Path) -> None:
    for language, block in FENCE.findall(path.read_text(encoding="utf-8")):
        if language == "python":
            ast.parse(re.sub(r"^%.*$", "", block, flags=re.MULTILINE))
        elif language == "json":
            json.loads(block)


@EVERY
def test_magics_are_typed_right(path: Path) -> None:
    """Every line with a magic in a block parses with the magic's own parser; magics.md shows usages instead."""
    if str(path.relative_to(ROOT)) in docs.PAGES:
        return
    for _, block in FENCE.findall(path.read_text(encoding="utf-8")):
        for name, line in re.findall(r"^%(\w+) ?(.*)$", block, re.MULTILINE):
            if name == "load_ext":
                assert line == "jupyter_modelserve"
            else:
                assert name in ModelServeMagics.magics["line"], name
                magic = getattr(ModelServeMagics, ModelServeMagics.magics["line"][name])
                assert not line or hasattr(magic, "parser"), f"%{name} takes no arguments"
                if line:
                    parse_argstring(magic, line)


@EVERY
def test_commands_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if str(path.relative_to(ROOT)) in docs.PAGES:
        return
    for line in re.findall(r"jupyter modelserve ((?:[a-z]+)(?:[ ][^\s`)|&,;]+|[ ]\"[^\"]*\")*)", _commands_of(text)):
        words = shlex.split(re.sub(r"<\w+>|\bN\b", "1", line))
        build().parse_args(words)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def _commands_of(text: str) -> str:
    """Blocks for a shell and inline code, one piece a line."""
    blocks = [block for language, block in FENCE.findall(text) if language == "bash"]
    inline = re.findall(r"`(jupyter modelserve [^`\n|]+)`", FENCE.sub("", text))
    return "\n".join([*blocks, *inline])


@EVERY
def test_variables_exist(path: Path) -> None:
    known = {f"MODELSERVE_{each.name.upper()}" for each in dataclasses.fields(Settings)}
    known |= {f"MODELSERVE_{name}" for name in ("HOME", "URL", "TOKEN", "TOKEN_FILE")}
    used = set(re.findall(r"\bMODELSERVE_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
    assert used <= known


@EVERY
def test_nothing_of_one_machine_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(root|home|work)/\w|\.pyenv/|pypi\.org|files\.pythonhosted", text)


def test_the_readme_starts_with_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = next(block for language, block in FENCE.findall(text) if language == "bash")
    assert [line.partition("#")[0].strip() for line in first.strip().splitlines()] == ["make demo", "make test"]
    assert "isolates nothing" in text
