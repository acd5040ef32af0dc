"""``ms.table`` and ``ms.log_table``: data that a model is trained or tested with, with a digest over all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.authoring.content import Content, content
from jupyter_modelserve.client.display import Rich, escape, html_table, text_table
from jupyter_modelserve.errors import InvalidParameter

CONTENT: Final = "modelserve.content.sha256"
ROWS: Final = "modelserve.content.rows"
"""Tags of a run's input; the controller reads them (``controller/lineage/runs``)."""
_PORTION: Final = 65_536
"""Rows of a file in memory at once."""
_SECRETS: Final = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, repr=False)
class Table(Rich):
    """A table with its digest. ``dataset`` is MLflow's; ``run_id`` is the run that has it as an input, if any."""

    name: str
    content: Content
    dataset: Any
    run_id: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """What a run's input is tagged with."""
        return {CONTENT: self.content.sha256, ROWS: str(self.content.rows)}

    def _facts(self) -> list[tuple[object, ...]]:
        facts: list[tuple[object, ...]] = [("rows", f"{self.content.rows:,}"), ("columns", len(self.content.columns))]
        facts += [("sha256", self.content.sha256)]
        return [*facts, ("input of run", self.run_id)] if self.run_id else facts

    def text(self) -> str:
        """Name, size and digest."""
        return f"{self.name}\n{text_table(('', ''), self._facts())}"

    def html(self) -> str:
        """The same as a table."""
        return f"<div><b>{escape(self.name)}</b>{html_table(('', ''), self._facts())}</div>"

    def json(self) -> dict[str, Any]:
        """Name, size, digest, run."""
        shown = {"name": self.name, "rows": self.content.rows, "columns": list(self.content.columns)}
        return {"kind": "table", **shown, "sha256": self.content.sha256, "run_id": self.run_id}


def table(
    data: Any, *, name: str | None = None, connection: Any = None, source: Any = None, targets: str | None = None
) -> Table:
    """A table with a digest over all of its values, ready for ``ms.register(..., dataset=...)``.

    Args:
        data: a DataFrame; the path of a parquet file, of a folder of them or of a CSV file; or, with *connection*, a
            query.
        name: what the lineage calls it; by default the file's name, or ``query``.
        connection: for a query, what ``pandas.read_sql`` takes. Its user and password are not kept.
        source: where a DataFrame came from: a path, an address, or a source of ``mlflow.data``.
        targets: the column that is predicted.

    Raises:
        InvalidParameter: *data* is none of these, cannot be read, or holds a value that cannot be compared.
    """
    if connection is not None:
        return _query(str(data), connection, name or "query", targets)
    if isinstance(data, (str, Path)):
        return _file(Path(data).expanduser(), name, targets)
    if type(data).__name__ == "DataFrame" and hasattr(data, "iloc"):
        return _frame(data, name or str(data.attrs.get("name") or "table"), source, targets)
    raise InvalidParameter(
        f"data is a {type(data).__name__}; give a DataFrame, a path, or a query with its connection",
        details={"field": "data"},
    )


def log_table(
    data: Any,
    *,
    name: str | None = None,
    context: str = "training",
    connection: Any = None,
    source: Any = None,
    targets: str | None = None,
    model_id: str | None = None,
) -> Table:
    """The same, and an input of the active MLflow run (one is started when there is none), as ``mlflow.log_input``.

    Args:
        context: what it is used for: ``training``, ``evaluation``, … model_id: the logged model it belongs to.

    Raises:
        InvalidParameter: as :func:`table`.
    """
    from dataclasses import replace

    import mlflow
    from mlflow.entities import LoggedModelInput

    found = table(data, name=name, connection=connection, source=source, targets=targets)
    mlflow.log_input(found.dataset, context, tags=found.tags)
    run = mlflow.active_run()
    assert run is not None
    if model_id:
        mlflow.MlflowClient().log_inputs(run.info.run_id, models=[LoggedModelInput(model_id)])
    return replace(found, run_id=str(run.info.run_id))


def tags_of(dataset: Any) -> dict[str, str]:
    """Digest and rows of an MLflow data set that holds a DataFrame; nothing where it holds none."""
    frame = getattr(dataset, "df", None)
    if type(frame).__name__ != "DataFrame" or not hasattr(frame, "iloc"):
        return {}
    found = content([frame])
    return {CONTENT: found.sha256, ROWS: str(found.rows)}


def _frame(frame: Any, name: str, source: Any, targets: str | None) -> Table:
    from mlflow.data.pandas_dataset import from_pandas

    found = content([frame])
    return Table(name, found, from_pandas(frame, source, targets, name[:500], found.digest))


def _query(query: str, connection: Any, name: str, targets: str | None) -> Table:
    import pandas as pd

    from jupyter_modelserve.plugins.sql_source import SqlSource

    try:
        frame = pd.read_sql(query, connection)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise InvalidParameter(f"the query failed: {first}", details={"field": "data"}) from error
    return _frame(frame, name, SqlSource(_database(connection), query), targets)


def _database(connection: Any) -> str:
    """The address of a database without user and password; empty when the connection does not tell."""
    url = getattr(getattr(connection, "engine", connection), "url", connection if isinstance(connection, str) else "")
    text = url.render_as_string(hide_password=True) if hasattr(url, "render_as_string") else str(url)
    return _SECRETS.sub("", text.partition("?")[0])


def _file(path: Path, name: str | None, targets: str | None) -> Table:
    if not path.exists():
        raise InvalidParameter(f"there is no file {str(path)!r}", details={"field": "data"})
    if path.suffix.lower() == ".csv":
        import pandas as pd

        return _frame(_read(pd.read_csv, path), name or path.name, str(path.absolute()), targets)
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.types.utils import _infer_schema

    first: list[Any] = []
    found = content(_kept(_portions(path), first))
    if targets is not None and targets not in found.columns:
        raise InvalidParameter(f"there is no column {targets!r}", details={"field": "targets"})
    place = resolve_dataset_source(str(path.absolute()))
    schema = _infer_schema(first[0]) if first else None
    called = name or path.name
    make: Any = MetaDataset  # its base class declares a profile that it leaves out
    return Table(called, found, make(place, called[:500], found.digest, schema))


def _read(reader: Any, path: Path) -> Any:
    try:
        return reader(path)
    except (ValueError, OSError) as error:
        raise InvalidParameter(
            f"{path.name} cannot be read: {str(error).splitlines()[0]}", details={"field": "data"}
        ) from error


def _kept(portions: Iterable[Any], first: list[Any]) -> Iterator[Any]:
    for each in portions:
        if not first:
            first.append(each)
        yield each


def _portions(path: Path) -> Iterator[Any]:
    """A parquet file, or a folder of them in the order of their names, in portions."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        files = sorted(str(each) for each in path.rglob("*.parquet")) if path.is_dir() else [str(path)]
        if not files:
            raise InvalidParameter(f"there is no parquet file in {str(path)!r}", details={"field": "data"})
        whole = ds.dataset(files, format="parquet")
        empty = True
        for batch in whole.to_batches(batch_size=_PORTION):
            empty = False
            # Integers with gaps stay integers: as doubles, large ones would change.
            yield batch.to_pandas(integer_object_nulls=True)
        if empty:
            yield whole.schema.empty_table().to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise InvalidParameter(
            f"{path.name} cannot be read: {str(error).splitlines()[0]}", details={"field": "data"}
        ) from error


__all__ = ["Table", "log_table", "table"]
