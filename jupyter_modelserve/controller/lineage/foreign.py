"""What others wrote into tags, tables and headers, made fit to be kept: what cannot be read stops nothing else."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

LONGEST: Final = 5000
"""Characters of a value, or of its JSON, in a node: every answer with the node has them."""
_DEEPEST: Final = 30
"""Lists and objects inside each other: far from where writing the answer would fail."""
_NAMES, _NAME = 50, 64
log = logging.getLogger(__name__)


@contextmanager
def apart(connection: Connection, what: str) -> Iterator[None]:
    """Write *what* in a savepoint: when that fails, nothing of it is written, the log says so, and the caller goes on.

    Needs a transaction that has begun.

    Raises:
        OperationalError: the database does not answer, which is no fault of what is written.
    """
    try:
        with connection.begin_nested():
            yield
    except OperationalError:
        raise
    except Exception:
        log.exception("lineage leaves out %r, which cannot be read", what)


def parsed(text: str) -> Any:
    """*text* as JSON; as it is when it is none, or none that an answer can hold (half a character, NaN, too deep)."""
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return text
    return found if flat(found) else text


def flat(value: Any, deepest: int = _DEEPEST) -> bool:
    """Whether a value of JSON is at most *deepest* levels deep."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return deepest >= 0 and all(flat(each, deepest - 1) for each in inside)


def short(value: Any) -> Any:
    """*value* up to :data:`LONGEST` characters of JSON; of a longer one names and a digest (as ``authoring/stamp``)."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= LONGEST:
        return value
    names = [name[:_NAME] for name in sorted(value)[:_NAMES]] if isinstance(value, dict) else []
    return {"sha256": hashlib.sha256(text.encode(errors="replace")).hexdigest(), "names": names}


def clean(value: Any, longest: int) -> str:
    """*value* as a text of at most *longest* characters, all of them whole."""
    return str(value)[:longest].encode(errors="replace").decode()


def count(text: str) -> int | None:
    """The number that *text* is in plain digits, or ``None``."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
