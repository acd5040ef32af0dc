"""MLflow's own SQL stores with our rules in front of each call, whichever operation leads to it.

The rules sit in the stores and not in the request handlers, so that no spelling of a request and no compound
operation (copying a version creates its target model) gets around them. The handlers turn ``MlflowException`` into
MLflow's error shape.
"""

from __future__ import annotations

from typing import Any

from jupyter_modelserve.plugins.mlflow_governance import PRINCIPAL_HEADER, Governor, principal

__all__ = ["PRINCIPAL_HEADER", "invalid", "register_stores"]


def register_stores(governor: Governor) -> None:
    """Make MLflow's server use the stores below for sqlite addresses. Call once, before the first request.

    MLflow's classes are imported here and not by the module: see the package docstring.
    """
    from mlflow.server import handlers

    from jupyter_modelserve.plugins import mlflow_traces
    from jupyter_modelserve.plugins.mlflow_registry import registry_store_class

    mlflow_traces.install()
    registry, tracking = registry_store_class(governor), _tracking_store_class(governor)
    registries: Any = handlers._model_registry_store_registry, handlers._tracking_store_registry
    registries[0].register("sqlite", lambda store_uri: registry(store_uri))
    registries[1].register("sqlite", lambda store_uri, artifact_uri: tracking(store_uri, artifact_uri))


def invalid(message: str) -> Exception:
    """MLflow's exception for a bad value: 400, ``INVALID_PARAMETER_VALUE``."""
    from mlflow.exceptions import MlflowException

    error: Exception = MlflowException.invalid_parameter_value(message)
    return error


def _tracking_store_class(governor: Governor) -> Any:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from jupyter_modelserve.plugins.mlflow_artifacts import remember_owner
    from jupyter_modelserve.plugins.mlflow_rules import location_problem

    class TrackingStore(SqlAlchemyStore):
        """Artifacts only where this server may look; runs and logged models know whose they are."""

        def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> Any:
            problem = location_problem(artifact_location) if artifact_location else None
            if problem:
                raise invalid(problem)
            parent: Any = super()
            return parent.create_experiment(name, artifact_location, tags)

        def create_run(self, experiment_id: Any, user_id: str, *args: Any, **kwargs: Any) -> Any:
            # Who may write a run's artifacts goes by this field, so it is not the caller's to choose.
            parent: Any = super()
            return parent.create_run(experiment_id, principal() or user_id, *args, **kwargs)

        def create_logged_model(self, *args: Any, **kwargs: Any) -> Any:
            parent: Any = super()
            made = parent.create_logged_model(*args, **kwargs)
            if principal():
                remember_owner(governor, str(made.model_id), principal())
            return made

        def set_model_versions_tags(self, *_: Any, **__: Any) -> None:
            """MLflow would write the names of registered models on the logged model, which everybody may read."""

    return TrackingStore
