"""The reference page of the magics is what the code says."""

from __future__ import annotations

from scripts import docs_magics


def test_the_page_is_current() -> None:
    assert docs_magics.PAGE.read_text(encoding="utf-8") == docs_magics.render(), "run python scripts/docs_magics.py"


def test_every_magic_is_described() -> None:
    page = docs_magics.render()
    for name in ("register", "serve", "score", "models", "endpoints", "logs", "stop", "modelserve"):
        assert f"\n## %{name}\n" in page
