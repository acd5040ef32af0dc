"""MLflow's own SQL stores with our rules in front of each write, whichever operation leads to it.

The rules sit in the stores and not in the request handlers, so that no spelling of a request and no compound
operation (copying a version creates its target model) gets around them. The handlers turn ``MlflowException`` into
MLflow's error shape.
"""

from __future__ import annotations

from typing import Any

PRINCIPAL_HEADER = "x-modelserve-principal"


def register_stores() -> None:
    """Make MLflow's server use the stores below for sqlite addresses. Call once, before the first request.

    MLflow's classes are imported here and not by the module: see the package docstring.
    """
    from mlflow.server import handlers

    registry, tracking = _registry_store_class(), _tracking_store_class()
    registries: Any = handlers._model_registry_store_registry, handlers._tracking_store_registry
    registries[0].register("sqlite", lambda store_uri: registry(store_uri))
    registries[1].register("sqlite", lambda store_uri, artifact_uri: tracking(store_uri, artifact_uri))


def invalid(message: str) -> Exception:
    """MLflow's exception for a bad value: 400, ``INVALID_PARAMETER_VALUE``."""
    from mlflow.exceptions import MlflowException

    error: Exception = MlflowException.invalid_parameter_value(message)
    return error


def principal() -> str:
    """Who sent the request that is being answered; empty outside a request."""
    from flask import has_request_context, request

    return request.headers.get(PRINCIPAL_HEADER, "") if has_request_context() else ""


def _registry_store_class() -> Any:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    from jupyter_modelserve import names
    from jupyter_modelserve.errors import InvalidParameter
    from jupyter_modelserve.plugins.mlflow_rules import tag_problem

    def checked(check: Any, *values: str) -> None:
        try:
            check(*values)
        except InvalidParameter as error:
            raise invalid(error.message) from error

    def check_tag(tag: Any) -> None:
        problem = tag_problem(str(tag.key))
        if problem:
            raise invalid(problem)

    class RegistryStore(SqlAlchemyStore):
        """Names, aliases and tags that addresses can express and searches still find."""

        def create_registered_model(self, name: str, tags: Any = None, *args: Any, **kwargs: Any) -> Any:
            checked(names.check_model, name)
            for tag in tags or ():
                check_tag(tag)
            parent: Any = super()
            return parent.create_registered_model(name, tags, *args, **kwargs)

        def rename_registered_model(self, name: str, new_name: str) -> Any:
            checked(names.check_model, new_name)
            parent: Any = super()
            return parent.rename_registered_model(name, new_name)

        def set_registered_model_alias(self, name: str, alias: str, version: Any) -> Any:
            checked(names.check_alias, name, alias)
            parent: Any = super()
            return parent.set_registered_model_alias(name, alias, version)

        def set_registered_model_tag(self, name: str, tag: Any) -> Any:
            check_tag(tag)
            parent: Any = super()
            return parent.set_registered_model_tag(name, tag)

    return RegistryStore


def _tracking_store_class() -> Any:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from jupyter_modelserve.plugins.mlflow_rules import location_problem

    class TrackingStore(SqlAlchemyStore):
        """Artifacts only where this server may look; runs name their principal."""

        def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> Any:
            problem = location_problem(artifact_location) if artifact_location else None
            if problem:
                raise invalid(problem)
            parent: Any = super()
            return parent.create_experiment(name, artifact_location, tags)

        def create_run(self, experiment_id: Any, user_id: str, *args: Any, **kwargs: Any) -> Any:
            parent: Any = super()
            return parent.create_run(experiment_id, user_id or principal(), *args, **kwargs)

    return TrackingStore
