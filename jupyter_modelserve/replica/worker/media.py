"""What a content type means: JSON, CSV or parquet, the charset, and MLflow 1.x's ``format`` parameter.

MLflow's own server refuses the ``format`` parameter since 2.0 (415) and fails without a content type (500); clients of
the sources send the one and forget the other.
"""

from __future__ import annotations

import json
from typing import Dict, List, Optional

from .refusal import show, unsupported

JSON = "json"
CSV = "csv"
PARQUET = "parquet"
_KINDS = {
    "application/json": JSON, "text/json": JSON, "application/x-json": JSON, "application/json-numpy-split": JSON,
    "text/csv": CSV, "application/csv": CSV, "application/vnd.apache.parquet": PARQUET, "application/parquet": PARQUET,
    "application/x-parquet": PARQUET,
}  # fmt: skip
_FORMATS = {"pandas-records": "mlflow-1-records", "pandas-split": "mlflow-1-split"}


class Media:
    """Kind of body, its charset (``None`` when not given) and the dialect that the content type asks for."""

    __slots__ = ("charset", "dialect", "kind")

    def __init__(self, kind: str, charset: Optional[str] = None, dialect: Optional[str] = None) -> None:
        self.kind = kind
        self.charset = charset
        self.dialect = dialect


def read_media(content_type: str, body: bytes) -> Media:
    """Read a content type; without one, look at the body.

    Raises:
        Refusal: 415 for another type or an unknown format.
    """
    pieces = [piece.strip() for piece in content_type.split(";")]
    kind_name = pieces[0].lower()
    if not kind_name:
        return Media(sniff(body))
    kind = JSON if kind_name.endswith("+json") else _KINDS.get(kind_name)
    if kind is None:
        known = "application/json, text/csv or application/vnd.apache.parquet"
        raise unsupported("the content type %s is not supported; send %s" % (show(kind_name), known))
    parameters = _parameters(pieces[1:])
    dialect = "mlflow-1-split" if kind_name.endswith("json-numpy-split") else None
    if "format" in parameters:
        dialect = _FORMATS.get(parameters["format"].lower())
        if dialect is None or kind != JSON:
            message = "the content type's format %s is unknown; JSON may be pandas-records or pandas-split"
            raise unsupported(message % show(parameters["format"]))
    return Media(kind, parameters.get("charset") or None, dialect)


def _parameters(pieces: List[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for piece in pieces:
        name, _, value = piece.partition("=")
        found[name.strip().lower()] = value.strip().strip("\"'")
    return found


def sniff(body: bytes) -> str:
    """JSON when it begins like a document, parquet by its magic number, else CSV (no content type given)."""
    if body[:4] == b"PAR1":
        return PARQUET
    head = body[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1]
    if head in (b"[", b"{", b""):
        return JSON
    if head == b'"':
        # A quoted CSV header begins like a double-encoded document; only one of them is a JSON string as a whole.
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return CSV
        return JSON
    return CSV
