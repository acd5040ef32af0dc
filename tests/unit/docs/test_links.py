"""No link leads nowhere, and ``make docs`` would say so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import docs_links

PAGES = docs_links.pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(docs_links.ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert list(docs_links.problems(path)) == []


def test_pictures_are_shown() -> None:
    assert docs_links.unused() == []


def test_the_command_fails_on_a_broken_link(tmp_path: Path) -> None:
    """As ``make docs`` calls it, on a copy with one page and one notebook."""
    for folder in ("scripts", "docs", "notebooks"):
        (tmp_path / folder).mkdir()
    script = tmp_path / "scripts" / "docs_links.py"
    script.write_text((docs_links.ROOT / "scripts" / "docs_links.py").read_text(encoding="utf-8"), encoding="utf-8")
    page = tmp_path / "docs" / "a.md"
    page.write_text("# One\n## `two` things\n[x](#two-things) [y](../README.md#top)\n```\n[z](none)\n```\n")
    (tmp_path / "README.md").write_text("# Top\n# Top\n[a](docs/a.md) [b](#top-1) https://example.org/none\n")
    done = run(script)
    assert (done.returncode, done.stderr) == (0, "")
    page.write_text('[x](#two) ![p](none.png) <img src="q.png"> [o](../../etc)\n\n[r]: gone.md\n')
    cell = {"cell_type": "markdown", "metadata": {}, "source": ["[n](../docs/", "b.md)"]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "notebooks" / "n.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "docs" / "lone.png").write_bytes(b"")
    done = run(script)
    assert done.returncode == 1
    assert sorted(done.stderr.splitlines()) == [
        "docs/a.md: #two: docs/a.md has no title #two",
        "docs/a.md: ../../etc leads out of the repository",
        "docs/a.md: gone.md: there is no docs/gone.md",
        "docs/a.md: none.png: there is no docs/none.png",
        "docs/a.md: q.png: there is no docs/q.png",
        "docs/lone.png: no page shows this picture",
        "notebooks/n.ipynb: ../docs/b.md: there is no docs/b.md",
    ]


def run(script: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
