"""Tells MLflow which notebook and cell start a run, so that ``mlflow.start_run`` in any kernel is part of the lineage.

MLflow finds the class by its entry point (``mlflow.run_context_provider``); the class needs no base class of MLflow.
"""

from __future__ import annotations

from typing import Any

from jupyter_modelserve.authoring import stamp


class NotebookContext:
    """Tags of every run that a kernel starts."""

    def in_context(self) -> bool:
        """Whether this is a kernel."""
        return stamp.kernel() is not None

    def tags(self) -> dict[str, str]:
        """Notebook, cell, and the execution that the kernel belongs to."""
        return stamp.here()


def install() -> None:
    """Make MLflow know the provider when this package runs from a checkout, where no entry point is installed."""
    from mlflow.tracking.context import registry

    known: Any = registry._run_context_provider_registry
    if not any(type(each) is NotebookContext for each in known):
        known.register(NotebookContext)
