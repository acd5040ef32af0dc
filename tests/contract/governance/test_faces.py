"""The faces obey the same written table as our own API, and every address of them has a row in the table of operations.

Changes of the registry are judged in the MLflow child: ``test_mlflow_face.py`` has those.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest

from jupyter_modelserve.addresses import API, TABLE, Owner, Rule, find
from jupyter_modelserve.controller.api.faces import table
from jupyter_modelserve.controller.api.faces.table import (
    COMPUTE,
    DATABRICKS,
    ENDPOINTS,
    FACES,
    FS,
    MLFLOW_UC,
    UC,
    VERSIONS,
)
from jupyter_modelserve.controller.api.operations import Operations, rule_of
from jupyter_modelserve.controller.api.rules import INTERNAL, OPERATION
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable
from tests.contract.governance.conftest import House
from tests.contract.governance.table import ADMIN, ALLOWED, CHURN, FRAUD, ML, PROD, USERS
from tests.contract.governance.test_api_face import SCOPE, _client, stage

__all__ = ["stage"]
O = Operation  # noqa: E741 - as in the table
F, GRANT = FRAUD.name, {"changes": [{"principal": "nobody", "add": ["EXECUTE"]}]}
PLACE, NAMED = "Models/prod/ml/fraud", {"registered_model_name": CHURN.name}
LOADED = {"name": F, "version": "99"}
LOADS = {"model_version_lineage_info": {"direction": "DOWNSTREAM", "entities": [{"job": {"id": "1"}}]}}
CALLS: list[tuple[Operation, Securable, str, str, dict[str, Any] | None]] = [
    (O.METASTORE_VIEW, METASTORE, "GET", f"{UC}/metastore_summary", None),
    (O.CATALOG_VIEW, PROD, "GET", f"{UC}/catalogs/prod", None),
    (O.CATALOG_UPDATE, PROD, "PATCH", f"{UC}/catalogs/prod", {"comment": "x" * 9999}),
    (O.OWNER_CHANGE, PROD, "PATCH", f"{UC}/catalogs/prod", {"owner": "nobody"}),
    (O.CATALOG_DELETE, PROD, "DELETE", f"{UC}/catalogs/prod", None),
    (O.SCHEMA_VIEW, ML, "GET", f"{UC}/schemas/prod.ml", None),
    (O.SCHEMA_UPDATE, ML, "PATCH", f"{UC}/schemas/prod.ml", {"comment": "x" * 9999}),
    (O.SCHEMA_DELETE, ML, "DELETE", f"{UC}/schemas/prod.ml", None),
    (O.MODEL_VIEW, FRAUD, "GET", f"{UC}/models/{F}", None),
    (O.MODEL_VIEW, FRAUD, "GET", f"{UC}/models/{F}/versions", None),
    (O.MODEL_VIEW, FRAUD, "GET", f"{UC}/models/{F}/aliases/none", None),
    (O.MODEL_VIEW, FRAUD, "GET", f"{MLFLOW_UC}/registered-models/get?name={F}", None),
    (O.MODEL_VIEW, FRAUD, "GET", f"{MLFLOW_UC}/registered-models/alias?name={F}&alias=none", None),
    (O.MODEL_VIEW, FRAUD, "GET", f"{MLFLOW_UC}/model-versions/get?name={F}&version=99", None),
    (O.MODEL_VIEW, FRAUD, "POST", f"{MLFLOW_UC}/model-versions/emit-lineage", {"name": F}),
    (O.VERSION_READ, FRAUD, "POST", f"{MLFLOW_UC}/model-versions/emit-lineage", {**LOADED, **LOADS}),
    (O.VERSION_CREATE, FRAUD, "POST", f"{MLFLOW_UC}/model-versions/emit-lineage", LOADED),
    (O.MODEL_VIEW, CHURN, "GET", f"{DATABRICKS}/registered-models/get?name={CHURN.name}", None),
    (O.VERSION_READ, FRAUD, "GET", f"{MLFLOW_UC}/model-versions/get-download-uri?name={F}&version=99", None),
    (O.VERSION_READ, FRAUD, "GET", f"{FS}/files/{PLACE}/99/MLmodel", None),
    (O.VERSION_READ, CHURN, "GET", f"{FS}/files/WorkspaceModels/{CHURN.name}/99/MLmodel", None),
    (O.VERSION_READ, CHURN, "GET", f"{VERSIONS}/list-artifacts?name={CHURN.name}&version=99", None),
    (O.VERSION_READ, CHURN, "GET", f"{VERSIONS}/get-signed-download-uri?name={CHURN.name}&version=99", None),
    (O.VERSION_READ, FRAUD, "GET", f"{FS}/directories/{PLACE}/99", None),
    (O.VERSION_CREATE, FRAUD, "PUT", f"{FS}/files/{PLACE}/99/MLmodel", {}),
    (O.VERSION_CREATE, FRAUD, "POST", f"{FS}/files/{PLACE}/99/MLmodel?action=initiate-upload", None),
    (O.VERSION_CREATE, FRAUD, "POST", f"{MLFLOW_UC}/model-versions/finalize", {"name": F, "version": "99"}),
    (O.VERSION_CREATE, FRAUD, "PATCH", f"{UC}/models/{F}/versions/99/finalize", {}),
    (O.GRANTS_VIEW, FRAUD, "GET", f"{UC}/permissions/function/{F}", None),
    (O.GRANTS_VIEW, FRAUD, "GET", f"{UC}/effective-permissions/FUNCTION/{F}", None),
    (O.GRANTS_VIEW, FRAUD, "GET", f"{UC}/privilege-assignments/function/{F}", None),
    (O.GRANTS_CHANGE, FRAUD, "PATCH", f"{UC}/permissions/function/{F}", GRANT),
    (O.GRANTS_CHANGE, ML, "PATCH", f"{UC}/permissions/schema/{ML.name}", GRANT),
    (O.ENDPOINT_MANAGE, CHURN, "POST", f"{ENDPOINTS}/disable", NAMED),
    (O.ENDPOINT_MANAGE, CHURN, "PUT", f"{COMPUTE}/update-compute-config", {**NAMED, "stage": "Staging"}),
    (O.PRINCIPALS_VIEW, METASTORE, "GET", f"{table.SCIM}/Me", None),
    (O.PRINCIPALS_VIEW, METASTORE, "GET", f"{table.SCIM}/Users?filter=userName+eq+%22root%22", None),
    (O.PRINCIPALS_VIEW, METASTORE, "GET", f"{table.SCIM}/Groups/1", None),
    (O.PRINCIPALS_CHANGE, METASTORE, "POST", f"{table.SCIM}/ServicePrincipals", {}),
    (O.PRINCIPALS_CHANGE, METASTORE, "PATCH", f"{table.SCIM}/Groups/1", {"Operations": []}),
    (O.PRINCIPALS_CHANGE, METASTORE, "DELETE", f"{table.SCIM}/Users/1", None),
    (O.TOKENS_OWN, METASTORE, "POST", f"{table.TOKEN}/create", {"lifetime_seconds": -1}),
    (O.TOKENS_OTHERS, METASTORE, "POST", f"{table.TOKENS}/on-behalf-of/tokens", {"application_id": "a stranger"}),
]  # fmt: skip


def _ask(house: House, method: str, path: str, body: Any, users: tuple[str, ...]) -> dict[str, httpx.Response]:
    async def run() -> dict[str, httpx.Response]:
        async with _client(house) as client:
            return {
                who: await client.request(
                    method, path, json=body, headers={"x-modelserve-principal": quote(who), **SCOPE}
                )
                for who in users
            }

    return asyncio.run(run())


@pytest.mark.req("REQ-054", "REQ-059", "REQ-086", "REQ-162")
@pytest.mark.parametrize(("operation", "on", "method", "path", "body"), CALLS, ids=lambda each: str(each)[:60])
def test_the_faces_equal_the_written_table(
    house: House, operation: Operation, on: Securable, method: str, path: str, body: Any
) -> None:
    answers = _ask(house, method, path, body, (*USERS, "nobody"))
    passed = {who for who, answer in answers.items() if answer.status_code != 403}
    told = {who: each.text for who, each in answers.items()}
    assert passed == set(ALLOWED[operation, on, ""]), told
    assert all(answers[who].status_code < 500 for who in passed), told
    assert all(answers[who].json()["error_code"] == "PERMISSION_DENIED" for who in set(answers) - passed)


@pytest.mark.parametrize(
    ("path", "key", "named", "operation", "on"),
    [
        (f"{UC}/catalogs", "catalogs", "full_name", O.CATALOG_VIEW, PROD),
        (f"{UC}/models", "registered_models", "full_name", O.MODEL_VIEW, FRAUD),
        (f"{MLFLOW_UC}/registered-models/search", "registered_models", "name", O.MODEL_VIEW, FRAUD),
    ],
)
def test_lists_show_what_one_may_see(
    house: House, path: str, key: str, named: str, operation: Operation, on: Securable
) -> None:
    answers = _ask(house, "GET", path, None, (*USERS, "nobody"))
    seen = {
        who
        for who, answer in answers.items()
        if answer.status_code == 200 and on.name in [each[named] for each in answer.json()[key]]
    }
    assert seen == set(ALLOWED[operation, on, ""])


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    routes = {
        (method, str(getattr(route, "path", ""))): getattr(route, "openapi_extra", {}).get(OPERATION)
        for route in create_app(None).routes
        for method in getattr(route, "methods", ())
        if not str(getattr(route, "path", "")).startswith((API, INTERNAL))
    }
    assert set(routes) == set(FACES)
    assert all(operation == FACES[key].operation.value for key, operation in routes.items())
    assert all(rule_of(route) is not None for route in create_app(None).routes)


def test_the_gateway_sends_every_address_to_the_controller() -> None:
    for _, path in FACES:
        row = find(path.replace("{path:path}", "x"))
        assert row is not None, path
        assert (row.owner, row.rule) == (Owner.CONTROLLER, Rule.USE), path
    faces = [row for row in TABLE if row.owner is Owner.CONTROLLER and not row.path.startswith(API)]
    assert all(any(path.startswith(row.path) for _, path in FACES) for row in faces), "no row without an address"


def test_an_address_without_a_row_does_not_start() -> None:
    async def handler() -> None:
        """Nothing."""

    for prefix, path in ((UC, "/forgotten"), ("/elsewhere", "/x"), ("/internals", "/x")):
        with pytest.raises(RuntimeError, match="without a rule: GET"):
            Operations(prefix).operation("GET", path, Rule.USE)(cast(Any, handler))


def test_a_token_that_may_only_score_sees_nothing(house: House) -> None:
    async def run() -> list[int]:
        headers = {"x-modelserve-principal": ADMIN, "x-modelserve-scopes": "score"}
        async with _client(house) as client:
            return [
                (await client.get(path, headers=headers)).status_code
                for path in (f"{UC}/catalogs", f"{table.SCIM}/Me", f"{FS}/files/{PLACE}/1/MLmodel")
            ]

    assert asyncio.run(run()) == [403, 403, 403]
