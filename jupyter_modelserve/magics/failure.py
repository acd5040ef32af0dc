"""Errors of magics as one line: the cell fails (in papermill too) with one ``error`` output and no traceback.

``UsageError`` stays for bad arguments. Everything else becomes an exception whose class has the name of the original,
because front ends and papermill show the class name, and whose ``_render_traceback_`` is the message and a hint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from jupyter_modelserve.errors import ModelServeError, PermissionDenied, Unauthenticated

F = TypeVar("F", bound=Callable[..., Any])

_HINTS: dict[type[ModelServeError], str] = {
    Unauthenticated: "check MODELSERVE_TOKEN, or unset MODELSERVE_URL to use the local instance",
    PermissionDenied: "ask the owner for this right",
}


class MagicFailure(Exception):
    """Base of what a magic raises; ``__cause__`` is the exception of the Python API."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def _render_traceback_(self) -> list[str]:
        lines = [f"{type(self).__name__}: {self}"]
        return [*lines, f"hint: {self.hint}"] if self.hint else lines


def failure(error: ModelServeError) -> MagicFailure:
    """*error* as it is shown: its class name, its message, and what to do."""
    known = next((text for kind, text in _HINTS.items() if isinstance(error, kind)), "")
    hint = str(error.details.get("hint") or known)
    message = error.message
    if error.status >= 500 and error.details.get("request_id"):
        message += f" (request {error.details['request_id']})"
    return named(type(error).__name__, message, hint)


def named(name: str, message: str, hint: str = "") -> MagicFailure:
    """A failure whose class is called *name*."""
    kind: type[MagicFailure] = type(name, (MagicFailure,), {"__doc__": "A failure shown as one line."})
    return kind(message, hint)


def short_errors(function: F) -> F:
    """Decorate a magic: errors of ours come out as one line."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ModelServeError as error:
            raise failure(error) from error

    return wrapper  # type: ignore[return-value]
