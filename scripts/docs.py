"""Regenerates every page that is written from the code: ``python scripts/docs.py``.

``--check`` writes nothing and ends with 1 when a page differs from what the code says.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PAGES = {
    "docs/reference/settings.md": "scripts.docs_tables:settings",
    "docs/reference/addresses.md": "scripts.docs_tables:addresses",
    "docs/reference/errors.md": "scripts.docs_tables:errors",
    "docs/reference/states.md": "scripts.docs_states:render",
    "docs/reference/requirements.md": "scripts.docs_tables:requirements",
    "docs/reference/permissions.md": "scripts.docs_governance:render",
    "docs/reference/rest-api.md": "scripts.docs_api:render",
    "docs/reference/cli.md": "scripts.docs_cli:render",
    "docs/reference/magics.md": "scripts.docs_magics:render",
    "docs/explanation/comparison.md": "scripts.docs_comparison:render",
    "labextension/src/api.ts": "scripts.docs_types:render",
}
"""Page to the module and the function in it that returns the page's text."""


def render(page: str) -> str:
    """The text that *page* must have."""
    module, _, function = PAGES[page].partition(":")
    made: Callable[[], str] = getattr(importlib.import_module(module), function)
    return made()


def stale() -> list[str]:
    """Pages that are missing or differ from the code."""
    return [page for page in PAGES if not (ROOT / page).is_file() or (ROOT / page).read_text("utf-8") != render(page)]


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with ``--check`` only compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a page differs")
    options = parser.parse_args(arguments)
    different = stale()
    for page in different:
        if options.check:
            print(f"{page} differs from the code; run: make docs", file=sys.stderr)
        else:
            (ROOT / page).write_text(render(page), encoding="utf-8")
            print(f"wrote {page}")
    return 1 if options.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
