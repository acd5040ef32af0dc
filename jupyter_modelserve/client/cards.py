"""The live card: what tells a front end that an output may be drawn as it is now, instead of as it was.

The output itself stays text and HTML, which is what a notebook keeps, nbconvert prints and a terminal shows. JupyterLab
with our panel draws the card from its own stores; the kernel sends nothing more and need not live.
"""

from __future__ import annotations

import sys
from typing import Any, Final

CARD_MIME: Final = "application/vnd.jupyter-modelserve.card+json"


def attended(shell: Any) -> bool:
    """Whether a person looks at a front end that can change an output.

    Papermill, nbclient and Voila run cells without standard input, which is how a kernel can tell.
    """
    kernel = getattr(shell, "kernel", None)
    return bool(kernel is not None and getattr(kernel, "_allow_stdin", False))


def is_attended() -> bool:
    """The same for the shell that this process has, if any; imports nothing."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and attended(ipython.get_ipython())


def card(kind: str, name: str = "") -> dict[str, str]:
    """What a card is about: ``endpoint`` *name*, ``endpoints`` or ``models``, of the instance that this kernel uses.

    Empty when nobody looks on, or when this kernel has no instance: a record of a run must stay what it was.
    """
    from jupyter_modelserve.client import session
    from jupyter_modelserve.errors import ModelServeError

    if not is_attended():
        return {}
    try:
        return {"kind": kind, "name": name, "instance": session.current(start=False).url}
    except (ModelServeError, OSError):
        return {}
