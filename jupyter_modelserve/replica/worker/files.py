"""CSV and parquet bodies as tables.

CSV cells are text: they become Python values by the declared type of their column and then go through the same checks
as JSON. Parquet cells have types of their own, so that nothing about them is a matter of notation.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .body import LiteralFloat
from .libraries import numpy, pandas
from .refusal import Refusal
from .signature import Signature
from .tables import Table, check_names

_INTEGER = re.compile(r"\s*[+-]?\d{1,40}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,5})?\s*", re.ASCII)
_MISSING = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null"}
)  # fmt: skip
"""What pandas reads as missing."""
_WORDS = {"inf": "inf", "infinity": "inf", "+inf": "inf", "-inf": "-inf", "-infinity": "-inf", "nan": "nan"}
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def from_csv(text: str, signature: Signature) -> Table:
    """A table out of CSV with a header line; empty cells and pandas' usual spellings of missing are nulls.

    Raises:
        Refusal: no header, a column named twice, or a line with another number of cells (pandas would drop or invent
            cells without a word).
    """
    names, rows = _split_lines(text)
    if not signature.has_inputs:
        return from_frame(_read(text), exact=False)
    kinds = _kinds(names, signature)
    columns: List[Sequence[Any]] = []
    for position, name in enumerate(names):
        parse = _PARSERS.get(kinds.get(name, ""))
        columns.append([_cell(row[position], parse) for row in rows])
    return Table(list(names), columns, len(rows))


def _kinds(names: List[str], signature: Signature) -> Dict[str, str]:
    """The declared type of each column of the text."""
    if signature.is_tensor:
        wide = {
            each.name: "string" if each.dtype.startswith(("str", "obj", "<U", "|")) else "double"
            for each in signature.tensors
        }
        return {name: wide.get(name, wide.get(None, "double")) for name in names}
    if signature.has_names:
        return {str(column.name): column.kind for column in signature.columns}
    return dict(zip(names, (column.kind for column in signature.columns)))


def _split_lines(text: str) -> Tuple[List[str], List[List[str]]]:
    """Header and rows of text; blank lines do not count."""
    before = csv.field_size_limit(len(text) + 1)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        names = next((line for line in reader if line), [])
        if not any(name.strip() for name in names):
            raise Refusal("the CSV body is empty; its first line names the columns")
        names = [name or "Unnamed: %d" % position for position, name in enumerate(names)]
        check_names(names, "the CSV header")
        rows = []
        for line in reader:
            if line and len(line) != len(names):
                where = (reader.line_num, len(line), len(names))
                raise Refusal("line %d of the CSV has %d cells, the header has %d" % where, details={"line": where[0]})
            if line:
                rows.append(line)
    except csv.Error:
        raise Refusal("line %d of the body is not valid CSV" % reader.line_num) from None
    finally:
        csv.field_size_limit(before)
    return names, rows


def from_parquet(body: bytes) -> Table:
    """A table out of a parquet file.

    Raises:
        Refusal: 415 when the model's environment cannot read parquet, 400 when it is no parquet file.
    """
    try:
        frame = pandas().read_parquet(io.BytesIO(body))
    except ImportError:
        message = "this model's environment cannot read parquet; add pyarrow to the model's requirements, or send JSON"
        raise Refusal(message, "UNSUPPORTED_MEDIA_TYPE", 415) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - every parquet library has errors of its own
        raise Refusal("the body is not a parquet file that can be read (%s)" % type(error).__name__) from None
    check_names([str(name) for name in frame.columns], "the parquet file")
    return from_frame(frame, exact=True)


def from_frame(frame: Any, exact: bool) -> Table:
    """The table of a DataFrame: numpy scalars as Python values, index labels only when they say something."""
    columns: List[Sequence[Any]] = [_plain(frame.iloc[:, position]) for position in range(frame.shape[1])]
    labels = None if isinstance(frame.index, pandas().RangeIndex) else list(frame.index)
    return Table([str(name) for name in frame.columns], columns, len(frame), labels, exact)


def _plain(series: Any) -> List[Any]:
    values = series.tolist()
    if series.dtype == object:
        return [value.item() if isinstance(value, numpy().generic) else value for value in values]
    return list(values)


def _read(text: str) -> Any:
    """The frame as pandas types it by itself."""
    try:
        return pandas().read_csv(io.StringIO(text), index_col=False)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - pandas raises classes of its own, with the caller's data in their text
        raise Refusal("the body is not valid CSV") from None


def _cell(cell: str, parse: Optional[Callable[[str], Any]]) -> Any:
    if cell in _MISSING:
        return None
    return cell if parse is None else parse(cell)


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    word = _WORDS.get(text.strip().lower())
    return text if word is None else LiteralFloat(word)


def _boolean(text: str) -> Any:
    return _BOOLEANS.get(text.strip().lower(), text)


_PARSERS: Dict[str, Callable[[str], Any]] = {
    "double": _number, "float": _number, "integer": _number, "long": _number, "boolean": _boolean,
}  # fmt: skip
