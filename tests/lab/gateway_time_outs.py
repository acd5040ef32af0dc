"""Finds the gateway's time-outs; a module of its own, because a gateway under test imports it and must start fast."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from jupyter_modelserve import gateway


def time_outs() -> list[tuple[ModuleType, str]]:
    """Where the gateway's time-outs for connections and bodies stand, whichever module holds them."""
    names = [each.name for each in pkgutil.iter_modules(gateway.__path__) if not each.name.startswith("__")]
    modules = [importlib.import_module(f"{gateway.__name__}.{name}") for name in names]
    return [(module, name) for module in modules for name in ("IDLE_SECONDS", "ANSWER_SECONDS") if name in vars(module)]
