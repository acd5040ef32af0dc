"""Rows and columns as a request states them, before anything is converted: the common form of every frame dialect.

A table is column-wise Python lists, so that each column is checked in one pass. Names may be missing: then columns go
by position (a tensor body sent to a model with named columns, conflict list 8).
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence

from .refusal import INVALID, Refusal, show, type_name

_SPARSE_CELLS = 1_000_000
_SPARSE_FACTOR = 100


class Table:
    """``columns[i]`` are the values of ``names[i]``; ``names`` is ``None`` when columns go by position.

    ``labels`` are the caller's index labels, ``rows`` the number of rows; ``exact`` says that values came with types.
    """

    __slots__ = ("columns", "exact", "labels", "names", "rows")

    def __init__(
        self,
        names: Optional[List[Any]],
        columns: List[Sequence[Any]],
        rows: int,
        labels: Optional[List[Any]] = None,
        exact: bool = False,
    ) -> None:
        self.names = names
        self.columns = columns
        self.rows = rows
        self.labels = labels
        self.exact = exact


def from_records(records: Any, field: str, known: Optional[FrozenSet[Any]] = None) -> Table:
    """A list of objects; a key that a row lacks is a null of that row (REQ-031, REQ-036).

    Columns outside *known* (the signature's names) keep their name but no values: nobody reads them.

    Raises:
        Refusal: not a list of objects, or objects with so few keys in common that the table would be mostly nulls.
    """
    if not isinstance(records, list):
        raise Refusal("%s must be a list of records, got %s" % (field, type_name(records)))
    for row, record in enumerate(records):
        if not isinstance(record, dict):
            message = "%s must be a list of records (objects), but row %d is %s"
            raise Refusal(message % (field, row, type_name(record)), details={"row": row})
    names: Dict[str, None] = {}
    for record in records:
        if record.keys() != names.keys():
            names.update(dict.fromkeys(record))
    # Each of a million small records could bring a column of its own, and the table would not fit into any memory.
    wanted = [name for name in names if known is None or name in known]
    if len(wanted) * len(records) > max(_SPARSE_CELLS, _SPARSE_FACTOR * sum(map(len, records))):
        raise Refusal("%s: the records have too few keys in common to be one table" % field)
    columns: List[Sequence[Any]] = [
        [record.get(name) for record in records] if known is None or name in known else [] for name in names
    ]
    return Table(list(names), columns, len(records))


def from_split(split: Any, field: str) -> Table:
    """``{"columns": […], "data": [[…]], "index": […]}``; columns and index may be left out (REQ-037, REQ-151).

    Raises:
        Refusal: a part is missing, of the wrong form, or lengths do not fit; names the row.
    """
    if not isinstance(split, dict):
        raise Refusal("%s must be an object with columns and data, got %s" % (field, type_name(split)))
    unknown = sorted(set(split) - {"columns", "data", "index"})
    if "data" not in split or unknown:
        problem = "has no data" if "data" not in split else "has the unknown part " + show(unknown[0])
        raise Refusal("%s %s; its parts are columns, data and (optional) index" % (field, problem))
    data, names, labels = split["data"], split.get("columns"), split.get("index")
    for part, value in (("data", data), ("columns", names), ("index", labels)):
        if not isinstance(value, list) and (part == "data" or value is not None):
            raise Refusal("%s: %s must be a list, got %s" % (field, part, type_name(value)))
    if labels is not None and (len(labels) != len(data) or any(isinstance(label, (list, dict)) for label in labels)):
        raise Refusal("%s: index must have one plain label for each of the %d rows of data" % (field, len(data)))
    table = from_rows(data, field, None if names is None else len(names))
    if names is not None:
        check_names(names, field)
    table.names, table.labels = names, labels
    return table


def check_names(names: List[Any], field: str) -> None:
    """Refuse column names that are lists or occur twice."""
    seen = set()
    for name in names:
        if isinstance(name, (list, dict)):
            raise Refusal("%s: a column name must be text, got %s" % (field, type_name(name)))
        if name in seen:
            raise Refusal("%s names the column %s twice" % (field, show(name)), INVALID)
        seen.add(name)


def from_rows(rows: Sequence[Any], field: str, width: Optional[int] = None) -> Table:
    """A list of equally long lists.

    Raises:
        Refusal: a row is no list or has another length; names the row and both lengths.
    """
    for row, values in enumerate(rows):
        if not isinstance(values, list):
            raise Refusal(
                "%s: row %d must be a list of values, got %s" % (field, row, type_name(values)), details={"row": row}
            )
        if width is None:
            width = len(values)
        if len(values) != width:
            message = "%s: row %d has %d values, expected %d"
            raise Refusal(message % (field, row, len(values), width), details={"row": row})
    columns: List[Sequence[Any]] = [list(column) for column in zip(*rows)] if rows else [[] for _ in range(width or 0)]
    return Table(None, columns, len(rows))


def from_columns(columns: Mapping[str, Any], field: str) -> Table:
    """``{name: [values]}``; when every value is a scalar it is one row (REQ-033).

    Raises:
        Refusal: columns of different length.
    """
    if not any(isinstance(values, list) for values in columns.values()):
        return Table(list(columns), [[value] for value in columns.values()], 1 if columns else 0)
    lengths = {len(values) for values in columns.values() if isinstance(values, list)}
    if len(lengths) > 1 or not all(isinstance(values, list) for values in columns.values()):
        counts = ", ".join(
            "%s %s" % (show(name), len(values) if isinstance(values, list) else "1")
            for name, values in list(columns.items())[:10]
        )
        raise Refusal("%s: the columns differ in length (%s), and the model wants a table" % (field, counts), INVALID)
    return Table(list(columns), list(columns.values()), lengths.pop())
