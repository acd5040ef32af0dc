"""From bytes to text to JSON, with refusals that say where the problem is (REQ-039, REQ-152).

Python's own JSON reader accepts what must not pass silently: duplicate keys, numbers that overflow to infinity, nesting
without bound. Bodies that the sources print in a broken way (double-encoded, a missing comma) are repaired here.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from typing import Any, Dict, List, Optional, Tuple

from .refusal import Refusal, show, unsupported

_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^][{}]+")
_MISSING_COMMA = re.compile(r"\][ \t]*\r?\n\s*\[")
_HOSTILE_CODECS = frozenset({"idna", "punycode", "undefined", "mbcs", "oem"})
"""Text codecs whose decoding takes quadratic time, always fails or depends on the machine."""


class LiteralFloat(float):
    """NaN, Infinity or -Infinity written out, as opposed to a number too large for a double (``1e400``)."""


class Duplicate(Exception):
    """A key that one object has twice; the key is the argument."""


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise Duplicate(key)
            seen.add(key)
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=LiteralFloat)
"""The one JSON reader: a faster parser would have to agree on duplicate keys, NaN, big integers and half surrogates."""


def decode(body: bytes, charset: Optional[str], is_json: bool) -> str:
    """The text of a body; a byte order mark is removed.

    Raises:
        Refusal: 415 for a charset that Python does not know, 400 for bytes that are not of it.
    """
    if charset is None:
        charset = json.detect_encoding(body) if is_json else "utf-8-sig"
    try:
        codec = codecs.lookup(charset)
    except (LookupError, ValueError):
        raise unsupported("the charset %s is unknown; send utf-8" % show(charset)) from None
    if codec.name in _HOSTILE_CODECS or not getattr(codec, "_is_text_encoding", True):
        raise unsupported("the charset %s cannot be used for a request; send utf-8" % show(charset))
    try:
        text = codec.decode(body, "strict")[0]
    except UnicodeDecodeError as error:
        message = "the body is not valid %s: byte %d cannot be decoded; send utf-8 or name the charset"
        raise Refusal(message % (codec.name, error.start), details={"byte": error.start}) from None
    except (ValueError, ArithmeticError):
        raise Refusal("the body is not valid %s; send utf-8 or name the charset" % codec.name) from None
    return text[1:] if text[:1] == "\ufeff" else text


def read_json(text: str, depth: int) -> Tuple[Any, List[str]]:
    """The document and warnings (repairs made).

    Raises:
        Refusal: 400 with line and column, the duplicate key, or the depth.
    """
    warnings: List[str] = []
    try:
        document = _parse(text, depth)
    except Refusal:
        repaired = _repair(text, depth)
        if repaired is None:
            raise
        document = repaired
        warnings.append("repaired JSON: a missing comma between two rows of input_data")
    if isinstance(document, str):
        document = _parse(document, depth)
    return document, warnings


def _parse(text: str, depth: int) -> Any:
    if not text.strip():
        raise Refusal("the body is empty; send a JSON document, CSV or parquet")
    check_digits(text)
    try:
        document = DECODER.decode(text)
    except Duplicate as error:
        raise Refusal("the key %s is given twice in one object" % show(error.args[0])) from None
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno}
        raise Refusal("the body is not valid JSON: %s" % error, details=where) from None
    except RecursionError:
        raise _too_deep(depth) from None
    except ValueError:
        raise Refusal("the body holds a number with too many digits") from None
    if text.count("[") + text.count("{") > depth and _deeper_than(text, depth):
        raise _too_deep(depth)
    return document


def check_digits(text: str) -> None:
    """Refuse integers of thousands of digits where Python itself does not."""
    # Turning millions of digits into an integer takes minutes; Pythons before 3.8.14 do not refuse it themselves.
    if not hasattr(sys, "get_int_max_str_digits") and re.search(r"[0-9]{4301}", _STRINGS.sub("", text)):
        raise Refusal("the body holds a number with too many digits")


def _too_deep(depth: int) -> Refusal:
    return Refusal("the body is nested deeper than %d levels" % depth, details={"limit": depth})


def _deeper_than(text: str, depth: int) -> bool:
    """Whether brackets nest deeper than *depth*: every pass over the bare brackets removes the innermost pairs."""
    brackets = _NOT_BRACKETS.sub("", _STRINGS.sub("", text)).replace("{", "[").replace("}", "]")
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace("[]", "")
    return bool(brackets)


def _repair(text: str, depth: int) -> Optional[Any]:
    """The document with commas put between rows, only for Azure bodies (seed 003 prints one without)."""
    if '"input_data"' not in text or _MISSING_COMMA.search(text) is None:
        return None
    try:
        document = _parse(_MISSING_COMMA.sub("],\n[", text), depth)
    except Refusal:
        return None
    return document if isinstance(document, dict) and "input_data" in document else None
