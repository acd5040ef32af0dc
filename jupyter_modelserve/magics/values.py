"""Reads what a user names in a magic: a variable or expression of the notebook, or a data file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from jupyter_modelserve.errors import InvalidParameter


def unquote(text: str) -> str:
    """*text* without the quotes that IPython's argument splitting keeps."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text


def evaluate(text: str, namespace: dict[str, Any]) -> Any:
    """The value of *text* in the notebook.

    Raises:
        UsageError: it is no expression, or it uses a name that does not exist.
    """
    try:
        return eval(compile(text, "<magic>", "eval"), namespace)  # noqa: S307 - the user's own kernel and namespace
    except SyntaxError:
        raise UsageError(f"{text!r} is neither a variable, an expression nor a file that exists") from None
    except NameError as error:
        raise UsageError(f"{text!r}: {error}; give a variable, an expression or a file") from None


def is_folder(text: str, namespace: dict[str, Any]) -> bool:
    """Whether *text* is the path of a folder, or of the MLmodel file in it; a variable of that name comes first."""
    path = Path(text).expanduser()
    try:
        return text not in namespace and (path.is_dir() or (path.name == "MLmodel" and path.is_file()))
    except OSError:  # an expression that is too long for a path
        return False


def data(text: str, namespace: dict[str, Any]) -> Any:
    """The data behind *text*: a .csv, .json or .parquet file that exists, else an expression."""
    path = Path(text).expanduser()
    if path.suffix.lower() in _READERS and path.is_file():
        try:
            return _READERS[path.suffix.lower()](path)
        except (ValueError, OSError, ImportError) as error:
            raise InvalidParameter(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error
    if path.suffix.lower() in _READERS and text.split(".")[0] not in namespace:
        raise UsageError(f"there is no file {text!r} in {Path.cwd()}")
    return evaluate(text, namespace)


def _csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def _parquet(path: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


_READERS: dict[str, Callable[[Path], Any]] = {".csv": _csv, ".parquet": _parquet, ".json": _json}


def pairs(texts: list[str] | None, option: str = "--tag") -> dict[str, str]:
    """``key=value`` options as a dict.

    Raises:
        UsageError: an option without ``=``.
    """
    found = {}
    for text in texts or []:
        key, separator, value = unquote(text).partition("=")
        if not separator or not key:
            raise UsageError(f"{option} {text!r}: write key=value")
        found[key] = unquote(value)
    return found
