"""The one table of address prefixes: which process owns it and which rule admits a request (architecture §4).

The gateway routes and authorises by it, the reference documentation is rendered from it, and a request that matches
no row is refused. Floor 0: imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

API: Final = "/api/modelserve/v1"


class Owner(StrEnum):
    """The process that answers."""

    GATEWAY = "gateway"
    WORKER = "worker"
    CONTROLLER = "controller"
    MLFLOW = "mlflow"


class Rule(StrEnum):
    """What a caller needs. Every operation names one; an operation without a rule does not start."""

    OPEN = "open"
    AUTHENTICATED = "authenticated"
    SCORE = "score"
    USE = "use"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Prefix:
    """One row. ``path`` ends in ``/`` when it covers everything below it, else it is one exact address."""

    path: str
    owner: Owner
    rule: Rule
    doc: str

    def covers(self, path: str) -> bool:
        """Whether *path* (percent-decoded, normalised) falls under this row."""
        return path.startswith(self.path) if self.path.endswith("/") else path == self.path


_BY_VERSION = "Score a version: `/model/<name>/<version|stage|alias>/invocations` (REQ-015, REQ-016)."
_BY_STAGE = "Score a stage: `/model-endpoint/<name>/<stage>/invocations` (REQ-171)."
_BY_ENDPOINT = "Score an endpoint: `/serving-endpoints/<endpoint>/invocations`."
_PAGES = "The same operations as MLflow's own pages call them."
_UC_MLFLOW = "The `databricks-uc` registry of MLflow's clients."
_UC_REST = "Unity Catalog REST: catalogs, schemas, models, versions, aliases, tags, permissions."
_UC_FILES = "Files of registered versions: `/api/2.0/fs/files/Models/<catalog>/<schema>/<model>/<version>/…`."
_STAGES = "The workspace registry's own calls: stage transitions with a comment (REQ-183)."
_ENABLE = "Serverless real-time inference: enable, disable, status (REQ-164, REQ-187 to REQ-195)."
_COMPUTE = "Compute of a stage: `update-compute-config` (REQ-166)."
_WORKSPACE_FILES = "Files of the workspace registry, for clients with the registry URI `databricks` (REQ-109)."
_SCIM = "Who the caller is; users, groups and service principals in SCIM's words."
_DISCOVERY = "Discovery document that databricks-sdk asks for."

TABLE: Final = (
    Prefix("/model/", Owner.WORKER, Rule.SCORE, _BY_VERSION),
    Prefix("/model-endpoint/", Owner.WORKER, Rule.SCORE, _BY_STAGE),
    Prefix("/serving-endpoints/", Owner.WORKER, Rule.SCORE, _BY_ENDPOINT),
    Prefix(f"{API}/", Owner.CONTROLLER, Rule.AUTHENTICATED, "Our own API; every operation declares its rule."),
    Prefix("/api/2.0/mlflow/unity-catalog/", Owner.CONTROLLER, Rule.USE, _UC_MLFLOW),
    Prefix("/api/2.0/mlflow/databricks/", Owner.CONTROLLER, Rule.USE, _STAGES),
    Prefix("/api/2.1/unity-catalog/", Owner.CONTROLLER, Rule.USE, _UC_REST),
    Prefix("/api/2.0/fs/", Owner.CONTROLLER, Rule.USE, _UC_FILES),
    Prefix("/api/2.0/preview/mlflow/endpoints-v2/", Owner.CONTROLLER, Rule.USE, _ENABLE),
    Prefix("/api/2.0/preview/model-serving-api/endpoints-v2/", Owner.CONTROLLER, Rule.USE, _COMPUTE),
    Prefix("/api/2.0/preview/scim/v2/", Owner.CONTROLLER, Rule.USE, _SCIM),
    Prefix("/api/2.0/token/", Owner.CONTROLLER, Rule.USE, "One's own tokens, as databricks-sdk asks for them."),
    Prefix("/api/2.0/token-management/", Owner.CONTROLLER, Rule.USE, "Tokens of service principals (REQ-021)."),
    Prefix("/api/2.0/mlflow/model-versions/list-artifacts", Owner.CONTROLLER, Rule.USE, _WORKSPACE_FILES),
    Prefix("/api/2.0/mlflow/model-versions/get-signed-download-uri", Owner.CONTROLLER, Rule.USE, _WORKSPACE_FILES),
    Prefix("/api/2.0/mlflow/", Owner.MLFLOW, Rule.USE, "MLflow REST: runs, experiments, registry."),
    Prefix("/api/3.0/mlflow/", Owner.MLFLOW, Rule.USE, "MLflow 3 REST: traces and newer calls."),
    Prefix("/ajax-api/2.0/mlflow/", Owner.MLFLOW, Rule.USE, _PAGES),
    Prefix("/ajax-api/3.0/mlflow/", Owner.MLFLOW, Rule.USE, _PAGES),
    Prefix("/api/2.0/mlflow-artifacts/", Owner.MLFLOW, Rule.USE, "Artifact upload and download, streamed."),
    Prefix("/health", Owner.GATEWAY, Rule.OPEN, "200 when the gateway answers; says which parts run."),
    Prefix("/metrics", Owner.GATEWAY, Rule.AUTHENTICATED, "Prometheus metrics."),
    Prefix("/version", Owner.MLFLOW, Rule.USE, "MLflow's version, which its clients ask for."),
    Prefix("/.well-known/databricks-config", Owner.GATEWAY, Rule.OPEN, _DISCOVERY),
)


def find(path: str) -> Prefix | None:
    """The row for *path*, or ``None``: the request is then refused."""
    return next((row for row in TABLE if row.covers(path)), None)
