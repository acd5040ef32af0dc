"""IPython's decorators for magics with types that fit, so that the other modules here stay strictly checked."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar, cast

from IPython.core import magic
from IPython.core import magic_arguments as _untyped
from IPython.utils import process

F = TypeVar("F", bound=Callable[..., Any])


def magic_arguments() -> Callable[[F], F]:
    """Make a parser from the :func:`argument` decorators below."""
    return cast(Callable[[F], F], cast(Any, _untyped.magic_arguments)())


def argument(*args: Any, **kwargs: Any) -> Callable[[F], F]:
    """One argument, as for ``argparse``."""
    return cast(Callable[[F], F], cast(Any, _untyped.argument)(*args, **kwargs))


def parse_argstring(magic: Any, line: str) -> argparse.Namespace:
    """Parse *line*, options before or after other arguments; ``UsageError`` for what does not fit."""
    parser = getattr(magic, "__func__", magic).parser
    return cast(argparse.Namespace, parser.parse_intermixed_args(cast(Any, process).arg_split(line)))


def line_magic(function: F) -> F:
    """Make a method a line magic."""
    return cast(F, cast(Any, magic.line_magic)(function))


def line_cell_magic(function: F) -> F:
    """Make a method a line and cell magic."""
    return cast(F, cast(Any, magic.line_cell_magic)(function))
