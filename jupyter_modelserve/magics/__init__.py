"""``%register %serve %score`` and their relatives: parse the line, call the Python API, return its object."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_modelserve.magics.completion import Names


def load(ipython: Any) -> None:
    """Add the magics and their completion to *ipython*, and start the local instance while the user goes on."""
    from jupyter_modelserve.magics.completion import Completion
    from jupyter_modelserve.magics.core import ModelServeMagics

    magics = ModelServeMagics(ipython)
    ipython.register_magics(magics)
    names = Completion.install(ipython).names
    if not os.environ.get("MODELSERVE_URL"):
        threading.Thread(target=_warm_up, args=(names,), name="modelserve-start", daemon=True).start()


def unload(ipython: Any) -> None:
    """Take the magics and their completion away."""
    from jupyter_modelserve.magics.completion import Completion
    from jupyter_modelserve.magics.core import ModelServeMagics

    for kind, found in ModelServeMagics.magics.items():
        for name in found:
            ipython.magics_manager.magics[kind].pop(name, None)
    ipython.magics_manager.registry.pop("ModelServeMagics", None)
    Completion.remove(ipython)


def _warm_up(names: Names) -> None:
    """Start, and fetch what TAB completes; a failure is told by the first magic that needs the instance."""
    from jupyter_modelserve.client import session
    from jupyter_modelserve.errors import ModelServeError

    with suppress(ModelServeError, OSError):
        session.current()
        names.get()
