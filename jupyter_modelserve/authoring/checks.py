"""The check between logging a model and making a version of it; and changing what a logged model requires.

A model that fails stays logged, without a version: other requirements can then be tried on it, and the ones that help
be written into it, without training or saving it again (REQ-126, REQ-127).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_modelserve.authoring import connection, origin
from jupyter_modelserve.authoring.quiet import quiet
from jupyter_modelserve.authoring.upload import Source
from jupyter_modelserve.checked import Check, CheckRequest
from jupyter_modelserve.client import check_calls, checking, session
from jupyter_modelserve.client.results import Text
from jupyter_modelserve.errors import InvalidParameter, ModelServeError, NotFound, from_body

if TYPE_CHECKING:
    from mlflow import MlflowClient

Gate: TypeAlias = Callable[[Source], checking.CheckResult]
"""Lets a logged model pass to registration, or raises :class:`~jupyter_modelserve.client.checking.CheckFailed`."""


def gate(name: str, timeout: float, on_change: Callable[[Check], None] | None = None) -> Gate:
    """The check of a model that shall become a version of *name*."""

    def check(source: Source) -> checking.CheckResult:
        asked = CheckRequest(name, source.uri)
        result = checking.follow(check_calls.check_source(asked), timeout, on_change)
        if not result:
            raise checking.refuse(result)
        return result

    return check


def update_requirements(uri: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Text:
    """Change what a logged model of the instance requires: ``mlflow.models.update_model_requirements`` there (REQ-126).

    Works whatever the kernel's own tracking URI is. Registered versions never change: register a new version after it.

    Args:
        uri: ``models:/m-…`` or ``runs:/…``. add: requirements that replace those of the same name, or are added.
        remove: names to remove.

    Raises:
        InvalidParameter: *uri* is a registered version, or a requirement cannot be read. NotFound: no such model.
        PermissionDenied: somebody else logged it.
    """
    if not uri.startswith(("models:/m-", "runs:/")):
        raise InvalidParameter(
            f"{uri[:80]!r} is no logged model; registered versions never change. Change the logged model "
            "(models:/m-…) and register a new version of it",
            details={"field": "uri"},
        )
    found = session.current()
    with quiet(), connection.credentials(found.address):
        client = connection.mlflow_client(found.url)
        _update(_address(client, found.url, uri), add, remove)
    done = [*(f"added {each}" for each in add), *(f"removed {each}" for each in remove)]
    return Text("requirements", f"{uri}: {', '.join(done) or 'nothing changed'}; register it to make a version", uri)


def _address(client: MlflowClient, url: str, uri: str) -> str:
    """Where the files can be read and written over HTTP, whatever the kernel's tracking URI is."""
    source = origin.here(client, uri)
    if source is None:
        raise NotFound(f"the instance has no logged model {uri}", details={"field": "uri"})
    place = client.get_logged_model(source.model_id).artifact_location if source.model_id else source.uri
    if not place.startswith("mlflow-artifacts:/"):
        return str(place)
    return f"{url}/api/2.0/mlflow-artifacts/artifacts/{place.removeprefix('mlflow-artifacts:/').lstrip('/')}"


def _update(address: str, add: Sequence[str], remove: Sequence[str]) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.models import update_model_requirements

    try:
        if add:
            update_model_requirements(address, "add", list(add))
        if remove:
            update_model_requirements(address, "remove", list(remove))
    except MlflowException as error:
        raise _ours(error) from error


def _ours(error: Any) -> ModelServeError:
    status = 500
    with suppress(TypeError, ValueError):
        status = int(error.get_http_status_code())
    return from_body(status, {"error_code": error.error_code, "message": (error.message or "").split("\n")[0]})
