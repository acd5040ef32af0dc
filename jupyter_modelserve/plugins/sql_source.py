"""Where a table came from when a query made it, as MLflow's data sets say it: the database without its secrets.

MLflow finds the class by its entry point (``mlflow.dataset_source``), so a run's data sets can be read anywhere.
"""

from __future__ import annotations

from typing import Any

from mlflow.data.dataset_source import DatasetSource

TYPE = "sql"


class SqlSource(DatasetSource):
    """A database address without user and password, and the query."""

    def __init__(self, url: str, query: str) -> None:
        self.url = url
        self.query = query

    @staticmethod
    def _get_source_type() -> str:
        return TYPE

    def load(self, **_: Any) -> Any:
        """Refused: the address has no credentials. Run the query on a connection of your own."""
        raise NotImplementedError(f"connect to {self.url} and run the query; the source holds no credentials")

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, SqlSource)

    @classmethod
    def _resolve(cls, raw_source: Any) -> SqlSource:
        return cls(raw_source.url, raw_source.query)

    def to_dict(self) -> dict[str, Any]:
        """Address and query."""
        return {"url": self.url, "query": self.query}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> SqlSource:
        """The same from what MLflow stored."""
        return cls(str(source_dict.get("url", "")), str(source_dict.get("query", "")))
