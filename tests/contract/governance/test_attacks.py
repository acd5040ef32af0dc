"""What a caller with few rights might try through side doors; each of these was open once, or nearly."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Connection

from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.api.endpoints import _stream
from jupyter_modelserve.controller.endpoints import manager
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.governance import catalogs, history
from jupyter_modelserve.controller.governance.loading import current, touch
from jupyter_modelserve.controller.governance.securables import catalog
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.store import audit, events, tables
from jupyter_modelserve.controller.store import endpoints as store
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, to_json
from tests.contract.governance.conftest import MLMODEL, House
from tests.contract.governance.table import ADMIN
from tests.contract.governance.test_api_face import SCOPE, _client

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


# ---------------------------------------------------------------------------------------------------- existence
def test_a_refused_source_does_not_tell_whether_it_exists(house: House, secret: str) -> None:
    _own_model(house, "probe")
    told = set()
    for name, version in ((F, "1"), (F, "99"), ("prod.ml.nothing", "1")):
        answer = house.ask(
            "stranger", "POST", "model-versions/create", name="probe", source=f"models:/{name}/{version}"
        )
        assert answer.status_code == 403, answer.text
        told.add(answer.json()["message"].replace(name, "X"))
    assert len(told) == 1
    assert secret not in str(told)


def test_an_endpoint_that_one_may_not_see_is_answered_as_one_that_is_not_there(house: House, secret: str) -> None:
    house.sql(store.put, _serving("unseen", F), ADMIN, False)
    _own_model(house, "taker")

    async def run() -> tuple[list[httpx.Response], httpx.Response]:
        async with _client(house) as client:
            headers = {"x-modelserve-principal": "stranger", **SCOPE}
            asked = [
                await client.request(method, f"{API}/endpoints/{name}{rest}", headers=headers)
                for rest, method in (("", "GET"), ("/events", "GET"), ("", "DELETE"), ("/logs?version=1", "GET"))
                for name in ("unseen", "absent")
            ]
            body = to_json(_serving("unseen", "taker"))
            return asked, await client.put(f"{API}/endpoints/unseen", json=body, headers=headers)

    asked, taken = asyncio.run(run())
    for there, missing in zip(asked[::2], asked[1::2], strict=True):
        assert there.status_code == missing.status_code == 404
        assert there.json()["message"].replace("unseen", "X") == missing.json()["message"].replace("absent", "X")
    assert taken.status_code == 409, "somebody has the name; whose model it is, is not told"
    assert F not in taken.text


# ---------------------------------------------------------------------------------------------------- time
def _serving(name: str, model: str) -> EndpointSpec:
    return EndpointSpec(name, (ServedEntity(model, Selector(SelectorKind.VERSION, "1"), "a"),))


def test_a_new_owner_of_an_endpoints_name_does_not_read_its_past(house: House, secret: str) -> None:
    _own_model(house, "second life")

    def life(connection: Connection, model: str, by: str) -> None:
        manager._put(connection, _serving("reborn", model), by, False)
        events.append(connection, "reborn", "ready", f"{model} answers", model, "1")

    def read(connection: Connection, who: str) -> list[str]:
        session = Session(connection, Actor(who), current(connection))
        return [each.message for each in history.events(session, "reborn", 0)]

    house.sql(life, F, ADMIN)
    house.sql(store.remove, "reborn")
    house.sql(life, "second life", "stranger")
    mine = ["stranger created the endpoint", "second life answers"]
    assert house.sql(read, "stranger") == mine
    assert house.sql(read, ADMIN) == [f"{ADMIN} created the endpoint", f"{F} answers", *mine]
    # What happens to a model beside one's own is not one's own either, and hides nothing that follows.
    house.sql(events.append, "reborn", "failed", f"{F} prints a secret", F, "1")
    house.sql(events.append, "reborn", "ready", "again", "second life", "2")
    assert house.sql(read, "stranger") == [*mine, "again"]


def test_rights_are_judged_again_before_a_long_copy_is_committed(house: House, secret: str) -> None:
    _, logged = house.logged("vera")
    root = house.paths.artifacts / "registry"
    before, versions = set(root.iterdir()), _versions(house)
    with (
        closing(sqlite3.connect(house.paths.database, isolation_level=None, timeout=20)) as database,
        ThreadPoolExecutor(1) as pool,
    ):
        # With the writers locked out the copy ends and its registration waits: as long as we like.
        database.execute("BEGIN IMMEDIATE")
        try:
            answering = pool.submit(house.register, "vera", F, logged)
            until = time.monotonic() + 20
            while not any((each / "data" / "model.pkl").exists() for each in set(root.iterdir()) - before):
                assert time.monotonic() < until, "the copy does not begin"
                time.sleep(0.005)
            database.execute("DELETE FROM modelserve_grants WHERE principal = 'vera' AND name = ?", (F,))
            database.execute("UPDATE modelserve_meta SET value = value + 1 WHERE name = 'governance_revision'")
        finally:
            database.execute("COMMIT")
        answer = answering.result(30)
    assert (answer.status_code, "CREATE_MODEL_VERSION" in answer.text) == (403, True), answer.text
    assert _versions(house) == versions
    assert set(root.iterdir()) == before, "and its files are gone"


def _versions(house: House, name: str = F) -> list[str]:
    found = house.ask(ADMIN, "GET", "model-versions/search", filter=f"name='{name}'").json().get("model_versions", [])
    return sorted(each["version"] for each in found)


@pytest.mark.req("REQ-072", "REQ-106")
def test_a_promotion_whose_alias_is_refused_copies_nothing(house: House) -> None:
    """``newt`` may add versions to the target and set one alias there; the source is his own."""
    _, logged = house.logged("newt")
    for name, owner in (("newt own", "newt"), ("target", ADMIN)):
        assert house.ask(ADMIN, "POST", "registered-models/create", name=name).status_code == 200
        house.sql(_give, name, owner)
    assert house.register("newt", "newt own", logged).status_code == 200

    def grant(connection: Connection) -> None:
        for privilege, detail in (("CREATE_MODEL_VERSION", ""), ("SET_ALIAS", "Trial")):
            row = {"type": "FUNCTION", "name": "target", "principal": "newt", "privilege": privilege, "detail": detail}
            connection.execute(tables.grants.insert().values(**row, granted_by=ADMIN, granted_at=1))
        touch(connection)

    house.sql(grant)

    async def promote(*aliases: str) -> httpx.Response:
        async with _client(house) as client:
            headers = {"x-modelserve-principal": "newt", **SCOPE}
            path = f"{API}/models/newt%20own/versions/1/copy"
            return await client.post(path, json={"to": "target", "aliases": list(aliases)}, headers=headers)

    refused = asyncio.run(promote("Trial", "Champion"))
    assert (refused.status_code, "SET_ALIAS(Champion)" in refused.json()["message"]) == (403, True), refused.text
    assert _versions(house, "target") == []
    assert asyncio.run(promote("Trial")).status_code == 201
    assert _versions(house, "target") == ["1"]


# ---------------------------------------------------------------------------------------------------- stages
@pytest.mark.req("REQ-107", "REQ-183")
def test_who_empties_a_served_stage_needs_the_right_on_it(house: House, secret: str) -> None:
    name = "staged"
    assert house.ask(ADMIN, "POST", "registered-models/create", name=name).status_code == 200
    for _ in range(3):
        assert house.register(ADMIN, name, secret).status_code == 200
    may = {"newt": "Staging", "champ": "Production", "rita": "Archived"}

    def grant(connection: Connection) -> None:
        for who, stage in may.items():
            row = {"type": "FUNCTION", "name": name, "principal": who, "privilege": "SET_STAGE", "detail": stage}
            connection.execute(tables.grants.insert().values(**row, granted_by=ADMIN, granted_at=1))
        touch(connection)

    house.sql(grant)

    def move(who: str, version: str, stage: str, archive: bool = False) -> str:
        values = {"name": name, "version": version, "stage": stage, "archive_existing_versions": archive}
        answer = house.ask(who, "POST", "model-versions/transition-stage", **values)
        assert answer.status_code in {200, 403}, answer.text
        return "moved" if answer.status_code == 200 else str(answer.json()["message"])

    assert move("newt", "1", "Staging") == "moved", "None is not served"
    assert "SET_STAGE(Archived)" in move("newt", "1", "Archived"), "the stage that it enters, always"
    assert "SET_STAGE(Staging)" in move("rita", "1", "Archived"), "and the one that it leaves"
    assert move("champ", "1", "Production") == "moved", "who fills Production may empty Staging"
    assert "SET_STAGE(Production)" in move("newt", "1", "Staging")
    assert "SET_STAGE(Production)" in move("rita", "1", "Archived")
    assert move("rita", "2", "Archived") == "moved"
    assert move("newt", "2", "Staging") == "moved"
    assert move("champ", "3", "Production", archive=True) == "moved", "the right on Production is what archiving needs"
    assert move("champ", "3", "production") == "moved", "it stays where it is"
    found = house.ask(ADMIN, "GET", "model-versions/search", filter=f"name='{name}'").json()["model_versions"]
    assert {each["version"]: each["current_stage"] for each in found} == {
        "1": "Archived", "2": "Staging", "3": "Production",
    }  # fmt: skip
    assert move(ADMIN, "3", "None") == "moved"
