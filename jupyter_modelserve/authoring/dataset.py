"""Records which data a model was trained with (lineage): a table, a DataFrame, or an MLflow dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_modelserve.authoring import tables
from jupyter_modelserve.errors import InvalidParameter


def dataset_input(dataset: Any, name: str) -> Any:
    """A ``DatasetInput`` with context ``training`` and, where the values are at hand, a digest over all of them.

    *name* is used for a DataFrame that has none (``attrs["name"]``).

    Raises:
        InvalidParameter: the object is none of these.
    """
    from mlflow.entities import DatasetInput, InputTag

    found, marks = _dataset(dataset, name)
    tags = {"mlflow.data.context": "training", **marks}
    return DatasetInput(found._to_mlflow_entity(), [InputTag(key, value) for key, value in tags.items()])


def _dataset(dataset: Any, name: str) -> tuple[Any, dict[str, str]]:
    if type(dataset).__name__ == "DataFrame" and hasattr(dataset, "iloc"):
        dataset = tables.table(dataset, name=str(dataset.attrs.get("name") or f"{name} training data"))
    elif isinstance(dataset, (str, Path)):
        dataset = tables.table(dataset)
    if isinstance(dataset, tables.Table):
        return dataset.dataset, dataset.tags
    if not hasattr(dataset, "_to_mlflow_entity"):
        raise InvalidParameter(
            f"dataset is a {type(dataset).__name__}; give a DataFrame, a table (ms.table), the path of one, or a "
            "dataset of mlflow.data",
            details={"field": "dataset"},
        )
    return dataset, tables.tags_of(dataset)
