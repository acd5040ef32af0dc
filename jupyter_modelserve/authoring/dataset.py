"""Records which data a model was trained with (lineage): an MLflow dataset, or a DataFrame that becomes one."""

from __future__ import annotations

from typing import Any

from jupyter_modelserve.errors import InvalidParameter


def dataset_input(dataset: Any, name: str) -> Any:
    """A ``DatasetInput`` with context ``training``; *name* is used for a DataFrame that has none (``attrs["name"]``).

    Raises:
        InvalidParameter: the object is neither a DataFrame nor an MLflow dataset.
    """
    from mlflow.entities import DatasetInput, InputTag

    if type(dataset).__name__ == "DataFrame" and hasattr(dataset, "iloc"):
        from mlflow.data.pandas_dataset import from_pandas

        named = str(dataset.attrs.get("name") or f"{name} training data")[:500]
        dataset = from_pandas(dataset, name=named)
    if not hasattr(dataset, "_to_mlflow_entity"):
        raise InvalidParameter(
            f"dataset is a {type(dataset).__name__}; give a DataFrame or a dataset of mlflow.data",
            details={"field": "dataset"},
        )
    return DatasetInput(dataset._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])
