"""numpy, pandas and yaml as the model's environment brings them: imported on first use and untyped on purpose.

Their versions span ten years here, so that no single set of stubs would be true.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=None)
def library(name: str) -> Any:
    """The module *name*.

    Raises:
        ImportError: the environment has none.
    """
    return importlib.import_module(name)


def numpy() -> Any:
    """The environment's numpy."""
    return library("numpy")


def pandas() -> Any:
    """The environment's pandas."""
    return library("pandas")
