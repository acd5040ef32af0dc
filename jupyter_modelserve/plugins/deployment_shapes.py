"""How endpoints and deployments look to MLflow's callers, and the help text of the target. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from jupyter_modelserve.client import calls
from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.plugins.deployment_words import Words
from jupyter_modelserve.types import (
    Endpoint,
    Selector,
    SelectorKind,
    ServedEntity,
    VersionState,
    VersionStatus,
    to_json,
)

FLAVOR: Final = "python_function"
_COMPUTE: Final = ("workload_size", "replicas", "min_replicas", "max_replicas", "scale_to_zero", "cores", "memory_gb")

HELP: Final = """\
Target: jupyter-modelserve, model serving from notebooks on your own machine.

Target URI
  modelserve                    MODELSERVE_URL with MODELSERVE_TOKEN, or the instance of this user, started if need be
  modelserve:/state/directory   the instance with that state directory
  modelserve:http://host:port   the instance at that address; its token in MODELSERVE_TOKEN, which counts when
                                MODELSERVE_URL names the same address

Model URI
  models:/name/1, models:/name@alias, models:/name/Production, models:/name/latest, models:/name (all active versions).
  A deployment with an alias or a stage follows it.

Config of a deployment (-C name=value)
  traffic           percent of the endpoint's requests; the others share the rest as they did before
  workload_size     Small, Medium or Large; or cores and memory_gb
  replicas          how many, or min_replicas and max_replicas; scale_to_zero
  deploy-config-file  a JSON file with any of these

Config of an endpoint, or of its only deployment
  traffic           {"blue": 90, "green": 10}: percent by deployment, 100 in all
  engine            process, docker or auto
  environment_vars  {"NAME": "value"}
  secrets           names of secrets, separated by commas; values are set with `jupyter modelserve secret set`
  tags, request_timeout, unknown_columns
  endpoint-config-file  a JSON file with any of these

Config of a call
  wait              false: return at once; otherwise it returns when the deployment answers
  timeout           seconds to wait (600)

The first deployment of an endpoint takes all traffic, a further one none until it is given some. An endpoint is made by
its first deployment. A model is served as it was registered: with its own environment, without a scoring script.
"""


def deployment(endpoint: Endpoint, entity: ServedEntity, url: str) -> dict[str, Any]:
    """One deployment: names, model, share, state, versions with their failures, compute, address."""
    versions = _versions(endpoint, entity)
    return {
        "name": entity.name,
        "flavor": FLAVOR,
        "endpoint": endpoint.spec.name,
        "model_uri": model_uri(entity.model, entity.selector),
        "traffic": entity.traffic,
        "state": _state(versions),
        "versions": [_version(each) for each in versions],
        **{name: to_json(getattr(entity, name)) for name in _COMPUTE},
        "scoring_uri": url + _path(endpoint, entity),
    }


def endpoint(found: Endpoint, url: str) -> dict[str, Any]:
    """One endpoint: state, change under way, deployments with their shares, address."""
    spec, status = found.spec, found.status
    return {
        "name": spec.name,
        "state": status.service.value,
        "update": status.update.value,
        "message": status.service_message or status.update_message,
        "deployments": [each.name for each in spec.entities],
        "traffic": {each.name: each.traffic for each in spec.entities},
        "engine": spec.engine.value if spec.engine else None,
        "environment_vars": dict(spec.environment_vars),
        "secrets": list(spec.secrets),
        "tags": dict(spec.tags),
        "request_timeout": spec.request_timeout,
        "generation": found.generation,
        "scoring_uri": url + calls.endpoint_path(spec.name),
    }


def prepared(name: str) -> dict[str, Any]:
    """An endpoint that its first deployment will make."""
    return {"name": name, "state": "PREPARED", "deployments": [], "traffic": {}}


def joined(first: Words | None, second: Words) -> Words:
    """What was said of a prepared endpoint, and what is said now, which counts more."""
    return replace(second, endpoint={**first.endpoint, **second.endpoint}) if first else second


def model_uri(model: str, selector: Selector) -> str:
    """``models:/…`` as it would be given to ``create_deployment``."""
    if selector.value is None:
        return f"models:/{model}"
    mark = "@" if selector.kind is SelectorKind.ALIAS else "/"
    return f"models:/{model}{mark}{selector.value}"


def reference(endpoint: Endpoint, entity: ServedEntity) -> str:
    """What ``Client.invoke`` takes to reach one deployment, whatever its traffic.

    Raises:
        Unavailable: it has no version that answers.
    """
    if entity.selector.kind is SelectorKind.ALIAS:
        return f"{entity.model}@{entity.selector.value}"
    found = entity.selector.value or _newest(endpoint, entity)
    if found is None:
        raise Unavailable(f"deployment {entity.name} has no version that answers yet")
    return f"{entity.model}/{found}"


def _path(endpoint: Endpoint, entity: ServedEntity) -> str:
    found = entity.selector.value or _newest(endpoint, entity)
    return calls.scoring_path(entity.model, found) if found else calls.endpoint_path(endpoint.spec.name)


def _newest(endpoint: Endpoint, entity: ServedEntity) -> str | None:
    return max((each.version for each in _versions(endpoint, entity) if each.serving), key=int, default=None)


def _versions(endpoint: Endpoint, entity: ServedEntity) -> list[VersionStatus]:
    """A version that two deployments select is listed once, with the name of the first."""
    value = entity.selector.value

    def selected(each: VersionStatus) -> bool:
        return each.model == entity.model and value is not None and value in {each.version, *each.labels}

    return [each for each in endpoint.status.versions if each.entity == entity.name or selected(each)]


def _state(versions: list[VersionStatus]) -> str:
    if any(each.serving for each in versions):
        return "READY"
    failed = bool(versions) and all(each.state is VersionState.FAILED for each in versions)
    return "FAILED" if failed else "PENDING"


def _version(status: VersionStatus) -> dict[str, Any]:
    failure = f"{status.failure.cause}: {status.failure.message}" if status.failure else ""
    return {"version": status.version, "state": status.state.value, "serving": status.serving, "failure": failure}
