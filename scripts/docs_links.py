"""Finds links that lead nowhere, in pages and in the texts of notebooks: ``python scripts/docs_links.py``.

Files, folders, anchors and pictures of this repository are looked up; addresses of other sites are not asked.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

ROOT: Final = Path(__file__).resolve().parents[1]
FENCE: Final = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`[^`\n]+`")
_LINKS: Final = (
    re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)"),
    re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE),
    re.compile(r"<(?:a|img)\s[^>]*?(?:href|src)=\"([^\"]+)\""),
)
_ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def pages(root: Path = ROOT) -> list[Path]:
    """Every page and notebook that people read."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "notebooks").rglob("*.ipynb")]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def prose(path: Path) -> str:
    """A page without its blocks of code; of a notebook the cells with text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [each for each in json.loads(text)["cells"] if each["cell_type"] == "markdown"]
        text = "\n\n".join("".join(each["source"]) for each in cells)
    return FENCE.sub("", text)


def links(path: Path) -> list[str]:
    """Where a page leads to, as it is written."""
    text = prose(path)
    # A title may be written as code, [`so`](there), hence only code that holds a link of its own is left out.
    text = _CODE.sub(lambda found: "" if "](" in found.group() else found.group(), text)
    return [link for pattern in _LINKS for link in pattern.findall(text)]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub, GitLab and JupyterLab make of a page's titles."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+?)\s*$", prose(path), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        plain = re.sub(r"[^\w -]", "", text).replace(" ", "-")
        same = [f"{plain}-{number}" if number else plain for number in range(len(found) + 1)]
        found.add(next(each for each in same if each not in found))
    return found


def problems(path: Path, root: Path = ROOT) -> Iterator[str]:
    """What is wrong with the links of one page, a sentence each."""
    for link in links(path):
        if _ELSEWHERE.match(link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.is_relative_to(root):
            yield f"{link} leads out of the repository"
        elif not target.exists():
            yield f"{link}: there is no {target.relative_to(root)}"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{link}: {target.relative_to(root)} has no title #{anchor}"


def unused(root: Path = ROOT) -> list[Path]:
    """Pictures that no page shows."""
    shown = {(path.parent / unquote(link)).resolve() for path in pages(root) for link in links(path)}
    pictures = [path for path in (root / "docs").rglob("*") if path.suffix in {".png", ".svg", ".jpg", ".gif"}]
    return sorted(path for path in pictures if path.resolve() not in shown)


def main() -> int:
    """Say what is wrong; 1 when something is."""
    found = [f"{path.relative_to(ROOT)}: {problem}" for path in pages() for problem in problems(path)]
    found += [f"{path.relative_to(ROOT)}: no page shows this picture" for path in unused()]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
