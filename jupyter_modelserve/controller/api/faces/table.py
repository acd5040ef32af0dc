"""Which operation of the one table each address of the faces is; as :mod:`..rules`, an address without a row does not
start. Pure data.

``own`` means that the object stands in the body or the query, or that the MLflow child judges the change itself.
"""

from __future__ import annotations

from typing import Final

from jupyter_modelserve.controller.api.rules import Judged
from jupyter_modelserve.controller.governance.operations import Operation

O = Operation  # noqa: E741 - reads well in the table
MLFLOW_UC: Final = "/api/2.0/mlflow/unity-catalog"
UC: Final = "/api/2.1/unity-catalog"
FS: Final = "/api/2.0/fs"
DATABRICKS: Final = "/api/2.0/mlflow/databricks"
VERSIONS: Final = "/api/2.0/mlflow/model-versions"
ENDPOINTS: Final = "/api/2.0/preview/mlflow/endpoints-v2"
COMPUTE: Final = "/api/2.0/preview/model-serving-api/endpoints-v2"
SCIM: Final = "/api/2.0/preview/scim/v2"
TOKEN: Final = "/api/2.0/token"  # noqa: S105 - an address
TOKENS: Final = "/api/2.0/token-management"

_MLFLOW: Final = {
    ("POST", "/registered-models/create"): Judged(O.MODEL_CREATE, own=True),
    ("PATCH", "/registered-models/update"): Judged(O.MODEL_UPDATE, own=True),
    ("DELETE", "/registered-models/delete"): Judged(O.MODEL_DELETE, own=True),
    ("GET", "/registered-models/get"): Judged(O.MODEL_VIEW, own=True),
    ("GET", "/registered-models/search"): Judged(O.MODEL_VIEW, filtered=True),
    ("POST", "/registered-models/alias"): Judged(O.MODEL_ALIAS, own=True),
    ("GET", "/registered-models/alias"): Judged(O.MODEL_VIEW, own=True),
    ("DELETE", "/registered-models/alias"): Judged(O.MODEL_ALIAS, own=True),
    ("POST", "/registered-models/set-tag"): Judged(O.MODEL_TAG, own=True),
    ("DELETE", "/registered-models/delete-tag"): Judged(O.MODEL_TAG, own=True),
    ("GET", "/registered-models:is-databricks-sdk-models-artifact-repository-enabled"): Judged(O.METASTORE_VIEW),
    ("POST", "/model-versions/create"): Judged(O.VERSION_CREATE, own=True),
    ("POST", "/model-versions/finalize"): Judged(O.VERSION_CREATE, own=True),
    ("PATCH", "/model-versions/update"): Judged(O.VERSION_UPDATE, own=True),
    ("DELETE", "/model-versions/delete"): Judged(O.VERSION_DELETE, own=True),
    ("GET", "/model-versions/get"): Judged(O.MODEL_VIEW, own=True),
    ("GET", "/model-versions/search"): Judged(O.MODEL_VIEW, filtered=True),
    ("GET", "/model-versions/get-download-uri"): Judged(O.VERSION_READ, own=True),
    ("POST", "/model-versions/set-tag"): Judged(O.VERSION_TAG, own=True),
    ("DELETE", "/model-versions/delete-tag"): Judged(O.VERSION_TAG, own=True),
    ("POST", "/model-versions/emit-lineage"): Judged(O.MODEL_VIEW, own=True),
    ("POST", "/model-versions/transition-stage"): Judged(O.METASTORE_VIEW),
}
_UC: Final = {
    ("GET", "/current-metastore-assignment"): Judged(O.METASTORE_VIEW),
    ("GET", "/metastore_summary"): Judged(O.METASTORE_VIEW),
    ("GET", "/catalogs"): Judged(O.CATALOG_VIEW, filtered=True),
    ("POST", "/catalogs"): Judged(O.CATALOG_CREATE, own=True),
    ("GET", "/catalogs/{name}"): Judged(O.CATALOG_VIEW, "catalog"),
    ("PATCH", "/catalogs/{name}"): Judged(O.CATALOG_VIEW, own=True),
    ("DELETE", "/catalogs/{name}"): Judged(O.CATALOG_DELETE, "catalog"),
    ("GET", "/schemas"): Judged(O.SCHEMA_VIEW, filtered=True),
    ("POST", "/schemas"): Judged(O.SCHEMA_CREATE, own=True),
    ("GET", "/schemas/{name}"): Judged(O.SCHEMA_VIEW, "schema"),
    ("PATCH", "/schemas/{name}"): Judged(O.SCHEMA_VIEW, own=True),
    ("DELETE", "/schemas/{name}"): Judged(O.SCHEMA_DELETE, "schema"),
    ("GET", "/models"): Judged(O.MODEL_VIEW, filtered=True),
    ("POST", "/models"): Judged(O.MODEL_CREATE, own=True),
    ("POST", "/models/versions"): Judged(O.VERSION_CREATE, own=True),
    ("GET", "/models/{name}"): Judged(O.MODEL_VIEW, "model"),
    ("PATCH", "/models/{name}"): Judged(O.MODEL_VIEW, "model"),
    ("DELETE", "/models/{name}"): Judged(O.MODEL_DELETE, "model"),
    ("GET", "/models/{name}/versions"): Judged(O.MODEL_VIEW, "model"),
    ("GET", "/models/{name}/versions/{version}"): Judged(O.MODEL_VIEW, "model"),
    ("PATCH", "/models/{name}/versions/{version}"): Judged(O.VERSION_UPDATE, "model"),
    ("DELETE", "/models/{name}/versions/{version}"): Judged(O.VERSION_DELETE, "model"),
    ("PATCH", "/models/{name}/versions/{version}/finalize"): Judged(O.VERSION_CREATE, "model"),
    ("GET", "/models/{name}/aliases/{alias}"): Judged(O.MODEL_VIEW, "model"),
    ("PUT", "/models/{name}/aliases/{alias}"): Judged(O.MODEL_ALIAS, "model"),
    ("DELETE", "/models/{name}/aliases/{alias}"): Judged(O.MODEL_ALIAS, "model"),
    ("PATCH", "/securable-tags/{kind}/{name}"): Judged(O.MODEL_TAG, "model"),
    ("PATCH", "/subentity-tags/{kind}/{name}/{version}"): Judged(O.VERSION_TAG, "model"),
    ("GET", "/permissions/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
    ("PATCH", "/permissions/{kind}/{name}"): Judged(O.GRANTS_CHANGE, own=True),
    ("GET", "/effective-permissions/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
    ("GET", "/privilege-assignments/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
    ("GET", "/effective-privilege-assignments/{kind}/{name}"): Judged(O.GRANTS_VIEW, own=True),
}
_FS: Final = {
    ("PUT", "/files/Models/{catalog}/{schema}/{model}/{version}/{path:path}"): Judged(O.VERSION_CREATE, own=True),
    ("POST", "/files/Models/{catalog}/{schema}/{model}/{version}/{path:path}"): Judged(O.VERSION_CREATE, own=True),
    ("GET", "/files/Models/{catalog}/{schema}/{model}/{version}/{path:path}"): Judged(O.VERSION_READ, own=True),
    ("HEAD", "/files/Models/{catalog}/{schema}/{model}/{version}/{path:path}"): Judged(O.VERSION_READ, own=True),
    ("GET", "/directories/Models/{catalog}/{schema}/{model}/{path:path}"): Judged(O.VERSION_READ, own=True),
    ("HEAD", "/directories/Models/{catalog}/{schema}/{model}/{path:path}"): Judged(O.VERSION_READ, own=True),
    ("GET", "/files/WorkspaceModels/{name}/{version}/{path:path}"): Judged(O.VERSION_READ, own=True),
    ("POST", "/create-upload-part-urls"): Judged(O.METASTORE_VIEW),
    ("POST", "/create-abort-upload-url"): Judged(O.METASTORE_VIEW),
}
_PRINCIPALS: Final = ("Users", "Groups", "ServicePrincipals")
_OTHERS: Final = {
    ("GET", f"{VERSIONS}/list-artifacts"): Judged(O.VERSION_READ, own=True),
    ("GET", f"{VERSIONS}/get-signed-download-uri"): Judged(O.VERSION_READ, own=True),
    ("GET", f"{DATABRICKS}/registered-models/get"): Judged(O.MODEL_VIEW, own=True),
    ("POST", f"{DATABRICKS}/model-versions/transition-stage"): Judged(O.VERSION_STAGE, own=True),
    ("POST", f"{ENDPOINTS}/enable"): Judged(O.ENDPOINT_MANAGE, own=True),
    ("POST", f"{ENDPOINTS}/disable"): Judged(O.ENDPOINT_MANAGE, own=True),
    ("GET", f"{ENDPOINTS}/get-status"): Judged(O.ENDPOINT_VIEW, own=True),
    ("GET", f"{ENDPOINTS}/list-versions"): Judged(O.ENDPOINT_VIEW, own=True),
    ("GET", f"{ENDPOINTS}/get-version-status"): Judged(O.ENDPOINT_VIEW, own=True),
    ("GET", f"{ENDPOINTS}/list-version-aliases"): Judged(O.ENDPOINT_VIEW, own=True),
    ("PUT", f"{COMPUTE}/update-compute-config"): Judged(O.ENDPOINT_MANAGE, own=True),
    ("GET", f"{SCIM}/Me"): Judged(O.PRINCIPALS_VIEW),
    **{("GET", f"{SCIM}/{each}"): Judged(O.PRINCIPALS_VIEW) for each in _PRINCIPALS},
    **{("POST", f"{SCIM}/{each}"): Judged(O.PRINCIPALS_CHANGE) for each in _PRINCIPALS},
    **{("GET", f"{SCIM}/{each}/{{number}}"): Judged(O.PRINCIPALS_VIEW) for each in _PRINCIPALS},
    **{("DELETE", f"{SCIM}/{each}/{{number}}"): Judged(O.PRINCIPALS_CHANGE) for each in _PRINCIPALS},
    ("PATCH", f"{SCIM}/Groups/{{number}}"): Judged(O.PRINCIPALS_CHANGE),
    ("POST", f"{TOKEN}/create"): Judged(O.TOKENS_OWN, own=True),
    ("GET", f"{TOKEN}/list"): Judged(O.TOKENS_OWN, filtered=True),
    ("POST", f"{TOKEN}/delete"): Judged(O.TOKENS_OWN, own=True),
    ("POST", f"{TOKENS}/on-behalf-of/tokens"): Judged(O.TOKENS_OTHERS, own=True),
}
FACES: Final[dict[tuple[str, str], Judged]] = {
    **{(method, MLFLOW_UC + path): judged for (method, path), judged in _MLFLOW.items()},
    **{(method, UC + path): judged for (method, path), judged in _UC.items()},
    **{(method, FS + path): judged for (method, path), judged in _FS.items()},
    **_OTHERS,
}
"""Method and full address → operation."""
