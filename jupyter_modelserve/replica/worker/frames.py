"""Tables into what ``PyFuncModel.predict`` gets for a column signature: a DataFrame, checked column by column.

Checked here first because MLflow's own check speaks of no row, repeats the caller's data in its message and casts
without a word; MLflow's check runs afterwards all the same, so that the semantics stay its own.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from .columns import Cells, convert
from .libraries import pandas
from .refusal import INVALID, Refusal, show_all
from .signature import Column, Signature
from .tables import Table


def to_frame(table: Table, signature: Signature, unknown_columns: str) -> Tuple[Any, List[str]]:
    """The DataFrame and warnings. Columns are in the signature's order; unknown ones are warned of, refused or dropped.

    Raises:
        Refusal: missing or unknown columns (all are named), or a cell that its type cannot hold.
    """
    if not signature.has_inputs:
        return plain_frame(table), []
    warnings: List[str] = []
    if table.names is None or not signature.has_names:
        chosen = by_position(table, signature)
    else:
        chosen, warnings = by_name(table, signature, unknown_columns)
    index = table.labels
    content: Dict[Any, Any] = {}
    for position, (column, values) in enumerate(chosen):
        name = column.name if column.name is not None else (table.names[position] if table.names else position)
        if not column.required and column.kind in ("integer", "long") and _all_null(values):
            # As good as left out, which an optional column may be: MLflow refuses a null integer. Other kinds can
            # hold nulls, and a model that imputes them wants the column.
            continue
        content[name] = _series(convert(Cells(column, values, table.labels, table.exact)), index)
    frame = pandas().DataFrame(content, index=index if index is not None else pandas().RangeIndex(table.rows))
    return frame, warnings


def plain_frame(table: Table) -> Any:
    """The DataFrame as pandas makes it (no signature)."""
    if table.names is None:
        return pandas().DataFrame(dict(enumerate(table.columns)), index=table.labels)
    return pandas().DataFrame(dict(zip(table.names, table.columns)), index=table.labels)


def by_name(
    table: Table, signature: Signature, unknown_columns: str
) -> Tuple[List[Tuple[Column, Sequence[Any]]], List[str]]:
    """Pairs of column and values, with the warning about unknown ones."""
    given = dict(zip([str(name) for name in table.names or []], table.columns))
    known = {column.name for column in signature.columns}
    missing = [column.name for column in signature.columns if column.required and column.name not in given]
    unknown = [name for name in given if name not in known]
    if missing:
        extra = "; the request has the unknown columns " + show_all(unknown) if unknown else ""
        details = {"missing": [str(name) for name in missing], "unknown": unknown[:100]}
        raise Refusal("missing columns: %s%s" % (show_all(missing), extra), INVALID, details=details)
    warnings = unknown_names(unknown, unknown_columns)
    return [(column, given[column.name]) for column in signature.columns if column.name in given], warnings


def unknown_names(unknown: List[str], policy: str) -> List[str]:
    """The warning about names that the signature lacks; refused when the policy says so."""
    if not unknown or policy == "ignore":
        return []
    if policy == "refuse":
        message = "unknown columns: %s; remove them, or set unknown_columns to warn or ignore"
        raise Refusal(message % show_all(unknown), INVALID, details={"unknown": unknown[:100]})
    more = " and %d more" % (len(unknown) - 10) if len(unknown) > 10 else ""
    return ["unknown columns ignored: " + ", ".join(unknown[:10]) + more]


def by_position(table: Table, signature: Signature) -> List[Tuple[Column, Sequence[Any]]]:
    """Pairs of column and values for a body without names.

    Raises:
        Refusal: the counts differ; names both.
    """
    required = [column for column in signature.columns if column.required]
    for columns in (signature.columns, required):
        if len(columns) == len(table.columns):
            return list(zip(columns, table.columns))
    if not signature.has_names and len(table.columns) > len(signature.columns):
        return list(zip(signature.columns, table.columns))
    names = [column.name for column in signature.columns if column.name is not None]
    listing = " (%s)" % show_all(names) if names else ""
    message = "each row has %d values, but the model has %d columns%s; send one value per column, or name them"
    details = {"expected": len(signature.columns), "got": len(table.columns)}
    raise Refusal(message % (len(table.columns), len(signature.columns), listing), INVALID, details=details)


def _all_null(values: Sequence[Any]) -> bool:
    return all(value is None or value != value for value in values if not isinstance(value, (list, dict))) and not any(
        isinstance(value, (list, dict)) for value in values
    )


def _series(values: Any, index: Any) -> Any:
    if index is None:
        return values
    if hasattr(values, "index"):
        values.index = pandas().Index(index)
        return values
    return pandas().Series(values, index=index)
