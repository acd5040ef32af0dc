"""The written table: who may do what. Code and faces must equal it; it is not derived from the code.

Objects: catalog ``prod``, schema ``prod.ml``, model ``prod.ml.fraud`` (owned by group ``fraud team``), and one-level
model ``churn`` (owned by ``wanda``). Catalog and schema belong to ``carol`` and ``sam``.
"""

from __future__ import annotations

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, WORKSPACE, Securable, catalog, model, schema

O = Operation  # noqa: E741 - reads well in the table
ADMIN = "root"
PROD, ML, FRAUD, CHURN = catalog("prod"), schema("prod.ml"), model("prod.ml.fraud"), model("churn")
GROUPS = {"fraud team": ("tina",), "readers": ("rita",)}
OWNERS = {METASTORE: ADMIN, WORKSPACE: ADMIN, PROD: "carol", ML: "sam", FRAUD: "fraud team", CHURN: "wanda"}
USE: dict[Securable, tuple[str, ...]] = {PROD: ("USE_CATALOG",), ML: ("USE_SCHEMA",)}
GRANTS: dict[str, dict[Securable, tuple[str, ...]]] = {
    "sam": {PROD: ("USE_CATALOG",)},
    "tina": USE,
    "mona": USE | {FRAUD: ("MANAGE",), CHURN: ("MANAGE",)},
    "readers": USE | {FRAUD: ("EXECUTE",), CHURN: ("EXECUTE",)},
    "cleo": {PROD: ("USE_CATALOG", "USE_SCHEMA", "EXECUTE")},
    "newt": {PROD: ("USE_CATALOG",), ML: ("USE_SCHEMA", "CREATE_MODEL")},
    "vera": USE | {FRAUD: ("CREATE_MODEL_VERSION",)},
    "tag": USE | {FRAUD: ("APPLY_TAG",)},
    "champ": USE | {FRAUD: ("SET_ALIAS(Champion)",), CHURN: ("SET_STAGE(Production)",)},
    "allan": {PROD: ("ALL_PRIVILEGES",)},
    "nouse": {FRAUD: ("EXECUTE", "MANAGE")},
    "half": {PROD: ("USE_CATALOG",), FRAUD: ("EXECUTE",)},
    "maker": {METASTORE: ("CREATE_CATALOG",), PROD: ("USE_CATALOG", "CREATE_SCHEMA")},
    "stranger": {},
}
USERS = (ADMIN, "carol", "wanda", "rita", *(each for each in GRANTS if each != "readers"))
"""``nobody`` is known to no table; it may do nothing at all."""
EVERYBODY = frozenset(USERS)
INSIDE = {ADMIN, "carol", "sam", "tina", "mona", "rita", "cleo", "newt", "vera", "tag", "champ", "allan"}
"""Who holds USE_CATALOG on prod and USE_SCHEMA on prod.ml."""

_MANAGERS = {ADMIN, "carol", "sam", "tina", "mona"}
_READERS = {ADMIN, "tina", "rita", "cleo", "allan"}
_SEE = _MANAGERS | _READERS | {"vera", "tag", "champ"}
_SEE_CHURN = {ADMIN, "wanda", "mona", "rita", "champ"}

ALLOWED: dict[tuple[Operation, Securable, str], set[str] | frozenset[str]] = {
    (O.INSTANCE_VIEW, METASTORE, ""): EVERYBODY,
    (O.INSTANCE_CHANGE, METASTORE, ""): {ADMIN},
    (O.METASTORE_VIEW, METASTORE, ""): EVERYBODY,
    (O.METASTORE_UPDATE, METASTORE, ""): {ADMIN},
    (O.CATALOG_CREATE, catalog("new"), ""): {ADMIN, "maker"},
    (O.CATALOG_VIEW, PROD, ""): INSIDE | {"half", "maker"},
    (O.CATALOG_UPDATE, PROD, ""): {ADMIN, "carol"},
    (O.CATALOG_DELETE, PROD, ""): {ADMIN, "carol"},
    (O.SCHEMA_CREATE, schema("prod.new"), ""): {ADMIN, "carol", "maker", "allan"},
    (O.SCHEMA_VIEW, ML, ""): INSIDE,
    (O.SCHEMA_UPDATE, ML, ""): {ADMIN, "carol", "sam"},
    (O.SCHEMA_DELETE, ML, ""): {ADMIN, "carol", "sam"},
    (O.MODEL_CREATE, model("prod.ml.new"), ""): {ADMIN, "carol", "sam", "newt", "allan"},
    (O.MODEL_CREATE, model("new"), ""): {ADMIN},
    (O.MODEL_VIEW, FRAUD, ""): _SEE,
    (O.MODEL_VIEW, CHURN, ""): _SEE_CHURN,
    (O.MODEL_VIEW, model("prod.ml.missing"), ""): {ADMIN, "carol", "sam", "cleo", "allan"},
    (O.MODEL_UPDATE, FRAUD, ""): _MANAGERS,
    (O.MODEL_RENAME, FRAUD, ""): _MANAGERS,
    (O.MODEL_DELETE, FRAUD, ""): _MANAGERS,
    (O.MODEL_DELETE, CHURN, ""): {ADMIN, "wanda", "mona"},
    (O.MODEL_TAG, FRAUD, ""): _MANAGERS | {"tag", "allan"},
    (O.MODEL_ALIAS, FRAUD, "Champion"): _MANAGERS | {"champ", "allan"},
    (O.MODEL_ALIAS, FRAUD, "Other"): _MANAGERS | {"allan"},
    (O.VERSION_CREATE, FRAUD, ""): {ADMIN, "tina", "vera", "allan"},
    (O.VERSION_CREATE, CHURN, ""): {ADMIN, "wanda"},
    (O.VERSION_READ, FRAUD, ""): _READERS,
    (O.VERSION_READ, CHURN, ""): {ADMIN, "wanda", "rita"},
    (O.VERSION_CHECK, FRAUD, ""): _READERS,
    (O.VERSION_CHECK, CHURN, ""): {ADMIN, "wanda", "rita"},
    (O.VERSION_TRY, FRAUD, ""): _MANAGERS | {"vera", "allan"},
    (O.VERSION_TRY, CHURN, ""): {ADMIN, "wanda", "mona"},
    (O.VERSION_UPDATE, FRAUD, ""): _MANAGERS,
    (O.VERSION_DELETE, FRAUD, ""): _MANAGERS,
    (O.VERSION_TAG, FRAUD, ""): _MANAGERS | {"tag", "allan"},
    (O.VERSION_STAGE, CHURN, "Production"): {ADMIN, "wanda", "mona", "champ"},
    (O.VERSION_STAGE, CHURN, "Staging"): {ADMIN, "wanda", "mona"},
    (O.MODEL_SCORE, FRAUD, ""): _READERS,
    (O.MODEL_SCORE, CHURN, ""): {ADMIN, "wanda", "rita"},
    (O.ENDPOINT_VIEW, FRAUD, ""): _SEE,
    (O.ENDPOINT_MANAGE, FRAUD, ""): _MANAGERS,
    (O.ENDPOINT_MANAGE, CHURN, ""): {ADMIN, "wanda", "mona"},
    (O.ENDPOINT_LOGS, FRAUD, ""): _MANAGERS,
    (O.GRANTS_VIEW, FRAUD, ""): _MANAGERS,
    (O.GRANTS_VIEW, METASTORE, ""): {ADMIN},
    (O.GRANTS_CHANGE, FRAUD, ""): _MANAGERS,
    (O.GRANTS_CHANGE, ML, ""): {ADMIN, "carol", "sam"},
    (O.GRANTS_CHANGE, PROD, ""): {ADMIN, "carol"},
    (O.GRANTS_CHANGE, METASTORE, ""): {ADMIN},
    (O.OWNER_CHANGE, FRAUD, ""): _MANAGERS,
    (O.OWNER_CHANGE, PROD, ""): {ADMIN, "carol"},
    (O.PRINCIPALS_VIEW, METASTORE, ""): EVERYBODY,
    (O.PRINCIPALS_CHANGE, METASTORE, ""): {ADMIN},
    (O.TOKENS_OWN, METASTORE, ""): EVERYBODY,
    (O.TOKENS_OTHERS, METASTORE, ""): {ADMIN},
    (O.AUDIT_VIEW, FRAUD, ""): _MANAGERS,
    (O.AUDIT_ALL, METASTORE, ""): {ADMIN},
    (O.POLICY_CHANGE, METASTORE, ""): {ADMIN},
    (O.TRACKING, METASTORE, ""): EVERYBODY,
}
