"""``--secret``: values that come from the keyboard or from a variable of the kernel, never from the cell's text.

A cell is saved in the notebook, shown in its outputs and kept in the history; a secret in it is none any more.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable
from typing import Final

from IPython.core.error import StdinNotImplementedError, UsageError

from jupyter_modelserve.magics import values

FROM: Final = "env:"


def read(options: Iterable[str]) -> dict[str, str]:
    """Values by name; an empty one means that the value set before is kept.

    Raises:
        UsageError: an option of another form, or a variable that is not there. It never repeats what was written.
    """
    return {name: _value(name, source) for name, source in map(_split, options)}


def _split(option: str) -> tuple[str, str]:
    name, separator, source = values.unquote(option).partition("=")
    if separator and not source.startswith(FROM):
        raise UsageError(
            f"--secret {name}=…: never write a secret into a cell. `--secret {name}` asks for it, "
            f"`--secret {name}=env:VARIABLE` takes a variable of the kernel. Change the one that you wrote"
        )
    return name, source.removeprefix(FROM)


def _value(name: str, variable: str) -> str:
    if variable:
        if not os.environ.get(variable):
            raise UsageError(f"--secret {name}: the kernel has no environment variable {variable}")
        return os.environ[variable]
    try:
        return getpass.getpass(f"{name} (empty: keep the present value): ")
    except (StdinNotImplementedError, EOFError):
        # Nobody sits there (papermill, a schedule): what was set before is kept.
        return ""
