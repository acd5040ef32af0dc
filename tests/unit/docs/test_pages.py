"""Everything a user can set, call, type or meet is documented, and pages written from the code are fresh."""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_modelserve.addresses import API, TABLE, Owner, Rule
from jupyter_modelserve.cli.parser import build
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.magics.core import ModelServeMagics
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    Cause,
    ReplicaState,
    SelectorKind,
    ServiceState,
    UpdateState,
    Verdict,
    VersionState,
    WorkloadSize,
)
from scripts import docs, docs_tables

ROOT = Path(__file__).resolve().parents[3]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def missing(words: Iterator[str] | list[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


@pytest.mark.parametrize("name", docs.PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    written = ROOT / name
    assert written.is_file(), f"{name} is missing; run: make docs"
    assert written.read_text(encoding="utf-8") == docs.render(name), f"{name} is stale; run: make docs"


def test_check_tells_a_stale_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    name = "docs/reference/settings.md"
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "PAGES", {name: docs.PAGES[name]})
    assert docs.stale() == [name]
    assert docs.main([]) == 0
    assert docs.stale() == []
    (tmp_path / name).write_text("old", encoding="utf-8")
    assert docs.stale() == [name]


def test_check_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "stale", lambda: ["docs/reference/settings.md"])
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert docs.main(["--check"]) == 1
    assert not list(tmp_path.iterdir())


def test_the_command_runs_by_itself() -> None:
    done = subprocess.run([sys.executable, "scripts/docs.py", "--help"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_setting_is_documented() -> None:
    fields = dataclasses.fields(Settings)
    assert all(each.metadata.get("doc") for each in fields)
    names = [word for each in fields for word in (f"`{each.name}`", f"`MODELSERVE_{each.name.upper()}`")]
    assert missing(names, page("reference/settings.md")) == []


def test_every_prefix_owner_and_rule_is_documented() -> None:
    text = page("reference/addresses.md")
    assert missing([f"| `{each.path}` | {each.owner.value} | {each.rule.value} |" for each in TABLE], text) == []
    assert set(docs_tables.OWNERS) == set(Owner)
    assert set(docs_tables.RULES) == set(Rule)


def test_every_route_is_documented() -> None:
    paths = create_app(None).openapi()["paths"]
    routes = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    public = [f"### {method} {path.removeprefix(API)}\n" for method, path in routes if path.startswith(f"{API}/")]
    private = [f"`{method} {path}" for method, path in routes if not path.startswith(f"{API}/")]
    assert missing(public, page("reference/rest-api.md")) == []
    assert missing(private, page("reference/internal-protocol.md")) == []


def test_every_error_is_documented() -> None:
    known = [cls for cls, _ in docs_tables.tree(ModelServeError)]
    assert all(cls.__doc__ for cls in known)
    rows = [f"`{cls.__name__}` | {cls.status} | `{cls.error_code}`" for cls in known]
    assert missing(rows, page("reference/errors.md")) == []


def test_every_error_code_in_the_code_is_documented() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "jupyter_modelserve").rglob("*.py")]
    codes = {code for text in sources for code in re.findall(r'error_code(?:: [^=]+)? = "([A-Z_]+)"', text)}
    assert "RESOURCE_DOES_NOT_EXIST" in codes
    assert missing(sorted(codes), page("reference/errors.md")) == []


def test_every_state_is_documented() -> None:
    states = [*ReplicaState, *VersionState, *ServiceState, *UpdateState, *Verdict]
    assert missing([f"| `{each}` |" for each in states], page("reference/states.md")) == []


def test_every_cause_has_a_remedy() -> None:
    text = page("how-to/troubleshooting.md")
    rows = dict(re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE))
    assert set(rows) == {each.value for each in Cause}
    assert all(len(remedy) > 10 for remedy in rows.values())


def test_selectors_and_sizes_are_documented() -> None:
    assert missing([f"| `{each}` |" for each in SelectorKind], page("explanation/architecture.md")) == []
    assert missing([each.value for each in WorkloadSize], page("how-to/serve-a-model.md")) == []


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield name
                yield from options(child)
        elif not isinstance(action, argparse._HelpAction):
            yield from action.option_strings or [str(action.dest)]


def test_every_command_and_option_is_documented() -> None:
    assert missing(options(build()), page("reference/cli.md")) == []


@pytest.mark.parametrize("name", ModelServeMagics.magics["line"])
def test_every_magic_and_option_is_documented(name: str) -> None:
    section = page("reference/magics.md").partition(f"\n## %{name}\n")[2].partition("\n## %")[0]
    assert section
    parser = getattr(getattr(ModelServeMagics, ModelServeMagics.magics["line"][name]), "parser", None)
    if parser is not None:
        assert missing(list(options(parser)), section) == []
