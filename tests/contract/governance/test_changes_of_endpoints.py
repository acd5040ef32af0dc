"""Changes of endpoints that meet: none is lost, and each is judged on what it really changes.

What comes between is let in on purpose at the last moment before the transaction that writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, text

from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.api.faces.table import COMPUTE, ENDPOINTS
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.controller.endpoints import manager
from jupyter_modelserve.controller.endpoints.manager import Endpoints
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.registry import reader, renames
from jupyter_modelserve.controller.store import endpoints as store
from jupyter_modelserve.controller.store import feed, secrets
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import EndpointSpec, EndpointStatus, Selector, SelectorKind, ServedEntity, to_json
from tests.contract.governance import cast
from tests.contract.governance.table import ADMIN, CHURN, FRAUD
from tests.support.fake_engine import FakeEngine
from tests.unit.endpoints.test_renames import TABLES, create

MINE = EndpointSpec("churn", (ServedEntity("churn", Selector(SelectorKind.ACTIVE), "a", 100),))
THEIRS = replace(MINE, entities=(replace(MINE.entities[0], model=FRAUD.name),))
NAMED = {"registered_model_name": CHURN.name}
Work = Callable[[Connection], object]


class Unreconciled(Endpoints):
    """Stores what is asked for; nothing is made of it."""

    def _take_up(self, name: str) -> Any:
        return SimpleNamespace(status=EndpointStatus(), wake=lambda: None)


class House:
    """The API over a database, and what comes between the judgement of the next request and its change."""

    def __init__(self, database: Database, client: httpx.AsyncClient, endpoints: Endpoints) -> None:
        self.database = database
        self.endpoints = endpoints
        self.client = client
        self.between: Work | None = None

    async def interrupt(self) -> None:
        work, self.between = self.between, None
        if work is not None:
            await self.database.run(work)

    async def ask(
        self, method: str, path: str, body: Any = None, who: str = "wanda", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        known = {"x-modelserve-principal": who, "x-modelserve-scopes": "all"}
        return await self.client.request(method, path, json=body, headers={**known, **(headers or {})})

    async def put(self, spec: EndpointSpec = MINE, **values: str) -> httpx.Response:
        answer = await self.ask("PUT", f"{API}/endpoints/{spec.name}", to_json(spec) | {"secret_values": values})
        assert answer.status_code == 202, answer.text
        return answer

    async def stored(self) -> EndpointSpec:
        return (await self.database.run(store.get, "churn")).spec

    async def values(self) -> dict[str, str]:
        return {name: each.value for name, each in (await self.database.run(secrets.of, "churn")).items()}


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    paths, settings = Paths(tmp_path), Settings()
    database = Database.of(paths)
    await database.prepare(ADMIN)
    await database.run(_fill)
    publication = Publication("i", database)
    await publication.load([])
    publication.acknowledge(10**9)
    parts: Any = SimpleNamespace(url="http://127.0.0.1")
    endpoints = Unreconciled(database, FakeEngine(), parts, publication, settings, "")
    governance = Governance(database, publication.governed)
    controller = Controller(parts, paths, settings, database, publication, endpoints, parts, governance, parts)
    transport = httpx.ASGITransport(create_app(controller), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
        made = House(database, client, endpoints)
        when_ready, delete = reader.when_ready, endpoints.delete

        async def ready(read: Callable[[], Awaitable[Any]], patience: float) -> Any:
            await made.interrupt()
            return await when_ready(read, patience)

        async def deleted(*args: Any, **kwargs: Any) -> Any:
            await made.interrupt()
            return await delete(*args, **kwargs)

        monkeypatch.setattr(reader, "when_ready", ready)
        monkeypatch.setattr(endpoints, "delete", deleted)
        yield made
    await database.close()


def _fill(connection: Connection) -> None:
    for table in TABLES:
        connection.execute(text(table))
    feed.install(connection)
    renames.begin(connection)
    create(connection, CHURN.name)
    create(connection, FRAUD.name)
    cast.write(connection)


def putting(spec: EndpointSpec, **values: str) -> Work:
    return lambda connection: manager._put(connection, spec, "tina", False, None, values)


@pytest.mark.req("REQ-140")
async def test_secrets_that_are_set_at_once_are_all_kept(house: House) -> None:
    await house.put()
    names = [f"KEY_{number}" for number in range(8)]
    path = f"{API}/endpoints/churn/secrets"
    answers = await asyncio.gather(*(house.ask("PUT", f"{path}/{each}", {"value": f"of {each}"}) for each in names))
    assert {each.status_code for each in answers} == {202}
    assert list((await house.stored()).secrets) == names
    assert await house.values() == {each: f"of {each}" for each in names}


@pytest.mark.req("REQ-140")
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_secret_reverts_nothing_that_changed_beside_it(house: House, method: str) -> None:
    await house.put(OLD="old value")
    later = replace(MINE, environment_vars={"REGION": "eu"}, tags={"team": "a"}, secrets=("OLD", "BESIDE"))
    house.between = putting(later, BESIDE="beside value")
    name, body = ("NEW", {"value": "new value"}) if method == "PUT" else ("OLD", None)
    assert (await house.ask(method, f"{API}/endpoints/churn/secrets/{name}", body)).status_code == 202
    found = await house.stored()
    assert (found.environment_vars, found.tags) == ({"REGION": "eu"}, {"team": "a"})
    kept = {"OLD": "old value", "NEW": "new value"} if method == "PUT" else {}
    assert await house.values() == {**kept, "BESIDE": "beside value"}


@pytest.mark.req("REQ-140")
async def test_a_secret_that_is_not_there_cannot_be_removed(house: House) -> None:
    await house.put(ONE="one", TWO="two")
    answer = await house.ask("DELETE", f"{API}/endpoints/churn/secrets/NOPE")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert answer.json()["message"] == "endpoint churn has no such secret (its secrets: ONE, TWO)"
    assert await house.values() == {"ONE": "one", "TWO": "two"}
    for name, left in (("ONE", "its secrets: TWO"), ("TWO", "it has none")):
        assert (await house.ask("DELETE", f"{API}/endpoints/churn/secrets/{name}")).status_code == 202
        assert left in (await house.ask("DELETE", f"{API}/endpoints/churn/secrets/{name}")).json()["message"]


@pytest.mark.req("REQ-023", "REQ-086")
@pytest.mark.parametrize(
    ("method", "path", "body", "before", "status"),
    [
        ("PUT", f"{API}/endpoints/churn", to_json(MINE), None, 409),
        ("PUT", f"{API}/endpoints/churn", to_json(MINE), MINE, 409),
        ("DELETE", f"{API}/endpoints/churn", None, MINE, 404),
        ("PUT", f"{API}/endpoints/churn/secrets/KEY", {"value": "of mine"}, MINE, 404),
        ("DELETE", f"{API}/endpoints/churn/secrets/KEY", None, MINE, 404),
        ("POST", f"{ENDPOINTS}/enable", NAMED, None, 409),
        ("POST", f"{ENDPOINTS}/enable", NAMED, MINE, 409),
    ],
)
async def test_an_endpoint_that_another_one_became_is_judged_anew(
    house: House, method: str, path: str, body: Any, before: EndpointSpec | None, status: int
) -> None:
    if before is not None:
        await house.put(before)
    house.between = putting(replace(THEIRS, secrets=("KEY",)), KEY="of theirs")
    answer = await house.ask(method, path, body)
    assert answer.status_code == status, answer.text
    assert FRAUD.name not in answer.text
    assert [each.model for each in (await house.stored()).entities] == [FRAUD.name]
    assert await house.values() == {"KEY": "of theirs"}
    assert not (await house.database.run(store.get, "churn")).deleting


async def test_who_manages_one_of_two_models_may_not_overwrite_both(house: House) -> None:
    both = replace(
        MINE, entities=(replace(MINE.entities[0], traffic=50), replace(THEIRS.entities[0], name="b", traffic=50))
    )
    house.between = putting(both)
    answer = await house.ask("PUT", f"{API}/endpoints/churn", to_json(MINE))
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert await house.stored() == both


@pytest.mark.req("REQ-140")
async def test_a_body_that_does_not_mention_secrets_keeps_them(house: House) -> None:
    await house.put(KEY="first value")
    body = {"entities": to_json(MINE.entities), "environment_vars": {"REGION": "eu"}}
    answer = await house.ask("PUT", f"{API}/endpoints/churn", body)
    assert answer.json()["spec"]["secrets"] == ["KEY"]
    await house.ask("PUT", f"{API}/endpoints/churn", body | {"secret_values": {"OTHER": "other value"}})
    assert await house.values() == {"KEY": "first value", "OTHER": "other value"}
    await house.ask("PUT", f"{API}/endpoints/churn", body | {"secrets": ["OTHER"]})
    assert await house.values() == {"OTHER": "other value"}


@pytest.mark.req("REQ-011", "REQ-140", "REQ-164")
async def test_enabling_a_model_that_is_served_keeps_what_it_is_given(house: House) -> None:
    await house.put(
        replace(MINE, environment_vars={"REGION": "eu"}, tags={"team": "a"}, request_timeout=7), KEY="value"
    )
    assert (await house.ask("POST", f"{ENDPOINTS}/enable", NAMED)).status_code == 200
    found = await house.stored()
    assert [each.selector.value for each in found.entities] == ["Staging", "Production"]
    assert (found.environment_vars, found.tags["team"], found.request_timeout) == ({"REGION": "eu"}, "a", 7)
    assert await house.values() == {"KEY": "value"}


@pytest.mark.req("REQ-166")
async def test_compute_of_a_stage_is_changed_in_what_is_stored_then(house: House) -> None:
    wanted = {"desired_workload_config_spec": {"workload_size_id": "Large"}, "stage": "Staging", **NAMED}
    assert (await house.ask("POST", f"{ENDPOINTS}/enable", NAMED)).status_code == 200
    house.between = putting(replace(await house.stored(), environment_vars={"REGION": "eu"}))
    assert (await house.ask("PUT", f"{COMPUTE}/update-compute-config", wanted)).status_code == 200
    found = await house.stored()
    assert ([each.workload_size.value for each in found.entities], found.environment_vars) == (
        ["Large", "Small"], {"REGION": "eu"},
    )  # fmt: skip
    for method, path in (("PUT", f"{COMPUTE}/update-compute-config"), ("POST", f"{ENDPOINTS}/disable")):
        await house.database.run(putting(found))
        house.between = putting(THEIRS)
        answer = await house.ask(method, path, wanted | {"stage": "Production"})
        assert (answer.status_code, FRAUD.name in answer.text) == (404, False), answer.text
        assert await house.stored() == THEIRS


REGION: dict[str, Any] = {"entities": to_json(MINE.entities), "environment_vars": {"REGION": "eu"}}
KEY = f"{API}/endpoints/churn/secrets/KEY"


@pytest.mark.req("REQ-129")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", f"{API}/endpoints/churn", REGION),
        ("DELETE", f"{API}/endpoints/churn", None),
        ("PUT", KEY, {"value": "new value"}),
        ("DELETE", KEY, None),
    ],
)
async def test_a_change_on_condition_does_not_overwrite_what_came_between(
    house: House, method: str, path: str, body: Any
) -> None:
    await house.put(KEY="of mine")
    seen = (await house.ask("GET", f"{API}/endpoints/churn")).headers["etag"]
    theirs = replace(MINE, tags={"team": "b"}, secrets=("KEY",))
    house.between = putting(theirs)
    answer = await house.ask(method, path, body, headers={"if-match": seen})
    assert (answer.status_code, answer.json()["error_code"]) == (412, "PRECONDITION_FAILED"), answer.text
    assert answer.json()["details"] == {"endpoint": "churn", "generation": 2}
    assert "changed since you looked: it has generation 2" in answer.json()["message"]
    assert await house.stored() == theirs
    assert await house.values() == {"KEY": "of mine"}
    again = (await house.ask("GET", f"{API}/endpoints/churn")).headers["etag"]
    assert again != seen
    answer = await house.ask(method, path, body, headers={"if-match": f'W/"x", {again}'})
    assert (answer.status_code, answer.headers["etag"]) == (202, again.replace('"2-', '"3-')), answer.text


async def test_one_of_many_changes_on_the_same_condition_wins(house: House) -> None:
    await house.put()
    asked = [
        house.ask("PUT", f"{API}/endpoints/churn", REGION | {"tags": {"n": str(n)}}, headers={"if-match": '"1"'})
        for n in range(8)
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(each.status_code for each in answers) == [202] + [412] * 7
    won = next(each.json()["spec"] for each in answers if each.status_code == 202)
    assert to_json(await house.stored()) == won


async def test_what_another_endpoint_of_that_name_was_is_no_condition(house: House) -> None:
    path = f"{API}/endpoints/churn"
    made = (await house.put()).headers["etag"]

    def anew(connection: Connection) -> None:
        store.remove(connection, "churn")
        putting(MINE)(connection)
        connection.execute(text("UPDATE modelserve_endpoints SET created_at = created_at + 1"))

    await house.database.run(anew)
    assert (await house.ask("PUT", path, REGION, headers={"if-match": made})).status_code == 412
    assert (await house.ask("PUT", path, REGION, headers={"if-none-match": "*"})).status_code == 412
    await house.database.run(store.remove, "churn")
    answer = await house.ask("PUT", path, REGION, headers={"if-match": "*"})
    assert (answer.status_code, "no such endpoint" in answer.json()["message"]) == (412, True)
    assert (await house.ask("PUT", path, REGION, headers={"if-none-match": "*"})).status_code == 202
    # In quotes it is a tag like any other, and none of ours.
    for tags in ('"*"', '"*", W/"1"'):
        assert (await house.ask("PUT", path, REGION, headers={"if-match": tags})).status_code == 412
    assert (await house.ask("PUT", path, REGION, headers={"if-match": " * "})).status_code == 202
    for headers in ({"if-match": "7"}, {"if-match": ""}, {"if-match": '*, "1"'}, {"if-none-match": made}):
        assert (await house.ask("PUT", path, REGION, headers=headers)).status_code == 400


async def test_a_condition_tells_nothing_to_who_may_not_see_the_endpoint(house: House) -> None:
    await house.database.run(putting(THEIRS))
    answer = await house.ask("PUT", f"{API}/endpoints/churn", to_json(MINE), headers={"if-match": '"9"'})
    assert (answer.status_code, "generation" in answer.text) == (409, False)


@pytest.mark.req("REQ-140")
async def test_only_who_administers_changes_the_key_of_secrets(house: House) -> None:
    address = f"{API}/secret-key/rotate"
    await house.put(KEY="of mine")
    assert (await house.ask("POST", address)).status_code == 403
    answer = await house.ask("POST", address, who=ADMIN)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["renewed"], answer.json()["unreadable"], answer.json()["unused"]) == (1, [], [])
    assert await house.values() == {"KEY": "of mine"}
