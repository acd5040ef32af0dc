"""What the dashboards know about the page that Voila shows them on: its query, and the way to the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode

from jupyter_modelserve.client.display import escape

MONITOR: Final = "serving_monitor"
FORM: Final = "scoring_form"
REGISTRY: Final = "registry_browser"
_TITLES: Final = {MONITOR: "Serving", REGISTRY: "Registry", FORM: "Try a model"}
_THEME: Final = "theme"


def asked(name: str) -> str:
    """The value of *name* in the page's query; empty without."""
    return parse_qs(os.environ.get("QUERY_STRING", "")).get(name, [""])[0]


def link(page: str, text: str, **query: str) -> str:
    """A link to another dashboard as HTML; *text* alone in a notebook, or where the other page is not."""
    if not is_linked(page):
        return escape(text)
    theme = {_THEME: asked(_THEME)} if asked(_THEME) else {}
    wanted = urlencode({**query, **theme})
    return f'<a href="{escape(page)}.ipynb{"?" + escape(wanted) if wanted else ""}">{escape(text)}</a>'


def is_linked(page: str) -> bool:
    """Whether Voila shows this page, and *page* lies beside it (a kernel's folder is that of its notebook)."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/") and Path(f"{page}.ipynb").is_file()


def navigation(here: str) -> str:
    """Links to the other dashboards; empty in a notebook."""
    others = [page for page in _TITLES if page != here and is_linked(page)]
    if not others:
        return ""
    shown = [
        f'<b aria-current="page">{escape(title)}</b>' if page == here else link(page, title)
        for page, title in _TITLES.items()
        if page == here or page in others
    ]
    return f'<nav class="ms-nav" aria-label="Dashboards">{"".join(shown)}</nav>'
