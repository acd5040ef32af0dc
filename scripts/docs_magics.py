"""Writes docs/reference/magics.md from the magics' own parsers; a test compares, so that the page cannot be stale."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "magics.md"
HEAD = """\
# Magics

Written by `scripts/docs_magics.py` from the code; do not edit.

Load them with `%load_ext jupyter_modelserve`. `%serve?` shows the help of a magic, TAB completes models, aliases,
endpoints and options, and `{expression}` or `$variable` is replaced before a line is read. Each magic is a thin line
over the Python API (`import jupyter_modelserve as ms; ms.serve(...)`) and returns its object.

Bad arguments are a `UsageError`. Everything else fails the cell with one line and a hint, under papermill as well.
"""


def describe(name: str, function: Any) -> str:
    """The section of one magic: its first line of documentation, its usage, and a table of its arguments."""
    parser: argparse.ArgumentParser | None = getattr(function, "parser", None)
    text = (getattr(function, "__func__", function).__doc__ or "").strip()
    if parser is None:
        return f"## %{name}\n\n{text}\n"
    summary = "\n".join(line.strip() for line in (parser.description or "").strip().splitlines())
    summary, _, example = summary.replace("%%%%", "%%").partition("\n\n")
    rows = "\n".join(row(action) for action in parser._actions)
    usage = "%" + " ".join(parser.format_usage().split()).partition("%")[2]
    example = f" Example: `{example.strip()}`." if example.strip() else ""
    return f"## %{name}\n\n{summary}{example}\n\n```\n{usage}\n```\n\n| argument | meaning |\n|---|---|\n{rows}\n"


def row(action: argparse.Action) -> str:
    """One argument as a table row."""
    name = ", ".join(action.option_strings) or str(action.dest)
    if action.option_strings and action.nargs != 0:
        name += " " + ("{" + ",".join(action.choices) + "}" if action.choices else str(action.dest).upper())
    return f"| `{name.replace('|', chr(92) + '|')}` | {(action.help or '').replace('%%', '%')} |"


def render() -> str:
    """The whole page."""
    sys.path.insert(0, str(ROOT))
    from jupyter_modelserve.magics.core import ModelServeMagics

    names = dict.fromkeys([*ModelServeMagics.magics["line"]])
    order = ["register", "check", "serve", "score", "models", "endpoints", "logs", "stop", "modelserve"]
    order += ["lineage", "alias", "promote", "catalogs", "grants", "why_denied"]
    functions = {name: getattr(ModelServeMagics, ModelServeMagics.magics["line"][name]) for name in names}
    return HEAD + "".join("\n" + describe(name, functions[name]) for name in sorted(functions, key=order.index))


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
