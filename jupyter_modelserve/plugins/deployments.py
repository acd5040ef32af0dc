"""The deployment target ``modelserve`` of MLflow: ``get_deploy_client("modelserve")`` and ``mlflow deployments``.

For people and programs that deploy through MLflow's own interface (REQ-156), above all for a progressive rollout: two
deployments behind one endpoint, and traffic that moves from one to the other (REQ-157). Everything goes through our
public API with the caller's token. MLflow loads this module when somebody asks for the target, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from mlflow.deployments import BaseDeploymentClient, PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from jupyter_modelserve import names
from jupyter_modelserve.client import payload
from jupyter_modelserve.errors import AlreadyExists, Conflict, InvalidParameter, ModelServeError, NotFound
from jupyter_modelserve.plugins import deployment_plan as plan
from jupyter_modelserve.plugins import deployment_shapes as shapes
from jupyter_modelserve.plugins import deployment_words as words
from jupyter_modelserve.plugins.deployment_connection import Connection
from jupyter_modelserve.types import Endpoint, EndpointSpec, ServedEntity

P = ParamSpec("P")
T = TypeVar("T")


class DeploymentError(MlflowException, click.ClickException):  # type: ignore[misc]
    """What the instance refused, as MLflow's callers expect it; ``mlflow deployments`` prints one line of it."""


def _said(call: Callable[P, T]) -> Callable[P, T]:
    """Errors of ours become MLflow's, with the same message and the nearest code."""

    @wraps(call)
    def said(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return call(*arguments, **options)
        except ModelServeError as error:
            failure = DeploymentError(error.message, error_code=ErrorCode.Value(_code(error)))
        raise failure

    return said


def _code(error: ModelServeError) -> str:
    """The nearest of MLflow's codes."""
    if error.error_code in ErrorCode.keys():  # noqa: SIM118 - a protobuf enum, no dictionary
        return error.error_code
    return "RESOURCE_CONFLICT" if isinstance(error, Conflict) else "INTERNAL_ERROR"


class ModelServeDeploymentClient(BaseDeploymentClient):
    """Endpoints and deployments of one instance.

    Every method raises :class:`mlflow.exceptions.MlflowException` with the message of the instance. ``config`` is
    described by ``mlflow deployments help -t modelserve``.
    """

    def __init__(self, target_uri: str = "modelserve") -> None:
        super().__init__(target_uri)  # type: ignore[no-untyped-call]
        self._instance = Connection(target_uri.partition(":")[2])
        self._prepared: dict[str, words.Words] = {}

    # ------------------------------------------------------------------------------------------------ deployments
    @_said
    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Serve ``models:/name/1``, ``models:/name@alias`` or ``models:/name/Stage``; returns when it answers.

        The first deployment makes the endpoint (called like itself when *endpoint* is left out) and takes all of its
        traffic; a further one takes none until ``update_endpoint`` or its own ``traffic`` gives it some.
        """
        _check_flavor(flavor)
        asked, where = words.read(config), endpoint or name
        reference = self._instance.reference(model_uri)

        def edit(before: EndpointSpec | None) -> EndpointSpec:
            if before is not None and endpoint is None:
                raise AlreadyExists(f"endpoint {name} exists already; name it (endpoint={name!r}) to add a deployment")
            first = shapes.joined(self._prepared.get(where), asked)
            return plan.added(before, where, name, reference, first if before is None else asked)

        self._instance.edit(where, edit, asked, reference)
        self._prepared.pop(where, None)
        return self._described(name, where)

    @_said
    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Another model, compute or share for a deployment, without a failed request; returns when it answers."""
        _check_flavor(flavor)
        asked = words.read(config)
        where = self._find(name, endpoint)[0].spec.name
        reference = None if model_uri is None else self._instance.reference(model_uri)

        def edit(before: EndpointSpec | None) -> EndpointSpec:
            return plan.changed(_there(before, where), name, reference, asked)

        self._instance.edit(where, edit, asked, reference)
        return self._described(name, where)

    @_said
    def delete_deployment(
        self, name: str, config: Mapping[str, Any] | None = None, endpoint: str | None = None
    ) -> None:
        """End a deployment that takes no traffic; with the last one the endpoint ends. Nothing when there is none."""
        asked = words.read(config)
        try:
            where = self._find(name, endpoint)[0].spec.name
        except NotFound:
            return
        # Looked at anew in every try: others may have added deployments, or ended this one or the whole endpoint.
        self._instance.edit(where, lambda before: plan.without(before, name) if before else None, asked)

    @_said
    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """All deployments, or those of one endpoint."""
        found = self._instance.run(lambda client: client.endpoints())
        chosen = found if endpoint is None else [plan.within(found, endpoint)]
        return [shapes.deployment(each, entity, self._instance.url) for each in chosen for entity in each.spec.entities]

    @_said
    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        """One deployment with its state, its share of the traffic and its address."""
        return self._described(name, endpoint)

    @_said
    def predict(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None
    ) -> PredictionsResponse:
        """Predict with an endpoint, by its traffic, or with one deployment of it, whether it takes traffic or not.

        *inputs*: what ``Client.score`` takes: DataFrame, array, dict of arrays, records, or a whole request body.
        """
        if deployment_name is None and endpoint is None:
            raise InvalidParameter("name a deployment or an endpoint")
        if deployment_name is None:
            plan.within(self._instance.run(lambda client: client.endpoints()), str(endpoint))
            target = str(endpoint)
        else:
            target = shapes.reference(*self._find(deployment_name, endpoint))
        bodies = payload.bodies(payload.prepare(inputs))
        answers = [self._instance.run(lambda client: client.invoke(target, body)).predictions for body in bodies]  # noqa: B023
        return PredictionsResponse({"predictions": payload.join(answers)})

    # ------------------------------------------------------------------------------------------------ endpoints
    @_said
    def create_endpoint(self, name: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Prepare an endpoint: this client keeps name and config until ``create_deployment`` makes it.

        An endpoint without a model serves nothing and nobody has rights on it, so that the instance has none.
        """
        asked = words.read(config)
        if asked.deployment:
            raise InvalidParameter(f"config {min(asked.deployment)}: belongs to a deployment; give it to that one")
        names.check_endpoint(name)
        known = self._instance.run(lambda client: client.endpoints())
        if name in self._prepared or any(each.spec.name == name for each in known):
            raise AlreadyExists(f"endpoint {name} exists already; use update_endpoint")
        self._prepared[name] = asked
        return shapes.prepared(name)

    @_said
    def update_endpoint(self, endpoint: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change fields of the endpoint, above all ``traffic``: ``{"traffic": {"blue": 90, "green": 10}}``."""
        asked = words.read(config)
        if endpoint in self._prepared:
            self._prepared[endpoint] = shapes.joined(self._prepared[endpoint], asked)
            return shapes.prepared(endpoint)
        self._instance.edit(endpoint, lambda before: plan.configured(_there(before, endpoint), asked), asked)
        return self.get_endpoint(endpoint)

    @_said
    def delete_endpoint(self, endpoint: str) -> None:
        """End an endpoint with all its deployments; its models stay registered. Nothing when there is none."""
        if self._prepared.pop(endpoint, None) is None:
            self._instance.end(endpoint, words.Words())

    @_said
    def list_endpoints(self) -> list[dict[str, Any]]:
        """All endpoints."""
        found = [
            shapes.endpoint(each, self._instance.url) for each in self._instance.run(lambda client: client.endpoints())
        ]
        return found + [shapes.prepared(name) for name in self._prepared]

    @_said
    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        """One endpoint: state, deployments, traffic, address."""
        if endpoint in self._prepared:
            return shapes.prepared(endpoint)
        found = plan.within(self._instance.run(lambda client: client.endpoints()), endpoint)
        return shapes.endpoint(found, self._instance.url)

    def _find(self, name: str, endpoint: str | None) -> tuple[Endpoint, ServedEntity]:
        return plan.find(self._instance.run(lambda client: client.endpoints()), name, endpoint)

    def _described(self, name: str, endpoint: str | None) -> dict[str, Any]:
        return shapes.deployment(*self._find(name, endpoint), self._instance.url)


def _there(spec: EndpointSpec | None, name: str) -> EndpointSpec:
    if spec is None:
        raise NotFound(f"no endpoint {name!r}", details={"endpoint": name})
    return spec


def _check_flavor(flavor: str | None) -> None:
    if flavor not in {None, "", shapes.FLAVOR}:
        raise InvalidParameter(
            f"flavor: every model is served through {shapes.FLAVOR}, not {flavor!r}; leave it out",
            details={"field": "flavor"},
        )


@_said
def run_local(*_: Any, **__: Any) -> None:
    """Refused: this target is on this machine already, and MLflow's own server is there for a quick test (REQ-147)."""
    raise InvalidParameter(
        "run-local: this target serves on your own machine already; use create. "
        "To try a model without an endpoint: mlflow models serve -m models:/name/version --env-manager local"
    )


def target_help() -> str:
    """What ``mlflow deployments help -t modelserve`` prints."""
    return shapes.HELP
