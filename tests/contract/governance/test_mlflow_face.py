"""MLflow's REST obeys the written table: what ``decide`` refuses is refused there, and nothing else.

Each call is one that changes nothing when it is allowed: it names something that is missing, or is refused for another
reason than rights.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, delete, text

from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.governance.loading import touch
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import Securable, right
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.plugins.mlflow_methods import COMPOSED, INTERNAL, METHODS, SEARCHES
from tests.contract.governance.conftest import UNSIGNED, House
from tests.contract.governance.table import ADMIN, ALLOWED, CHURN, FRAUD, GRANTS, OWNERS, USERS
from tests.contract.governance.test_api_face import SCOPE, _client

O = Operation  # noqa: E741 - as in the table
F, C = FRAUD.name, CHURN.name
SOURCE = {"source": "models:/LOGGED", "model_id": "LOGGED"}

CALLS: dict[tuple[Operation, Securable, str], tuple[str, str, dict[str, Any]]] = {
    (O.MODEL_VIEW, FRAUD, ""): ("GET", "registered-models/get", {"name": F}),
    (O.MODEL_VIEW, CHURN, ""): ("GET", "registered-models/get", {"name": C}),
    (O.MODEL_UPDATE, FRAUD, ""): ("PATCH", "registered-models/update", {"name": F, "description": "same"}),
    (O.MODEL_DELETE, CHURN, ""): ("DELETE", "registered-models/delete", {"name": C}),
    (O.MODEL_TAG, FRAUD, ""): ("DELETE", "registered-models/delete-tag", {"name": F, "key": "none"}),
    (O.MODEL_ALIAS, FRAUD, "Champion"): (
        "POST", "registered-models/alias", {"name": F, "alias": "Champion", "version": "99"},
    ),
    (O.MODEL_ALIAS, FRAUD, "Other"): ("DELETE", "registered-models/alias", {"name": F, "alias": "Other"}),
    (O.VERSION_CREATE, FRAUD, ""): ("POST", "model-versions/create", {"name": F, **SOURCE}),
    (O.VERSION_CREATE, CHURN, ""): ("POST", "model-versions/create", {"name": C, **SOURCE}),
    (O.VERSION_READ, FRAUD, ""): ("GET", "model-versions/get-download-uri", {"name": F, "version": "1"}),
    (O.VERSION_READ, CHURN, ""): ("GET", "model-versions/get-download-uri", {"name": C, "version": "1"}),
    (O.VERSION_UPDATE, FRAUD, ""): ("PATCH", "model-versions/update", {"name": F, "version": "99"}),
    (O.VERSION_DELETE, FRAUD, ""): ("DELETE", "model-versions/delete", {"name": F, "version": "99"}),
    (O.VERSION_TAG, FRAUD, ""): (
        "POST", "model-versions/set-tag", {"name": F, "version": "99", "key": "k", "value": "v"},
    ),
    (O.VERSION_STAGE, CHURN, "Production"): (
        "POST", "model-versions/transition-stage", {"name": C, "version": "99", "stage": "production"},
    ),
    (O.VERSION_STAGE, CHURN, "Staging"): (
        "POST", "model-versions/transition-stage", {"name": C, "version": "99", "stage": "Staging"},
    ),
    (O.MODEL_RENAME, FRAUD, ""): ("POST", "registered-models/rename", {"name": F, "new_name": F}),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def unsigned(house: House) -> str:
    """Both models with one version that has an alias; owners as in the table. Gives a logged model without signature,
    of which no catalog takes a version.
    """
    _, logged = house.logged(ADMIN)
    for name in (F, C):
        assert house.ask(ADMIN, "POST", "registered-models/create", name=name, description="same").status_code == 200
        assert house.register(ADMIN, name, logged).status_code == 200
        alias = {"name": name, "alias": "Champion", "version": "1"}
        assert house.ask(ADMIN, "POST", "registered-models/alias", **alias).status_code == 200
    house.sql(_owners)
    return house.logged(ADMIN, UNSIGNED)[1]


def _owners(connection: Connection) -> None:
    for on in (FRAUD, CHURN):
        rows = tables.owners
        key = (rows.c.type == "FUNCTION") & (rows.c.name == on.name)
        connection.execute(rows.update().where(key).values(owner=OWNERS[on]))
    touch(connection)


@pytest.mark.req("REQ-062", "REQ-072", "REQ-074", "REQ-075", "REQ-087", "REQ-088", "REQ-089", "REQ-092", "REQ-094")
@pytest.mark.req("REQ-096", "REQ-098", "REQ-099", "REQ-100", "REQ-107")
@pytest.mark.parametrize(("operation", "on", "detail"), CALLS, ids=lambda each: str(each))
def test_the_face_equals_the_written_table(
    house: House, unsigned: str, operation: Operation, on: Securable, detail: str
) -> None:
    method, path, values = CALLS[operation, on, detail]
    values = {key: value.replace("LOGGED", unsigned) for key, value in values.items()}
    expected = set(ALLOWED[operation, on, detail])
    if operation is O.MODEL_RENAME:
        expected &= {ADMIN, "carol", "sam", "newt", "allan"}  # CREATE_MODEL where it goes, as well
    answers = {who: house.ask(who, method, path, **values) for who in (*USERS, "nobody")}
    refused = {who for who, answer in answers.items() if answer.status_code == 403}
    assert set(answers) - refused == expected
    for who in refused:
        assert answers[who].json()["error_code"] == "PERMISSION_DENIED"
    assert all(answers[who].status_code < 500 for who in answers)


@pytest.mark.req("REQ-102")
def test_searches_show_what_one_may_see_and_nothing_else(house: House) -> None:
    for who in USERS:
        models = house.ask(who, "GET", "registered-models/search").json().get("registered_models", [])
        versions = house.ask(who, "GET", "model-versions/search", filter="").json().get("model_versions", [])
        seen = {on.name for on in (FRAUD, CHURN) if who in ALLOWED[O.MODEL_VIEW, on, ""]}
        assert {each["name"] for each in models} & {F, C} == seen, who
        assert {each["name"] for each in versions} & {F, C} == seen, who


def test_pages_of_a_search_lose_nothing(house: House) -> None:
    for number in range(7):
        assert house.ask(ADMIN, "POST", "registered-models/create", name=f"hidden {number}").status_code == 200
    found, token = [], ""
    while True:
        page = house.ask("rita", "GET", "registered-models/search", max_results="1", page_token=token).json()
        found += [each["name"] for each in page.get("registered_models", [])]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert found == [C, F]


def test_every_method_of_mlflows_store_is_judged_or_refused() -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    known = {*METHODS, *SEARCHES, *COMPOSED, *INTERNAL}
    public = {name for name, _ in inspect.getmembers(SqlAlchemyStore, callable) if not name.startswith("_")}
    assert {*METHODS, *SEARCHES, *COMPOSED} <= public
    others = {each for each in public - known if "prompt" not in each and "webhook" not in each}
    assert others <= {"ManagedSessionMaker", "CREATE_MODEL_VERSION_RETRIES"}, "a new method of MLflow's: give it a rule"


@pytest.mark.req("REQ-103", "REQ-075")
def test_files_are_judged_by_the_model_they_belong_to(house: House) -> None:
    uri = house.ask(ADMIN, "GET", "model-versions/get-download-uri", name=F, version="1").json()["artifact_uri"]
    own = uri.removeprefix("mlflow-artifacts:/")
    readers = set(ALLOWED[O.VERSION_READ, FRAUD, ""])
    for path in (own, own.replace("registry/", "REGISTRY//./"), own.replace("registry/", "%72egistry%2F")):
        answers = {who: house.fetch(who, f"{path}/MLmodel").status_code for who in USERS}
        assert {who for who, status in answers.items() if status != 403} == readers, path
    assert {who for who in USERS if house.listed(who, own).status_code == 200} == readers
    assert {who for who in USERS if house.listed(who, "registry").status_code == 200} == {ADMIN}


def test_nobody_writes_the_files_of_a_registered_version(house: House) -> None:
    uri = house.ask(ADMIN, "GET", "model-versions/get-download-uri", name=F, version="1").json()["artifact_uri"]
    own = uri.removeprefix("mlflow-artifacts:/")
    for who in (ADMIN, "tina"):
        assert house.put(who, f"{own}/data/model.pkl", b"worse").status_code == 403
        assert house.put(who, "registry/new", b"x").status_code == 403
    answer = house.ask(
        "tina", "POST", "experiments/create", name="trap", artifact_location="mlflow-artifacts:/registry"
    )
    assert answer.status_code == 400


def test_runs_are_shared_but_only_their_owner_writes_files(house: House) -> None:
    run, logged = house.logged("tina")
    path = f"0/models/{logged}/artifacts/data/model.pkl"
    assert house.put("stranger", path, b"poison").status_code == 403
    assert house.put("stranger", f"0/{run}/artifacts/note", b"x").status_code == 403
    assert house.put("stranger", "0/loose", b"x").status_code == 403
    assert house.fetch("stranger", path).content == b"bytes"
    assert house.register("tina", F, logged).status_code == 200
    # From here on the files are those of a governed model.
    assert house.fetch("stranger", path).status_code == 403
    assert house.fetch("rita", path).content == b"bytes"
    assert house.fetch("tina", path).content == b"bytes"
    files = f"logged-models/{logged}/artifacts/directories"
    assert house.ask("stranger", "GET", files).status_code == 403
    # A body instead of a query, or a name with a line end, is no way around.
    assert house.ask("stranger", "GET", "artifacts/list").status_code == 403
    for odd in (f"{path}%0A", f"0/x%0A/../models/{logged}/artifacts/data/model.pkl"):
        assert house.fetch("stranger", odd).status_code in {400, 403, 404}


def test_a_version_cannot_be_made_of_files_that_one_may_not_read(house: House) -> None:
    assert house.ask(ADMIN, "POST", "registered-models/create", name="mine").status_code == 200
    house.sql(_give_to_stranger)
    for values in (
        {"source": f"models:/{F}/1"},
        {
            "source": house.ask(ADMIN, "GET", "model-versions/get", name=F, version="1").json()["model_version"][
                "source"
            ]
        },
    ):
        answer = house.ask("stranger", "POST", "model-versions/create", name="mine", **values)
        assert answer.status_code in {400, 403}, answer.text
    assert house.ask("stranger", "GET", "model-versions/search", filter="name='mine'").json() == {}


def _give_to_stranger(connection: Connection) -> None:
    rows = tables.owners
    connection.execute(rows.update().where(rows.c.name == "mine").values(owner="stranger"))
    touch(connection)


@pytest.mark.req("REQ-091", "REQ-104", "REQ-109")
def test_the_registry_owns_the_bytes(house: House) -> None:
    run, logged = house.logged(ADMIN)
    assert house.ask(ADMIN, "POST", "registered-models/create", name="kept").status_code == 200
    assert house.register(ADMIN, "kept", logged).json()["model_version"]["source"] == f"models:/{logged}"
    copy = house.ask(ADMIN, "POST", "model-versions/create", name=F, source="models:/kept/1")
    assert copy.status_code == 200, copy.text
    assert house.put(ADMIN, f"0/models/{logged}/artifacts/data/model.pkl", b"changed").status_code == 200
    assert house.ask(ADMIN, "DELETE", f"logged-models/{logged}").status_code == 200
    assert house.ask(ADMIN, "POST", "runs/delete", run_id=run).status_code == 200
    for each in (house.paths.artifacts / "0").rglob("*"):
        if each.is_file() and logged in str(each):
            each.unlink()
    places = set()
    for name, version in (("kept", "1"), (F, copy.json()["model_version"]["version"])):
        answer = house.ask(ADMIN, "GET", "model-versions/get-download-uri", name=name, version=version)
        place = answer.json()["artifact_uri"].removeprefix("mlflow-artifacts:/")
        assert house.fetch(ADMIN, f"{place}/data/model.pkl").content == b"bytes"
        places.add(place)
    assert len(places) == 2
    # Deleting the one leaves the other; its bytes are gone for good (REQ-093).
    assert house.ask(ADMIN, "DELETE", "registered-models/delete", name="kept").status_code == 200
    left = {place for place in places if (house.paths.artifacts / place).exists()}
    assert len(left) == 1


@pytest.mark.req("REQ-063")
def test_a_catalog_takes_no_model_without_a_signature(house: House) -> None:
    _, logged = house.logged(ADMIN, UNSIGNED)
    refused = house.register(ADMIN, F, logged)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "input_example" in refused.json()["message"]
    assert house.ask(ADMIN, "POST", "registered-models/create", name="unsigned").status_code == 200
    assert house.register(ADMIN, "unsigned", logged).status_code == 200
    copied = house.ask(ADMIN, "POST", "model-versions/create", name=F, source="models:/unsigned/1")
    assert copied.status_code == 400


@pytest.mark.req("REQ-110")
def test_a_catalog_model_has_no_stages(house: House) -> None:
    values = {"name": F, "version": "1", "stage": "Production"}
    answer = house.ask(ADMIN, "POST", "model-versions/transition-stage", **values)
    assert (answer.status_code, "alias" in answer.json()["message"]) == (400, True)


@pytest.mark.req("REQ-071")
def test_ten_aliases_and_no_more(house: House) -> None:
    for number in range(9):
        alias = {"name": F, "alias": f"a{number}x", "version": "1"}
        assert house.ask(ADMIN, "POST", "registered-models/alias", **alias).status_code == 200
    eleventh = {"name": F, "alias": "eleventh", "version": "1"}
    answer = house.ask(ADMIN, "POST", "registered-models/alias", **eleventh)
    assert (answer.status_code, "REQ-071" in answer.json()["message"]) == (400, True)
    moved = {"name": F, "alias": "a1x", "version": "1"}
    assert house.ask(ADMIN, "POST", "registered-models/alias", **moved).status_code == 200
    aliases = house.ask(ADMIN, "GET", "registered-models/get", name=F).json()["registered_model"]["aliases"]
    assert len(aliases) == 10


@pytest.mark.req("REQ-097")
def test_tags_obey_limits_and_policies(house: House) -> None:
    def policy(connection: Connection) -> None:
        connection.execute(tables.tag_policies.insert().values(key="status", allowed='["pending", "approved"]'))

    house.sql(policy)
    for key, value, status in (
        ("status", "approved", 200),
        ("status", "maybe", 400),
        ("free", "x" * 1001, 400),
        ("free", "x" * 1000, 200),
        ("mlflow.prompt.is_prompt", "true", 400),
    ):
        answer = house.ask("tag", "POST", "model-versions/set-tag", name=F, version="1", key=key, value=value)
        assert answer.status_code == status, (key, answer.text)
    for number in range(50):
        answer = house.ask("tag", "POST", "registered-models/set-tag", name=F, key=f"t{number}", value="x")
        assert answer.status_code == 200
    assert house.ask("tag", "POST", "registered-models/set-tag", name=F, key="more", value="x").status_code == 400


@pytest.mark.req("REQ-093")
def test_what_is_in_use_is_deleted_when_asked_twice(house: House) -> None:
    _, logged = house.logged(ADMIN)
    for operation, extra in (("model-versions/delete", {"version": "1"}), ("registered-models/delete", {})):
        assert house.ask(ADMIN, "POST", "registered-models/create", name="used").status_code in {200, 400}
        version = house.register(ADMIN, "used", logged).json()["model_version"]["version"]
        alias = {"name": "used", "alias": "Live", "version": version}
        assert house.ask(ADMIN, "POST", "registered-models/alias", **alias).status_code == 200
        first = house.ask(ADMIN, "DELETE", operation, name="used", **extra)
        assert (first.status_code, "alias Live" in first.json()["message"]) == (409, True), first.text
        # Somebody else asking is not the same.
        assert house.ask("stranger", "DELETE", operation, name="used", **extra).status_code == 403
        assert house.ask(ADMIN, "DELETE", operation, name="used", **extra).status_code == 200


@pytest.mark.req("REQ-054", "REQ-089")
def test_every_change_leaves_one_audit_record_with_its_author(house: House) -> None:
    _, logged = house.logged(ADMIN)
    name, new = "prod.ml.audited", "prod.ml.renamed"
    house.ask("newt", "POST", "registered-models/create", name=name)
    assert house.sql(_owner_of, name) == "newt"
    house.register("newt", name, logged)
    house.register("newt", name, logged)
    for version in ("1", "2", "2"):
        house.ask("newt", "POST", "registered-models/alias", name=name, alias="Champion", version=version)
    house.ask("newt", "PATCH", "registered-models/update", name=name, description="new")
    house.ask("newt", "POST", "model-versions/set-tag", name=name, version="1", key="k", value="a")
    house.ask("newt", "POST", "model-versions/set-tag", name=name, version="1", key="k", value="b")
    house.ask("stranger", "DELETE", "registered-models/alias", name=name, alias="Champion")
    house.sql(_grant, name)
    assert house.ask("newt", "POST", "registered-models/rename", name=name, new_name=new).status_code == 200
    assert house.sql(_owner_of, new) == "newt"
    assert house.sql(_granted, name) == []
    assert house.sql(_granted, new) == ["rita"]
    assert house.ask("newt", "DELETE", "model-versions/delete", name=new, version="1").status_code == 200
    trail = [(each.action, each.version, each.before, each.after) for each in (*house.trail(name), *house.trail(new))]
    source = f"models:/{logged}"
    assert trail == [
        ("model created", "", "", ""),
        ("version created", "1", "", source),
        ("version created", "2", "", source),
        ("alias set", "1", "", "Champion: 1"),
        ("alias moved", "2", "Champion: 1", "Champion: 2"),
        ("model described", "", "", "new"),
        ("tag set", "1", "", "k=a"),
        ("tag set", "1", "k=a", "k=b"),
        ("model renamed", "", name, new),
        ("version deleted", "1", source, ""),
    ]
    for each in house.trail(name):
        assert (each.principal, each.client, each.request_id) == ("newt", "a test/1", "r1")
    # Nobody is named any longer, so that a change of the file itself is not taken for theirs.
    assert house.sql(lambda connection: connection.execute(tables.context.select()).all()) == []


def _owner_of(connection: Connection, name: str) -> str:
    rows = tables.owners
    return str(connection.execute(rows.select().where(rows.c.name == name)).one().owner)


def _grant(connection: Connection, name: str) -> None:
    values = {"type": "FUNCTION", "name": name, "principal": "rita", "privilege": "EXECUTE", "detail": ""}
    connection.execute(tables.grants.insert().values(**values, granted_by=ADMIN, granted_at=1))
    touch(connection)


def _granted(connection: Connection, name: str) -> list[str]:
    rows = tables.grants
    return [each.principal for each in connection.execute(rows.select().where(rows.c.name == name))]


def test_a_change_of_the_file_itself_is_recorded_without_an_author(house: House) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE registered_models SET description = 'by hand' WHERE name = :n"), {"n": C})

    house.sql(work)
    assert [(each.principal, each.action, each.after) for each in house.trail(C)][-1] == (
        "", "model described", "by hand",
    )  # fmt: skip


def test_a_missing_catalog_is_made_by_who_may_and_by_nobody_else(house: House) -> None:
    assert house.ask("newt", "POST", "registered-models/create", name="fresh.ml.m").status_code == 403
    assert house.ask(ADMIN, "POST", "registered-models/create", name="fresh.ml.m").status_code == 200
    assert house.ask("carol", "POST", "registered-models/create", name="prod.other.m").status_code == 200

    def work(connection: Connection) -> dict[str, str]:
        return {row.name: row.owner for row in connection.execute(tables.owners.select())}

    owners = house.sql(work)
    assert (owners["fresh"], owners["fresh.ml"], owners["fresh.ml.m"]) == (ADMIN, ADMIN, ADMIN)
    assert (owners["prod.other"], owners["prod.other.m"]) == ("carol", "carol")


def test_who_may_add_versions_is_told_that_the_model_exists(house: House) -> None:
    answer = house.ask("vera", "POST", "registered-models/create", name=F)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    assert house.ask("vera", "POST", "registered-models/create", name="prod.ml.more").status_code == 403


def test_a_revoked_right_ends_at_once(house: House) -> None:
    assert house.ask("tag", "GET", "registered-models/get", name=F).status_code == 200

    def revoke(connection: Connection) -> None:
        connection.execute(delete(tables.grants).where(tables.grants.c.principal == "tag"))
        touch(connection)

    house.sql(revoke)
    assert house.ask("tag", "GET", "registered-models/get", name=F).status_code == 403
    house.sql(_restore)
    assert house.ask("tag", "GET", "registered-models/get", name=F).status_code == 200


def _restore(connection: Connection) -> None:
    for on, rights in GRANTS["tag"].items():
        for each in map(right, rights):
            values = {"type": on.type.value, "name": on.name, "principal": "tag", "privilege": each.privilege.value}
            connection.execute(tables.grants.insert().values(**values, detail="", granted_by=ADMIN, granted_at=1))
    touch(connection)


# ---------------------------------------------------------------------------------------------------- copies
METRIC = {"key": "accuracy", "value": 0.97, "timestamp": 1, "step": 0}


async def _copy(house: House, who: str, model: str, to: str) -> httpx.Response:
    async with _client(house) as client:
        headers = {"x-modelserve-principal": who, **SCOPE}
        return await client.post(f"{API}/models/{model}/versions/1/copy", json={"to": to}, headers=headers)


def _version(house: House, who: str, name: str) -> dict[str, Any]:
    answer = house.ask(who, "GET", "model-versions/get", name=name, version="1")
    found: dict[str, Any] = answer.json()["model_version"]
    return found


@pytest.mark.req("REQ-091", "REQ-105")
def test_a_copy_keeps_its_run_and_shows_what_it_measured_to_who_may_see_runs(house: House) -> None:
    run, logged = house.logged(ADMIN)
    assert house.ask(ADMIN, "POST", "runs/log-metric", run_id=run, **METRIC).status_code == 200
    assert house.ask(ADMIN, "POST", "registered-models/create", name="measured").status_code == 200
    assert house.register(ADMIN, "measured", logged).status_code == 200
    answer = asyncio.run(_copy(house, ADMIN, "measured", "prod.ml.measured"))
    assert answer.status_code == 201, answer.text
    found = _version(house, ADMIN, "prod.ml.measured")
    assert (found["source"], found["run_id"]) == ("models:/measured/1", run)
    seen = house.ask(ADMIN, "GET", "runs/get", run_id=found["run_id"])
    assert [(each["key"], each["value"]) for each in seen.json()["run"]["data"]["metrics"]] == [("accuracy", 0.97)]
    for who in ("nobody knows me", ""):
        assert house.ask(who, "GET", "runs/get", run_id=run).status_code == 403


def test_a_version_without_a_run_and_one_whose_run_is_gone_are_copied_too(house: House) -> None:
    run, logged = house.logged(ADMIN)
    assert house.ask(ADMIN, "POST", "registered-models/create", name="unmeasured").status_code == 200
    assert house.register(ADMIN, "unmeasured", logged).status_code == 200
    assert house.ask(ADMIN, "POST", "runs/delete", run_id=run).status_code == 200
    assert asyncio.run(_copy(house, ADMIN, "unmeasured", "prod.ml.gone")).status_code == 201
    assert _version(house, ADMIN, "prod.ml.gone")["run_id"] == run
    house.sql(_without_run, "unmeasured")
    assert asyncio.run(_copy(house, ADMIN, "unmeasured", "prod.ml.unmeasured")).status_code == 201
    assert not _version(house, ADMIN, "prod.ml.unmeasured").get("run_id")


def _without_run(connection: Connection, name: str) -> None:
    connection.execute(text("UPDATE model_versions SET run_id = NULL WHERE name = :name"), {"name": name})
