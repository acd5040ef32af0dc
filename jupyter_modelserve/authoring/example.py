"""Looks at the input example before anything is logged, and says what will surprise the user later.

MLflow 3.17 cannot enforce a nullable integer or boolean column that holds a missing value: it warns and drops the
whole signature, so that the served model checks nothing (measured). Here such columns are stored as doubles that may
be missing, which is what JSON callers send, and the signature stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

ROWS_KEPT: Final = 5
"""Rows of the example that are stored with the model; the probe before READY uses them."""
ROWS_READ: Final = 10_000
"""Rows that the signature is inferred from."""


@dataclass(frozen=True)
class Example:
    """``data`` is what the signature is inferred from, ``kept`` what is stored; both ``None`` without an example."""

    data: Any
    kept: Any
    warnings: tuple[str, ...] = ()


def examine(example: Any) -> Example:
    """Cut the example to a useful size, repair what MLflow cannot enforce, and collect warnings."""
    if example is None:
        return Example(None, None, (NO_EXAMPLE,))
    if _is_series(example):
        example = example.to_frame(example.name if example.name is not None else "0")
    if not _is_frame(example):
        return Example(_head(example, ROWS_READ), _head(example, ROWS_KEPT))
    frame = example.head(ROWS_READ).reset_index(drop=True)
    frame, warnings = _repair(frame)
    return Example(frame, _representative(frame), tuple(warnings + _notice(frame)))


NO_EXAMPLE: Final = (
    "no input example: there is no signature, so requests are not checked, and the model is not tried before it is "
    "served; pass input_example (some rows of the training data)"
)


def _is_frame(value: Any) -> bool:
    return type(value).__name__ == "DataFrame" and type(value).__module__.split(".")[0] == "pandas"


def _is_series(value: Any) -> bool:
    return type(value).__name__ == "Series" and type(value).__module__.split(".")[0] == "pandas"


def _head(value: Any, rows: int) -> Any:
    if type(value).__name__ == "ndarray" and value.ndim:
        return value[:rows]
    if isinstance(value, list) and value and isinstance(value[0], (list, dict, str)):
        return value[:rows]
    return value


def _representative(frame: Any) -> Any:
    """The first rows, which must look like the whole: a column that may be missing shows a value if there is one."""
    head = frame.head(ROWS_KEPT)
    hidden = [name for name in frame.columns if head[name].isna().all() and frame[name].notna().any()]
    if not hidden:
        return head
    rows = sorted({*head.index[: ROWS_KEPT - 1], frame[hidden[0]].first_valid_index()})
    return frame.loc[rows].reset_index(drop=True)


def _repair(frame: Any) -> tuple[Any, list[str]]:
    warnings: list[str] = []
    changed = frame.copy()
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        kind = str(column.dtype)
        if kind == "category":
            changed[name] = column.astype(object).where(column.notna(), None)
            warnings.append(
                f"column {name!r} is categorical: the served model receives its values, not the category dtype"
            )
        elif not column.hasnans or kind[:1] not in "IUb":
            continue
        elif kind == "boolean":
            changed[name] = column.astype(object).where(column.notna(), None)
            warnings.append(f"column {name!r} is boolean with missing values: callers send true, false or null")
        elif kind.lower().startswith(("int", "uint")):
            changed[name] = column.astype("float64")
            warnings.append(
                f"column {name!r} is {kind} with missing values, which MLflow cannot check: it is registered as double "
                "(optional), and the model receives floats with NaN"
            )
    return changed, warnings


def _notice(frame: Any) -> list[str]:
    warnings = []
    whole = [str(name) for name in frame.columns if getattr(frame[name].dtype, "kind", "") in "iu"]
    if whole:
        warnings.append(
            f"{_columns(whole)} of whole numbers without missing values: requests with a missing or fractional value "
            "there are refused; convert to float in the example if they may occur"
        )
    mixed = [str(name) for name in frame.columns if frame[name].dtype == object and _is_mixed(frame[name])]
    if mixed:
        warnings.append(f"{_columns(mixed)} of mixed types (object): nothing is checked there; use one type per column")
    empty = [str(name) for name in frame.columns if frame[name].isna().all()]
    if empty:
        warnings.append(f"{_columns(empty)} without any value in the example: the type cannot be known")
    return warnings


def _is_mixed(column: Any) -> bool:
    return len({type(value) for value in column.dropna()}) > 1


def _columns(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"column {shown} is" if len(names) == 1 else f"columns {shown} are"
