"""Our API obeys the written table, and every address of it has a row in the table of operations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest

from jupyter_modelserve.addresses import API, Rule
from jupyter_modelserve.controller.api.operations import Operations
from jupyter_modelserve.controller.api.rules import ALL, OPERATION
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.controller.checking.reading import readable
from jupyter_modelserve.controller.checking.service import Checks
from jupyter_modelserve.controller.endpoints.manager import Judge
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable, model
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.store import endpoints as store
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    Endpoint,
    EndpointSpec,
    EndpointStatus,
    Selector,
    SelectorKind,
    ServedEntity,
    to_json,
)
from tests.contract.governance.conftest import House
from tests.contract.governance.table import ADMIN, ALLOWED, CHURN, EVERYBODY, FRAUD, ML, PROD, USERS

O = Operation  # noqa: E741 - as in the table
SPEC = EndpointSpec("fraud", (ServedEntity(FRAUD.name, Selector(SelectorKind.VERSION, "1"), "a"),))
F = FRAUD.name
NEW = model("prod.ml.new")
GONE = f"models:/m-{'0' * 32}"

CALLS: dict[tuple[Operation, Securable], tuple[str, str, dict[str, Any] | None]] = {
    (O.INSTANCE_VIEW, METASTORE): ("GET", "/tag-policies", None),
    (O.INSTANCE_CHANGE, METASTORE): ("POST", "/interpreters", {"path": "x"}),
    (O.METASTORE_VIEW, METASTORE): ("GET", "/metastore", None),
    (O.METASTORE_UPDATE, METASTORE): ("PATCH", "/metastore", {"default_catalog": "nowhere"}),
    (O.CATALOG_VIEW, PROD): ("GET", "/catalogs/prod", None),
    (O.CATALOG_UPDATE, PROD): ("PATCH", "/catalogs/prod", {"comment": 1}),
    (O.CATALOG_DELETE, PROD): ("DELETE", "/catalogs/prod", None),
    (O.SCHEMA_VIEW, ML): ("GET", "/schemas/prod.ml", None),
    (O.SCHEMA_UPDATE, ML): ("PATCH", "/schemas/prod.ml", {"comment": 1}),
    (O.SCHEMA_DELETE, ML): ("DELETE", "/schemas/prod.ml", None),
    (O.MODEL_VIEW, FRAUD): ("GET", f"/models/{F}", None),
    (O.MODEL_VIEW, CHURN): ("GET", "/models/churn", None),
    (O.VERSION_READ, FRAUD): ("GET", f"/models/{F}/versions/99", None),
    (O.VERSION_READ, CHURN): ("GET", "/models/churn/versions/99", None),
    (O.VERSION_CHECK, FRAUD): ("POST", f"/models/{F}/versions/99/check", None),
    (O.VERSION_CHECK, CHURN): ("GET", "/models/churn/versions/99/check", None),
    (O.VERSION_CREATE, FRAUD): ("POST", "/checks", {"model": F, "source": GONE}),
    (O.VERSION_CREATE, CHURN): ("POST", "/checks", {"model": "churn", "source": GONE}),
    (O.MODEL_CREATE, NEW): ("POST", "/checks", {"model": "prod.ml.new", "source": GONE}),
    (O.ENDPOINT_VIEW, FRAUD): ("GET", "/endpoints/fraud/events", None),
    (O.ENDPOINT_MANAGE, FRAUD): ("PUT", "/endpoints/fraud", to_json(SPEC)),
    (O.ENDPOINT_LOGS, FRAUD): ("GET", "/endpoints/fraud/logs?version=1&tail=0", None),
    (O.GRANTS_VIEW, FRAUD): ("GET", f"/grants/MODEL/{F}", None),
    (O.GRANTS_VIEW, METASTORE): ("GET", "/grants/METASTORE/-", None),
    (O.GRANTS_CHANGE, FRAUD): (
        "PATCH", f"/grants/FUNCTION/{F}", {"changes": [{"principal": "nobody", "add": ["EXECUTE"]}]},
    ),
    (O.GRANTS_CHANGE, ML): ("POST", "/statements", {"statement": "GRANT EXECUTE ON SCHEMA prod.ml TO nobody"}),
    (O.GRANTS_CHANGE, PROD): ("POST", "/statements", {"statement": "REVOKE EXECUTE ON CATALOG prod FROM nobody"}),
    (O.OWNER_CHANGE, FRAUD): ("PUT", f"/owner/function/{F}", {"owner": "nobody"}),
    (O.OWNER_CHANGE, PROD): ("PUT", "/owner/catalog/prod", {"owner": "nobody"}),
    (O.PRINCIPALS_VIEW, METASTORE): ("GET", "/principals/me", None),
    (O.PRINCIPALS_CHANGE, METASTORE): ("POST", "/principals", {"name": ""}),
    (O.TOKENS_OWN, METASTORE): ("POST", "/tokens", {"lifetime": -1}),
    (O.TOKENS_OTHERS, METASTORE): ("POST", "/tokens", {"principal": "a stranger"}),
    (O.AUDIT_VIEW, FRAUD): ("GET", f"/audit?kind=MODEL&name={F}", None),
    (O.AUDIT_ALL, METASTORE): ("GET", "/audit", None),
    (O.POLICY_CHANGE, METASTORE): ("PUT", "/tag-policies/x", {"allowed": "none"}),
}  # fmt: skip


@asynccontextmanager
async def _client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    database = Database.of(house.paths)
    publication = Publication("i", database)
    await publication.load([])
    publication.acknowledge(10**9)
    governance = Governance(database, publication.governed)

    class Endpoints:
        async def listing(self) -> tuple[Any, ...]:
            return tuple(await database.run(store.listing))

        async def get(self, name: str) -> Any:
            return await database.run(store.get, name)

        async def put(self, spec: EndpointSpec, *_: Any, judge: Judge, **__: Any) -> Any:
            known = {each.spec.name: each.spec for each in await self.listing()}
            await database.run(judge, known.get(spec.name))
            return Endpoint(SPEC, 1, 0, 0, "", EndpointStatus())

        async def delete(self, name: str, *_: Any, judge: Judge, **__: Any) -> Any:
            await database.run(judge, (await self.get(name)).spec)
            return Endpoint(SPEC, 1, 0, 0, "", EndpointStatus())

    child: Any = SimpleNamespace(state="running")
    instance: Any = SimpleNamespace(url="http://127.0.0.1")
    endpoints: Any = Endpoints()
    runner: Any = None  # no check is started here
    checks = Checks(database, house.paths, runner)
    controller = Controller(
        instance, house.paths, Settings(), database, publication, endpoints, child, governance, checks
    )
    transport = httpx.ASGITransport(create_app(controller), raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
            yield client
    finally:
        await database.close()


def _ask(house: House, method: str, path: str, body: Any, users: tuple[str, ...]) -> dict[str, httpx.Response]:
    async def run() -> dict[str, httpx.Response]:
        async with _client(house) as client:
            return {
                who: await client.request(
                    method, f"{API}{path}", json=body, headers={"x-modelserve-principal": quote(who), **SCOPE}
                )
                for who in users
            }

    return asyncio.run(run())


SCOPE = {"x-modelserve-scopes": "all"}


@pytest.fixture(scope="module", autouse=True)
def stage(house: House) -> None:
    """Both models with their owners, and an endpoint."""
    from tests.contract.governance.test_mlflow_face import _owners

    for name in (F, CHURN.name):
        assert house.ask(ADMIN, "POST", "registered-models/create", name=name).status_code == 200
    house.sql(_owners)
    house.sql(store.put, SPEC, ADMIN, False)


@pytest.mark.req("REQ-023", "REQ-054", "REQ-086", "REQ-162")
@pytest.mark.parametrize(("operation", "on"), CALLS, ids=lambda each: str(each))
def test_the_api_equals_the_written_table(house: House, operation: Operation, on: Securable) -> None:
    method, path, body = CALLS[operation, on]
    answers = _ask(house, method, path, body, (*USERS, "nobody"))
    passed = {who for who, answer in answers.items() if answer.status_code != 403}
    if operation in {O.ENDPOINT_MANAGE, O.ENDPOINT_LOGS, O.ENDPOINT_VIEW}:
        # Who may see nothing of an endpoint is told that it does not exist.
        passed = {who for who in passed if not (answers[who].status_code == 404 and "may not see" in answers[who].text)}
    assert passed == set(ALLOWED[operation, on, ""]), {who: each.text for who, each in answers.items()}
    assert all(answer.status_code < 500 for who, answer in answers.items() if who in passed), {
        who: each.text for who, each in answers.items() if each.status_code >= 500
    }
    for who in set(answers) - passed:
        assert answers[who].json()["error_code"] in {"PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST"}


@pytest.mark.req("REQ-127", "REQ-162")
@pytest.mark.parametrize("on", [FRAUD, CHURN], ids=str)
def test_other_packages_are_tried_by_who_may_bring_code_to_the_model(house: House, on: Securable) -> None:
    """EXECUTE alone runs what the version's maker has chosen, and nothing else."""
    path = f"/models/{on.name}/versions/99/check"
    for overrides in ({"requirements": ["tqdm"]}, {"remove": ["tqdm"]}, {"python": "3.10"}):
        answers = _ask(house, "POST", path, {"overrides": overrides}, (*USERS, "nobody"))
        passed = {who for who, answer in answers.items() if answer.status_code != 403}
        assert passed == set(ALLOWED[O.VERSION_CHECK, on, ""]) & set(ALLOWED[O.VERSION_TRY, on, ""])
        assert {answers[who].status_code for who in passed} == {404}
        assert "CREATE_MODEL_VERSION or MANAGE" in answers["rita"].json()["message"]


@pytest.mark.parametrize(
    ("path", "key", "operation"),
    [
        ("/models", "models", O.MODEL_VIEW),
        ("/outline", "models", O.MODEL_VIEW),
        ("/endpoints", "endpoints", O.ENDPOINT_VIEW),
        ("/catalogs", "catalogs", O.CATALOG_VIEW),
        ("/schemas", "schemas", O.SCHEMA_VIEW),
    ],
)
def test_lists_show_what_one_may_see(house: House, path: str, key: str, operation: Operation) -> None:
    answers = _ask(house, "GET", path, None, (*USERS, "nobody"))
    on = {O.CATALOG_VIEW: PROD, O.SCHEMA_VIEW: ML}.get(operation, FRAUD)
    name = "fraud" if key == "endpoints" else on.name

    def has(answer: httpx.Response) -> bool:
        items = answer.json()[key]
        return any((each["spec"]["name"] if key == "endpoints" else each["name"]) == name for each in items)

    seen = {who for who, answer in answers.items() if answer.status_code == 200 and has(answer)}
    assert seen == set(ALLOWED[operation, on, ""])
    assert set(answers) >= EVERYBODY


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    paths = create_app(None).openapi()["paths"]
    routes = {
        (method.upper(), path.removeprefix(API)): operation.get(OPERATION)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith(f"{API}/")
    }
    assert set(routes) == set(ALL)
    assert all(operation == ALL[key].operation.value for key, operation in routes.items())


def test_an_address_without_a_row_does_not_start() -> None:
    async def handler() -> None:
        """Nothing."""

    with pytest.raises(RuntimeError, match="without a rule: GET"):
        Operations(API).operation("GET", "/forgotten", Rule.USE)(cast(Any, handler))


def test_a_token_that_may_only_score_changes_nothing(house: House) -> None:
    async def run() -> httpx.Response:
        async with _client(house) as client:
            headers = {"x-modelserve-principal": ADMIN, "x-modelserve-scopes": "score"}
            return await client.get(f"{API}/catalogs", headers=headers)

    assert asyncio.run(run()).status_code == 403


@pytest.mark.req("REQ-075", "REQ-127")
def test_who_checks_a_logged_model_must_be_allowed_to_read_it(house: House) -> None:
    _, logged = house.logged(ADMIN)
    assert house.register(ADMIN, CHURN.name, logged).status_code == 200

    async def judged(who: str, source: str) -> str:
        database = Database.of(house.paths)
        try:
            return await readable(database, house.paths, Actor(who), source)
        except ModelServeError as error:
            return error.error_code
        finally:
            await database.close()

    place = f"mlflow-artifacts:/0/models/{logged}/artifacts"
    for source in (f"models:/{logged}", place):
        assert asyncio.run(judged("rita", source)) == place
        assert asyncio.run(judged("mona", source)) == "PERMISSION_DENIED"
        assert asyncio.run(judged("nobody", source)) == "PERMISSION_DENIED"
    assert asyncio.run(judged("mona", f"models:/{CHURN.name}/1")) == "PERMISSION_DENIED"
    for source in (f"runs:/{'0' * 32}/model", GONE, f"{place}/data"):
        assert asyncio.run(judged(ADMIN, source)) == "RESOURCE_DOES_NOT_EXIST"
    for source in ("file:///etc", "/etc", f"{place}/../../x", f"{place}/%2e%2e/x", f"mlflow-artifacts:/{'../' * 9}etc"):
        assert asyncio.run(judged(ADMIN, source)) == "INVALID_PARAMETER_VALUE"
