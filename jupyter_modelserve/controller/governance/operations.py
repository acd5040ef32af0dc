"""The one table of operations and the rule of each: every face judges by it (architecture §8).

Faces translate their requests into these operations: ``controller/api/rules.py`` for our API,
``plugins/mlflow_governance.py`` for MLflow's. What has no row is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jupyter_modelserve.governed import Privilege, SecurableType

P, T = Privilege, SecurableType


class Operation(StrEnum):
    """What can be asked for, whatever the face."""

    INSTANCE_VIEW = "instance.view"
    INSTANCE_CHANGE = "instance.change"
    METASTORE_VIEW = "metastore.view"
    METASTORE_UPDATE = "metastore.update"
    CATALOG_CREATE = "catalog.create"
    CATALOG_VIEW = "catalog.view"
    CATALOG_UPDATE = "catalog.update"
    CATALOG_DELETE = "catalog.delete"
    SCHEMA_CREATE = "schema.create"
    SCHEMA_VIEW = "schema.view"
    SCHEMA_UPDATE = "schema.update"
    SCHEMA_DELETE = "schema.delete"
    MODEL_CREATE = "model.create"
    MODEL_VIEW = "model.view"
    MODEL_UPDATE = "model.update"
    MODEL_RENAME = "model.rename"
    MODEL_DELETE = "model.delete"
    MODEL_TAG = "model.tag"
    MODEL_ALIAS = "model.alias"
    VERSION_CREATE = "version.create"
    VERSION_READ = "version.read"
    VERSION_CHECK = "version.check"
    VERSION_TRY = "version.try"
    VERSION_UPDATE = "version.update"
    VERSION_DELETE = "version.delete"
    VERSION_TAG = "version.tag"
    VERSION_STAGE = "version.stage"
    MODEL_SCORE = "model.score"
    ENDPOINT_VIEW = "endpoint.view"
    ENDPOINT_MANAGE = "endpoint.manage"
    ENDPOINT_LOGS = "endpoint.logs"
    GRANTS_VIEW = "grants.view"
    GRANTS_CHANGE = "grants.change"
    OWNER_CHANGE = "owner.change"
    PRINCIPALS_VIEW = "principals.view"
    PRINCIPALS_CHANGE = "principals.change"
    TOKENS_OWN = "tokens.own"
    TOKENS_OTHERS = "tokens.others"
    AUDIT_VIEW = "audit.view"
    AUDIT_ALL = "audit.all"
    POLICY_CHANGE = "policy.change"
    TRACKING = "tracking.use"


class Need(StrEnum):
    """Kinds of rules."""

    KNOWN = "any principal"
    ADMIN = "the metastore admin"
    HERE = "on the object"
    ABOVE = "on what holds the object"


@dataclass(frozen=True, slots=True)
class OperationRule:
    """One of ``any_of`` on the object or above it; on the way USE_CATALOG and USE_SCHEMA are needed as well."""

    need: Need
    doc: str
    any_of: tuple[Privilege, ...] = ()
    on: SecurableType | None = None
    req: str = ""


_SEE: Final = (P.EXECUTE, P.MANAGE, P.APPLY_TAG, P.CREATE_MODEL_VERSION, P.SET_ALIAS, P.SET_STAGE)
_INSIDE: Final = (P.USE_CATALOG, P.USE_SCHEMA, P.CREATE_SCHEMA, P.CREATE_MODEL, *_SEE)


def _here(doc: str, on: SecurableType, *any_of: Privilege, req: str = "") -> OperationRule:
    return OperationRule(Need.HERE, doc, any_of, on, req)


def _above(doc: str, on: SecurableType, *any_of: Privilege, req: str = "") -> OperationRule:
    return OperationRule(Need.ABOVE, doc, any_of, on, req)


O = Operation  # noqa: E741 - reads well in the table
RULES: Final[dict[Operation, OperationRule]] = {
    O.INSTANCE_VIEW: OperationRule(Need.KNOWN, "See the state of the instance."),
    O.INSTANCE_CHANGE: OperationRule(Need.ADMIN, "Name interpreters that run models; change the key of secrets."),
    O.METASTORE_VIEW: OperationRule(Need.KNOWN, "See metastore, workspace and default catalog.", req="REQ-055"),
    O.METASTORE_UPDATE: OperationRule(Need.ADMIN, "Change owner, default catalog or workspaces.", req="REQ-061"),
    O.CATALOG_CREATE: _above("Create a catalog.", T.CATALOG, P.CREATE_CATALOG),
    O.CATALOG_VIEW: _here("See a catalog.", T.CATALOG, *_INSIDE),
    O.CATALOG_UPDATE: _here("Change a catalog's comment.", T.CATALOG, P.MANAGE),
    O.CATALOG_DELETE: _here("Delete a catalog.", T.CATALOG, P.MANAGE),
    O.SCHEMA_CREATE: _above("Create a schema.", T.SCHEMA, P.CREATE_SCHEMA),
    O.SCHEMA_VIEW: _here("See a schema.", T.SCHEMA, *(each for each in _INSIDE if each is not P.USE_CATALOG)),
    O.SCHEMA_UPDATE: _here("Change a schema's comment.", T.SCHEMA, P.MANAGE),
    O.SCHEMA_DELETE: _here("Delete a schema.", T.SCHEMA, P.MANAGE),
    O.MODEL_CREATE: _above("Create a registered model.", T.FUNCTION, P.CREATE_MODEL, req="REQ-057, REQ-062"),
    O.MODEL_VIEW: _here("See a model, its versions, aliases and tags; find it.", T.FUNCTION, *_SEE, req="REQ-087"),
    O.MODEL_UPDATE: _here("Describe a model.", T.FUNCTION, P.MANAGE, req="REQ-099"),
    O.MODEL_RENAME: _here("Rename a model; also model.create where it goes.", T.FUNCTION, P.MANAGE, req="REQ-088"),
    O.MODEL_DELETE: _here("Delete a model.", T.FUNCTION, P.MANAGE, req="REQ-092"),
    O.MODEL_TAG: _here("Set or delete tags of a model.", T.FUNCTION, P.APPLY_TAG, P.MANAGE, req="REQ-096"),
    O.MODEL_ALIAS: _here("Set, move or delete an alias.", T.FUNCTION, P.SET_ALIAS, P.MANAGE, req="REQ-072"),
    O.VERSION_CREATE: _here(
        "Add a version; reading what it is made of is version.read.", T.FUNCTION, P.CREATE_MODEL_VERSION, req="REQ-062"
    ),
    O.VERSION_READ: _here("Load or download a version, copy from it.", T.FUNCTION, P.EXECUTE, req="REQ-075, REQ-105"),
    O.VERSION_CHECK: _here(
        "Run a version once in a clean environment, read the verdict and its log.", T.FUNCTION, P.EXECUTE, req="REQ-127"
    ),
    O.VERSION_TRY: _here(
        "Check it with other requirements or another Python, so run packages of one's choosing; also version.check.",
        T.FUNCTION,
        P.CREATE_MODEL_VERSION,
        P.MANAGE,
        req="REQ-127",
    ),
    O.VERSION_UPDATE: _here("Describe a version.", T.FUNCTION, P.MANAGE, req="REQ-099"),
    O.VERSION_DELETE: _here("Delete a version.", T.FUNCTION, P.MANAGE, req="REQ-092"),
    O.VERSION_TAG: _here("Set or delete tags of a version.", T.FUNCTION, P.APPLY_TAG, P.MANAGE, req="REQ-096"),
    O.VERSION_STAGE: _here(
        "Move a version to a stage; also out of a served one.", T.FUNCTION, P.SET_STAGE, P.MANAGE, req="REQ-107"
    ),
    O.MODEL_SCORE: _here("Score any deployed version.", T.FUNCTION, P.EXECUTE, req="REQ-024"),
    O.ENDPOINT_VIEW: _here("See an endpoint: a right on one of its models.", T.FUNCTION, *_SEE),
    O.ENDPOINT_MANAGE: _here(
        "Enable, change or disable serving: on every model of the endpoint.", T.FUNCTION, P.MANAGE, req="REQ-023"
    ),
    O.ENDPOINT_LOGS: _here("Read what a model printed.", T.FUNCTION, P.MANAGE),
    O.GRANTS_VIEW: OperationRule(Need.HERE, "See grants of others; one's own are always shown.", (P.MANAGE,)),
    O.GRANTS_CHANGE: OperationRule(Need.HERE, "Grant and revoke.", (P.MANAGE,), req="REQ-085, REQ-086"),
    O.OWNER_CHANGE: OperationRule(Need.HERE, "Give an object to another owner.", (P.MANAGE,), req="REQ-080"),
    O.PRINCIPALS_VIEW: OperationRule(Need.KNOWN, "See names of users, groups and service principals."),
    O.PRINCIPALS_CHANGE: OperationRule(Need.ADMIN, "Add or remove principals and members of groups."),
    O.TOKENS_OWN: OperationRule(Need.KNOWN, "Make, list and revoke one's own tokens.", req="REQ-019"),
    O.TOKENS_OTHERS: OperationRule(Need.ADMIN, "The same for service principals and other users.", req="REQ-021"),
    O.AUDIT_VIEW: OperationRule(Need.HERE, "Read an object's audit records.", (P.MANAGE,), req="REQ-054"),
    O.AUDIT_ALL: OperationRule(Need.ADMIN, "Read all audit records.", req="REQ-054"),
    O.POLICY_CHANGE: OperationRule(Need.ADMIN, "Change tag policies.", req="REQ-097"),
    O.TRACKING: OperationRule(Need.KNOWN, "Use runs, experiments and traces, which a workspace shares."),
}
