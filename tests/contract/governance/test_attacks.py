"""What a caller with few rights might try through side doors; each of these was open once, or nearly."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection

from jupyter_modelserve.controller.api.endpoints import _stream
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.governance import catalogs, history
from jupyter_modelserve.controller.governance.loading import current, touch
from jupyter_modelserve.controller.governance.securables import catalog
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import audit, tables
from jupyter_modelserve.controller.store import endpoints as store
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity
from tests.contract.governance.conftest import MLMODEL, House
from tests.contract.governance.table import ADMIN

F = "prod.ml.fraud"


def _give(connection: Connection, name: str, owner: str) -> None:
    rows = tables.owners
    connection.execute(rows.update().where(rows.c.name == name).values(owner=owner))
    touch(connection)


@pytest.fixture(scope="module")
def secret(house: House) -> str:
    """A logged model of the admin's that is version 1 of the fraud model: ``stranger`` may not read it."""
    _, logged = house.logged(ADMIN)
    assert house.ask(ADMIN, "POST", "registered-models/create", name=F).status_code == 200
    assert house.register(ADMIN, F, logged).status_code == 200
    assert house.fetch("stranger", f"0/models/{logged}/artifacts/data/model.pkl").status_code == 403
    return logged


def _own_model(house: House, name: str) -> None:
    assert house.ask(ADMIN, "POST", "registered-models/create", name=name).status_code == 200
    house.sql(_give, name, "stranger")


@pytest.mark.req("REQ-075", "REQ-103")
def test_a_version_of_ones_own_gives_no_right_to_files_that_its_source_merely_names(house: House, secret: str) -> None:
    _own_model(house, "claims")
    run = house.ask("stranger", "POST", "runs/create", experiment_id="0").json()["run"]["info"]["run_id"]
    assert house.put("stranger", f"0/{run}/artifacts/x{secret}/MLmodel", MLMODEL.encode()).status_code == 200
    source = f"runs:/{run}/x{secret}"
    made = house.ask("stranger", "POST", "model-versions/create", name="claims", source=source, run_id=run)
    assert made.status_code == 200, made.text
    assert house.fetch("stranger", f"0/models/{secret}/artifacts/data/model.pkl").status_code == 403


@pytest.mark.parametrize("mark", ["#", "?x="])
def test_what_follows_the_path_of_a_source_claims_nothing(house: House, secret: str, mark: str) -> None:
    name = f"tails {ord(mark[0])}"
    _own_model(house, name)
    _, mine = house.logged("stranger")
    source = f"mlflow-artifacts:/0/models/{mine}/artifacts{mark}/{secret}"
    house.ask("stranger", "POST", "model-versions/create", name=name, source=source)
    assert house.fetch("stranger", f"0/models/{secret}/artifacts/data/model.pkl").status_code == 403


@pytest.mark.parametrize("source", ["models:/{}", "dbfs:/x/{}/artifacts", "mlflow-artifacts:/0/models/{}/artifacts"])
def test_saying_that_one_will_upload_something_claims_nothing(house: House, secret: str, source: str) -> None:
    name = f"prod.ml.upload{len(source)}"
    assert house.ask("newt", "POST", "registered-models/create", name=name).status_code == 200
    headers = {
        "x-modelserve-principal": "newt",
        "x-modelserve-upload": quote(json.dumps({"source": source.format(secret), "run_id": ""})),
    }
    body = {"name": name, "source": "upload:/files"}
    house.http.post("/api/2.0/mlflow/model-versions/create", json=body, headers=headers)
    assert house.fetch("newt", f"0/models/{secret}/artifacts/data/model.pkl").status_code == 403


@pytest.mark.parametrize("scheme", ["MODELS", "Models"])
def test_a_scheme_in_capitals_is_no_way_around(house: House, secret: str, scheme: str) -> None:
    name = f"capital {scheme}"
    _own_model(house, name)
    for tail in (f"{F}/1", secret):
        answer = house.ask("stranger", "POST", "model-versions/create", name=name, source=f"{scheme}:/{tail}")
        assert answer.status_code in {400, 403, 404}, answer.text


def _trace(house: House, who: str, number: int, *, refused: bool = False, **tags: str) -> str:
    trace = f"tr-{number:032x}"
    info = {
        "trace_id": trace,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2026-01-01T00:00:00Z",
        "execution_duration": "1s",
        "state": "OK",
        "tags": tags,
    }
    headers = {"x-modelserve-principal": who}
    answer = house.http.post("/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}}, headers=headers)
    assert (answer.status_code != 200) is refused, answer.text
    return trace


@pytest.mark.parametrize("key", ["mlflow.artifactLocation", "mlflow.trace.archiveLocation"])
def test_a_trace_leads_to_no_files_of_others(house: House, secret: str, key: str) -> None:
    uri = house.ask(ADMIN, "GET", "model-versions/get-download-uri", name=F, version="1").json()["artifact_uri"]
    place = house.paths.artifacts / uri.removeprefix("mlflow-artifacts:/")
    (place / "traces.json").write_text('{"spans": [], "secret": "secret"}')
    targets = (uri, place.as_uri(), str(place))
    headers = {"x-modelserve-principal": "stranger"}
    trace = _trace(house, "stranger", len(key))
    for target in targets:
        assert _trace(house, "stranger", len(key) + hash(target) % 10**9, refused=True, **{key: target})
        tag = {"key": key, "value": target}
        answer = house.http.patch(f"/api/3.0/mlflow/traces/{trace}/tags", json=tag, headers=headers)
        assert answer.status_code == 400, answer.text
        answer = house.http.get(
            "/ajax-api/2.0/mlflow/get-trace-artifact", params={"request_id": trace}, headers=headers
        )
        assert "secret" not in answer.text
    tag = {"key": "mine", "value": "x"}
    assert house.http.patch(f"/api/3.0/mlflow/traces/{trace}/tags", json=tag, headers=headers).status_code == 200


def test_an_experiment_does_not_keep_its_files_in_a_model(house: House, secret: str) -> None:
    for place in (f"models:/{secret}", f"MODELS:/{F}/1"):
        answer = house.ask("stranger", "POST", "experiments/create", name=place, artifact_location=place)
        assert answer.status_code == 400, answer.text


def test_a_logged_model_tells_nobody_which_hidden_model_it_became(house: House, secret: str) -> None:
    answer = house.ask("stranger", "GET", f"logged-models/{secret}")
    assert answer.status_code == 200
    assert F not in answer.text, answer.text
    found = house.ask("stranger", "POST", "logged-models/search", experiment_ids=["0"])
    assert found.status_code == 200
    assert F not in found.text


@pytest.mark.req("REQ-054")
def test_a_new_model_of_an_old_name_inherits_no_rights_and_no_records(house: House) -> None:
    name = "prod.ml.reborn"
    assert house.ask(ADMIN, "POST", "registered-models/create", name=name).status_code == 200

    def grant(connection: Connection) -> None:
        values = {"type": "FUNCTION", "name": name, "principal": "vera", "privilege": "EXECUTE", "detail": ""}
        connection.execute(tables.grants.insert().values(**values, granted_by=ADMIN, granted_at=1))
        touch(connection)

    house.sql(grant)
    assert house.ask(ADMIN, "DELETE", "registered-models/delete", name=name).status_code == 200
    assert house.ask("newt", "POST", "registered-models/create", name=name).status_code == 200
    assert house.ask("vera", "GET", "registered-models/get", name=name).status_code == 403

    def seen(connection: Connection, who: str) -> list[str]:
        session = Session(connection, Actor(who), current(connection))
        return [each.action for each in history.listing(session, ("MODEL", name), "", "", 0, 100)]

    assert house.sql(seen, "newt") == ["model created"]
    # Renamed away and made once more by somebody else: the same.
    other = "prod.ml.other life"
    assert house.ask(ADMIN, "POST", "registered-models/rename", name=name, new_name=other).status_code == 200
    assert house.ask("newt", "POST", "registered-models/create", name=name).status_code == 200
    assert house.sql(seen, "newt") == ["model created"]
    # Who manages what it lies in was there before, and may ask who deleted it.
    for who in (ADMIN, "sam"):
        assert house.sql(seen, who)[:3] == ["model created", "model deleted", "model created"]


@pytest.mark.req("REQ-063", "REQ-088")
def test_a_model_without_a_signature_does_not_enter_a_catalog_by_renaming(house: House) -> None:
    from tests.contract.governance.conftest import UNSIGNED

    _, logged = house.logged(ADMIN, UNSIGNED)
    assert house.ask(ADMIN, "POST", "registered-models/create", name="bare").status_code == 200
    assert house.register(ADMIN, "bare", logged).status_code == 200
    answer = house.ask(ADMIN, "POST", "registered-models/rename", name="bare", new_name="prod.ml.bare")
    assert answer.status_code == 400, answer.text


@pytest.mark.req("REQ-054")
def test_a_catalog_that_takes_its_schemas_along_leaves_a_record_of_each(house: House) -> None:
    def work(connection: Connection) -> list[tuple[str, str]]:
        session = Session(connection, Actor(ADMIN), current(connection))
        catalogs.create_catalog(session, "brief")
        catalogs.create_schema(session, "brief.more")
        catalogs.remove(session, catalog("brief"), force=True)
        found = audit.listing(connection, limit=1000)
        return sorted((each.action, each.securable_name) for each in found if each.securable_name.startswith("brief"))

    assert house.sql(work) == [
        ("catalog created", "brief"),
        ("catalog deleted", "brief"),
        ("schema created", "brief.default"),
        ("schema created", "brief.more"),
        ("schema deleted", "brief.default"),
        ("schema deleted", "brief.more"),
    ]


class _Signal:
    """What a stream waits for: it is told at once, each time."""

    count = 0

    async def wait(self, _: int, __: float) -> bool:
        self.count += 1
        return True


def test_a_stream_of_events_ends_with_the_right_to_see_the_endpoint(house: House) -> None:
    name = "watched"
    assert house.ask(ADMIN, "POST", "registered-models/create", name=name).status_code == 200
    values = {"type": "FUNCTION", "name": name, "principal": "vera", "privilege": "EXECUTE", "detail": ""}

    def grant(connection: Connection) -> None:
        connection.execute(tables.grants.insert().values(**values, granted_by=ADMIN, granted_at=1))
        touch(connection)

    def revoke(connection: Connection) -> None:
        rows = tables.grants
        connection.execute(rows.delete().where(rows.c.name == name))
        touch(connection)

    spec = EndpointSpec(name, (ServedEntity(name, Selector(SelectorKind.VERSION, "1"), "a"),))
    house.sql(store.put, spec, ADMIN, False)
    house.sql(grant)

    async def run() -> list[str]:
        database = Database.of(house.paths)

        async def get(wanted: str) -> Any:
            return (await database.run(store.get, wanted)).spec

        async def ignore(_: Any) -> None:
            """Nobody needs to be told."""

        signal = _Signal()
        endpoints = SimpleNamespace(get=get, signal=lambda _: signal)
        controller: Any = SimpleNamespace(
            database=database,
            endpoints=endpoints,
            governance=Governance(database, ignore),
            stopping=asyncio.Event(),
        )
        try:
            stream = _stream(controller, Actor("vera"), name, 0)
            first = await anext(stream)
            await database.run(revoke)
            async with asyncio.timeout(20):
                return [first, *[each async for each in stream]]
        finally:
            await database.close()

    found = asyncio.run(run())
    assert [each.splitlines()[0] for each in found] == ["event: status", "event: gone"]


def test_rights_that_were_read_earlier_do_not_come_back(house: House) -> None:
    async def run() -> tuple[bool, bool]:
        database = Database.of(house.paths)
        publication = Publication("i", database)
        await publication.load([])
        try:
            before = await Governance(database, publication.governed).state()
            await database.run(touch)
            after = await Governance(database, publication.governed).state()
            await publication.governed(after)
            await publication.governed(before)
            return publication._state is after, after.revision > before.revision
        finally:
            await database.close()

    assert asyncio.run(run()) == (True, True)
