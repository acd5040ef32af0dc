"""docs/reference/permissions.md from the one table of operations, and what the REST page says of governance."""

from __future__ import annotations

from jupyter_modelserve.controller.api.faces.table import FACES
from jupyter_modelserve.controller.api.rules import ALL, Judged
from jupyter_modelserve.controller.governance import tags
from jupyter_modelserve.controller.governance.operations import RULES, Need, OperationRule
from jupyter_modelserve.controller.governance.securables import GRANTABLE
from jupyter_modelserve.governed import Privilege, SecurableType
from jupyter_modelserve.plugins.mlflow_methods import METHODS, SEARCHES
from scripts.docs_tables import NOTE, table

TALK: dict[tuple[str, str], tuple[str, str]] = {
    ("GET", "/metastore"): ("", "`Metastore`"),
    ("PATCH", "/metastore"): ('`{"default_catalog": "main"}`', "`Metastore`"),
    ("GET", "/catalogs"): ("", '`{"catalogs": [Catalog]}`'),
    ("POST", "/catalogs"): ('`{"name": "prod", "comment": ""}`', "`Catalog`"),
    ("GET", "/catalogs/{name}"): ("", "`Catalog`"),
    ("PATCH", "/catalogs/{name}"): ('`{"comment": "…"}`', "`Catalog`"),
    ("DELETE", "/catalogs/{name}"): ("", "nothing; 409 when it is not empty"),
    ("GET", "/schemas"): ("", '`{"schemas": [Schema]}`'),
    ("POST", "/schemas"): ('`{"name": "prod.ml", "comment": ""}`', "`Schema`"),
    ("GET", "/schemas/{name}"): ("", "`Schema`"),
    ("PATCH", "/schemas/{name}"): ('`{"comment": "…"}`', "`Schema`"),
    ("DELETE", "/schemas/{name}"): ("", "nothing; 409 when it is not empty"),
    ("GET", "/principals"): ("", '`{"principals": [Principal]}`'),
    ("GET", "/principals/me"): ("", "`Principal`"),
    ("POST", "/principals"): ('`{"name": "bob", "kind": "user", "display_name": ""}`', "`Principal`"),
    ("DELETE", "/principals/{name}"): ("", "nothing; 409 when it owns objects"),
    ("PUT", "/groups/{name}/members/{member}"): ("", "`Principal`, the group"),
    ("DELETE", "/groups/{name}/members/{member}"): ("", "`Principal`, the group"),
    ("GET", "/grants/{kind}/{name}"): ("", '`{"grants": [Grant]}`'),
    ("PATCH", "/grants/{kind}/{name}"): (
        '`{"changes": [{"principal": "bob", "add": ["EXECUTE"], "remove": []}]}`',
        '`{"grants": [Grant]}`',
    ),
    ("PUT", "/owner/{kind}/{name}"): ('`{"owner": "team"}`', '`{"owner": "team"}`'),
    ("GET", "/effective/{kind}/{name}"): ("", '`{"privileges": [EffectivePrivilege]}`'),
    ("GET", "/why/{kind}/{name}"): ("", '`{"decision": Decision, "text": "…"}`'),
    ("POST", "/statements"): ('`{"statement": "GRANT …"}`', '`{"results": [GrantResult]}`'),
    ("GET", "/audit"): ("", '`{"records": [AuditRecord]}`'),
    ("GET", "/tag-policies"): ("", '`{"policies": {"key": ["value"]}, "limits": {…}}`'),
    ("PUT", "/tag-policies/{name}"): (
        '`{"allowed": ["pending", "approved"], "comment": ""}`',
        "as `GET /tag-policies`",
    ),
    ("DELETE", "/tag-policies/{name}"): ("", "nothing"),
    ("PUT", "/models/{name}/aliases/{alias}"): (
        '`{"version": "3"}`',
        '`{"model": "…", "alias": "…", "version": "3"}`',
    ),
    ("DELETE", "/models/{name}/aliases/{alias}"): ("", "nothing"),
    ("POST", "/models/{name}/versions/{version}/copy"): (
        '`{"to": "prod.ml.iris", "aliases": ["Champion"], "description": null}`',
        '`{"model": "…", "version": "1", "source": "models:/…", "aliases": […]}`',
    ),
    ("DELETE", "/models/{name}/versions/{version}"): ("", "nothing; 409 when it is in use"),
    ("GET", "/models/{name}/versions/{version}/proposal"): ("", '`{"description": "…"}`'),
}
"""Body and answer of each operation."""


def render() -> str:
    """The page."""
    privileges = [(f"`{each}`", ", ".join(_types(each))) for each in Privilege]
    operations = [(f"`{name}`", rule.doc, _needs(rule), rule.req) for name, rule in RULES.items()]
    addresses = [
        (f"`{method} {path}`", f"`{judged.operation}`", _how(judged)) for (method, path), judged in ALL.items()
    ]
    faces = [(f"`{method} {path}`", f"`{judged.operation}`", _how(judged)) for (method, path), judged in FACES.items()]
    methods = [(f"`{name}`", f"`{method.operation}`") for name, method in METHODS.items()]
    methods += [
        (f"`{name}`", f"`{operation}`, what one may not see is left out") for name, operation in SEARCHES.items()
    ]
    return f"""\
# Permissions

{NOTE} How to use them: [govern models](../how-to/govern-models.md).

## Objects and privileges

A registered model is a `FUNCTION`; `MODEL` means the same. Three-level models lie in a schema, that in a catalog, and
all catalogs in the one metastore. One-level models lie in the workspace. What is granted on a catalog, schema or the
workspace holds for everything in it. Whoever owns an object holds every privilege on it. The owner of what it lies in
holds `MANAGE` on it, and the privileges to use and create. `ALL_PRIVILEGES` is all but `MANAGE`. `SET_ALIAS` and
`SET_STAGE` name one alias or stage, for example `SET_ALIAS(Champion)`. The owner of the metastore is the admin and may
do everything. The group `account users` holds everybody.

{table(("privilege", "can be granted on"), privileges)}
## Operations

On the way to a three-level model `USE_CATALOG` on its catalog and `USE_SCHEMA` on its schema are needed as well, by
owners too.

{table(("operation", "what it is", "needs one of", "source"), operations)}
## Our API

Below `/api/modelserve/v1`. An address without a row does not start.

{table(("address", "operation", "judged"), addresses)}
## Databricks clients

The addresses that `databricks-uc`, databricks-sdk and `endpoints-v2` use: [databricks clients](databricks.md). A change
of the registry is judged once more in the MLflow child, as below.

{table(("address", "operation", "judged"), faces)}
## MLflow's client

Every method of MLflow's registry store is one of these operations; a method without a row is refused. Files of a
registered version need `version.read` on its model. Runs and experiments are shared by everybody with a token. The
files of a run are written only by whoever made it; they are read by everybody until a version is made of them, and then
by whoever may read that version.

{table(("method", "operation"), methods)}
## Limits

{table(("limit", "value"), _limits())}"""


def _types(privilege: Privilege) -> list[str]:
    if privilege is Privilege.ALL_PRIVILEGES:
        return [each.value for each in SecurableType if each is not SecurableType.METASTORE]
    return [each.value for each in SecurableType if privilege in GRANTABLE[each]]


def _needs(rule: OperationRule) -> str:
    if rule.need in {Need.KNOWN, Need.ADMIN}:
        return rule.need.value
    where = "on the object" if rule.need is Need.HERE else "on what it will lie in"
    return f"{', '.join(f'`{each}`' for each in rule.any_of)} {where}"


def _how(judged: Judged) -> str:
    if judged.public:
        return "whoever has a token"
    if judged.filtered:
        return "what one may not see is left out"
    if judged.own:
        return "by the object in the request"
    return f"by the {judged.kind} in the address" if judged.kind else ""


def _limits() -> list[tuple[str, object]]:
    return [
        ("aliases of a model (REQ-071)", 10),
        ("tags of a model or version (REQ-097)", tags.MOST_TAGS),
        ("characters of a tag's key", tags.LONGEST_KEY),
        ("characters of a tag's value", tags.LONGEST_VALUE),
    ]
