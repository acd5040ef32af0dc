"""Which operation of the one table each of our addresses is, and the judgement in front of every handler.

An address without a row does not start (:func:`operation_of` raises while the application is put together). ``own``
means that the object stands in the body or the query: the handler judges, by the same table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from sqlalchemy import Connection

from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.endpoints.manager import Judge
from jupyter_modelserve.controller.governance.decide import decide, denied
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable, catalog, model, schema
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.store import endpoints as store
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.errors import Conflict, NotFound, PermissionDenied
from jupyter_modelserve.types import EndpointSpec

O = Operation  # noqa: E741 - reads well in the table
OPERATION: Final = "x-modelserve-operation"
INTERNAL: Final = "/internal/"
"""The private socket's own operations, which no token reaches."""


@dataclass(frozen=True, slots=True)
class Judged:
    """``kind``: what the path's ``{name}`` names. ``filtered``: everybody may ask, and sees what they may.

    ``public``: the same for whoever has a token and no secret of the instance, so it is answered without a look at
    the database.
    """

    operation: Operation
    kind: str = ""
    own: bool = False
    filtered: bool = False
    public: bool = False


ALL: Final = {
    ("GET", "/status"): Judged(O.INSTANCE_VIEW),
    ("GET", "/openapi.json"): Judged(O.INSTANCE_VIEW, public=True),
    ("POST", "/interpreters"): Judged(O.INSTANCE_CHANGE),
    ("POST", "/secret-key/rotate"): Judged(O.INSTANCE_CHANGE),
    ("GET", "/models"): Judged(O.MODEL_VIEW, filtered=True),
    ("GET", "/outline"): Judged(O.MODEL_VIEW, filtered=True),
    ("GET", "/models/{name}"): Judged(O.MODEL_VIEW, "model"),
    ("GET", "/models/{name}/versions/{version}"): Judged(O.VERSION_READ, "model"),
    ("DELETE", "/models/{name}/versions/{version}"): Judged(O.VERSION_DELETE, "model"),
    ("POST", "/models/{name}/versions/{version}/copy"): Judged(O.VERSION_READ, "model"),
    ("PUT", "/models/{name}/aliases/{alias}"): Judged(O.MODEL_ALIAS, "model"),
    ("DELETE", "/models/{name}/aliases/{alias}"): Judged(O.MODEL_ALIAS, "model"),
    ("GET", "/models/{name}/versions/{version}/proposal"): Judged(O.VERSION_READ, "model"),
    ("GET", "/models/{name}/lineage"): Judged(O.MODEL_VIEW, "model"),
    ("GET", "/models/{name}/versions/{version}/lineage"): Judged(O.MODEL_VIEW, "model"),
    ("GET", "/models/{name}/versions/{version}/openlineage"): Judged(O.MODEL_VIEW, "model"),
    ("GET", "/notebook-runs"): Judged(O.TRACKING),
    ("GET", "/notebook-runs/{run}"): Judged(O.TRACKING),
    ("PUT", "/notebook-runs/{run}"): Judged(O.TRACKING),
    ("POST", "/models/{name}/versions/{version}/check"): Judged(O.VERSION_CHECK, "model"),
    ("GET", "/models/{name}/versions/{version}/check"): Judged(O.VERSION_CHECK, "model"),
    ("POST", "/checks"): Judged(O.VERSION_CREATE, own=True),
    ("GET", "/checks/{check}"): Judged(O.VERSION_CHECK, own=True),
    ("DELETE", "/checks/{check}"): Judged(O.VERSION_CHECK, own=True),
    ("GET", "/endpoints"): Judged(O.ENDPOINT_VIEW, filtered=True),
    ("PUT", "/endpoints/{name}"): Judged(O.ENDPOINT_MANAGE, own=True),
    ("GET", "/endpoints/{name}"): Judged(O.ENDPOINT_VIEW, "endpoint"),
    ("DELETE", "/endpoints/{name}"): Judged(O.ENDPOINT_MANAGE, "endpoint"),
    ("GET", "/endpoints/{name}/logs"): Judged(O.ENDPOINT_LOGS, "endpoint"),
    ("GET", "/endpoints/{name}/events"): Judged(O.ENDPOINT_VIEW, "endpoint"),
    ("PUT", "/endpoints/{name}/secrets/{secret}"): Judged(O.ENDPOINT_MANAGE, "endpoint"),
    ("DELETE", "/endpoints/{name}/secrets/{secret}"): Judged(O.ENDPOINT_MANAGE, "endpoint"),
    ("GET", "/compute/advice"): Judged(O.INSTANCE_VIEW, public=True),
    ("GET", "/tokens"): Judged(O.TOKENS_OWN, filtered=True),
    ("POST", "/tokens"): Judged(O.TOKENS_OWN, own=True),
    ("DELETE", "/tokens/{token_id}"): Judged(O.TOKENS_OWN, own=True),
    ("GET", "/metastore"): Judged(O.METASTORE_VIEW),
    ("PATCH", "/metastore"): Judged(O.METASTORE_UPDATE),
    ("GET", "/catalogs"): Judged(O.CATALOG_VIEW, filtered=True),
    ("POST", "/catalogs"): Judged(O.CATALOG_CREATE, own=True),
    ("GET", "/catalogs/{name}"): Judged(O.CATALOG_VIEW, "catalog"),
    ("PATCH", "/catalogs/{name}"): Judged(O.CATALOG_UPDATE, "catalog"),
    ("DELETE", "/catalogs/{name}"): Judged(O.CATALOG_DELETE, "catalog"),
    ("GET", "/schemas"): Judged(O.SCHEMA_VIEW, filtered=True),
    ("POST", "/schemas"): Judged(O.SCHEMA_CREATE, own=True),
    ("GET", "/schemas/{name}"): Judged(O.SCHEMA_VIEW, "schema"),
    ("PATCH", "/schemas/{name}"): Judged(O.SCHEMA_UPDATE, "schema"),
    ("DELETE", "/schemas/{name}"): Judged(O.SCHEMA_DELETE, "schema"),
    ("GET", "/principals"): Judged(O.PRINCIPALS_VIEW),
    ("GET", "/principals/me"): Judged(O.PRINCIPALS_VIEW),
    ("POST", "/principals"): Judged(O.PRINCIPALS_CHANGE),
    ("DELETE", "/principals/{name}"): Judged(O.PRINCIPALS_CHANGE),
    ("PUT", "/groups/{name}/members/{member}"): Judged(O.PRINCIPALS_CHANGE),
    ("DELETE", "/groups/{name}/members/{member}"): Judged(O.PRINCIPALS_CHANGE),
    ("GET", "/grants/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
    ("PATCH", "/grants/{kind}/{name}"): Judged(O.GRANTS_CHANGE, own=True),
    ("PUT", "/owner/{kind}/{name}"): Judged(O.OWNER_CHANGE, own=True),
    ("GET", "/effective/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
    ("GET", "/why/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
    ("POST", "/statements"): Judged(O.GRANTS_CHANGE, own=True),
    ("GET", "/audit"): Judged(O.AUDIT_VIEW, own=True),
    ("GET", "/tag-policies"): Judged(O.INSTANCE_VIEW),
    ("PUT", "/tag-policies/{name}"): Judged(O.POLICY_CHANGE),
    ("DELETE", "/tag-policies/{name}"): Judged(O.POLICY_CHANGE),
}
"""Address below ``/api/modelserve/v1`` → operation."""


def operation_of(method: str, path: str) -> Judged | None:
    """The row of an address; ``None`` for the private socket's own operations.

    Raises:
        RuntimeError: it has no row, so it must not be served.
    """
    if path.startswith(INTERNAL):
        return None
    if path.startswith(API):
        found = ALL.get((method, path.removeprefix(API)))
    else:
        from jupyter_modelserve.controller.api.faces.table import FACES

        found = FACES.get((method, path))
    if found is None:
        raise RuntimeError(f"operation without a rule: {method} {path}; add a row to controller/api/rules.py")
    return found


def actor_of(request: Request) -> Actor:
    """Who asks, with client and request id, for judging and for the audit log."""
    from jupyter_modelserve.controller.api.operations import caller_of

    headers = request.headers
    return Actor(caller_of(request).principal, headers.get("user-agent", ""), headers.get("x-request-id", ""))


async def judge(request: Request, judged: Judged) -> None:
    """Let the caller pass to the handler.

    Raises:
        PermissionDenied: names the missing right. NotFound: no such endpoint.
    """
    if judged.public:
        return
    controller: Controller = request.app.state.controller
    actor, named = actor_of(request), request.path_params
    if judged.own or judged.filtered:
        await controller.governance.require(actor, O.INSTANCE_VIEW)
        return
    if judged.kind == "endpoint":
        await require_endpoint(controller, actor, judged.operation, str(named["name"]))
        return
    objects = {"model": model, "catalog": catalog, "schema": schema}
    on = objects[judged.kind](str(named["name"])) if judged.kind else METASTORE
    detail = str(named.get("alias", "")) if judged.operation is O.MODEL_ALIAS else ""
    await controller.governance.require(actor, judged.operation, on, detail)


async def require_endpoint(controller: Controller, actor: Actor, operation: Operation, name: str) -> None:
    """Judge an endpoint by its models: to see it a right on one of them is enough, everything else needs all.

    Raises:
        PermissionDenied, NotFound; who may see nothing of it is told that it does not exist.
    """
    state = await controller.governance.state()
    try:
        spec = (await controller.database.run(store.get, name)).spec
    except NotFound:
        if not state.identities(actor.principal):
            raise PermissionDenied("the token's principal is not known here") from None
        if state.is_admin(actor.principal):
            raise
        raise _unseen(name) from None
    if not visible(state, actor, spec):
        raise _unseen(name)
    if operation is not O.ENDPOINT_VIEW:
        require_models(state, actor, operation, spec)


def _unseen(name: str) -> NotFound:
    return NotFound(f"endpoint {name!r} does not exist, or you may not see it", details={"endpoint": name})


def require_models(state: State, actor: Actor, operation: Operation, *specs: EndpointSpec) -> None:
    """The operation on every model of the endpoints. Raises PermissionDenied."""
    for name in sorted({entity.model for spec in specs for entity in spec.entities}):
        decision = decide(state, actor.principal, operation, model(name))
        if not decision.allowed:
            raise denied(decision)


def manages(controller: Controller, actor: Actor, asked: EndpointSpec | None = None) -> Judge:
    """Judges a change where it is written: on what is stored then, and on *asked*, what the caller wants there.

    What was judged before a handler began may be another endpoint by the time it writes.
    """

    def judge(connection: Connection, before: EndpointSpec | None) -> None:
        state = controller.governance.within(connection)
        if asked is not None:
            require_models(state, actor, O.ENDPOINT_MANAGE, asked)
        if before is not None and not visible(state, actor, before):
            raise _unseen(before.name) if asked is None else _taken(before.name)
        require_models(state, actor, O.ENDPOINT_MANAGE, *([] if before is None else [before]))

    return judge


def _taken(name: str) -> Conflict:
    return Conflict(f"the endpoint name {name!r} is taken; choose another one", details={"field": "name"})


def visible(state: State, actor: Actor, spec: EndpointSpec) -> bool:
    """Whether the caller may see an endpoint."""
    return any(decide(state, actor.principal, O.ENDPOINT_VIEW, model(each.model)).allowed for each in spec.entities)


async def seen(request: Request, names: Iterable[str]) -> frozenset[str]:
    """Those models among *names* that the caller may see."""
    controller: Controller = request.app.state.controller
    state, actor = await controller.governance.state(), actor_of(request)
    return frozenset(each for each in names if decide(state, actor.principal, O.MODEL_VIEW, model(each)).allowed)


async def require(request: Request, operation: Operation, on: Securable = METASTORE, detail: str = "") -> None:
    """For handlers that judge themselves. Raises PermissionDenied."""
    controller: Controller = request.app.state.controller
    await controller.governance.require(actor_of(request), operation, on, detail)
