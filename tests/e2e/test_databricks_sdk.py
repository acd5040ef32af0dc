"""databricks-sdk, unmodified: who am I, catalogs, schemas, models, versions, grants, tokens; and its exceptions."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.databricks import logged, pointed_at, predicted, refused, registry, user
from tests.support.instance import RunningInstance, started_instance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIGNED = b"signature:\n  inputs: '[]'\n  outputs: '[]'\n"


@pytest.fixture(autouse=True)
def _sockets_of_clients() -> Iterator[None]:
    """The clients leave their connections to the garbage collector: it comes while this test's filter holds."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def house() -> Iterator[RunningInstance]:
    """An instance of its own: catalogs and principals stay."""
    with started_instance("ms-sdk-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.fixture(scope="module")
def tokens(house: RunningInstance) -> dict[str, str]:
    """The local user, who administers the metastore, and two users without rights."""
    return {"admin": house.token, "alice": user(house, "alice@example.org"), "bob": user(house, "bob")}


@contextlib.contextmanager
def workspace(house: RunningInstance, token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from databricks.sdk import WorkspaceClient

    with pointed_at(house, token, monkeypatch):
        yield WorkspaceClient()


def _registered(house: RunningInstance, token: str, name: str) -> None:
    """A model with one version, as a client that uploads makes it."""
    uc, files = f"{house.url}/api/2.0/mlflow/unity-catalog", f"{house.url}/api/2.0/fs/files/Models"
    with httpx.Client(headers={"authorization": f"Bearer {token}"}) as http:
        http.post(f"{uc}/registered-models/create", json={"name": name})
        version = http.post(f"{uc}/model-versions/create", json={"name": name, "source": "x"}).json()["model_version"]
        path = f"{files}/{name.replace('.', '/')}/{version['version']}/MLmodel"
        assert http.put(path, content=SIGNED).status_code == 204
        one = {"name": name, "version": version["version"]}
        assert http.post(f"{uc}/model-versions/finalize", json=one).status_code == 200


@pytest.mark.req("REQ-019", "REQ-021")
def test_who_am_i_and_tokens(house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated

    with workspace(house, tokens["admin"], monkeypatch) as w:
        assert "admins" in [each.display for each in w.current_user.me().groups]
        with house.client() as admin:
            admin.create_principal("nightly job", "service_principal")
        secret = w.token_management.create_obo_token("nightly job", comment="job", lifetime_seconds=60).token_value
        job = WorkspaceClient(host=house.url, token=secret)
        assert job.current_user.me().user_name == "nightly job"
    with workspace(house, tokens["alice"], monkeypatch) as w:
        me = w.current_user.me()
        assert (me.user_name, me.active, me.id.isdigit()) == ("alice@example.org", True, True)
        assert [each.value for each in me.emails] == ["alice@example.org"]
        assert [each.display for each in me.groups] == ["account users"]
        made = w.tokens.create(comment="mine", lifetime_seconds=3600)
        info = made.token_info
        assert info.expiry_time == info.creation_time + 3_600_000
        assert w.tokens.create(comment="for ever").token_info.expiry_time == -1
        assert {each.comment for each in w.tokens.list()} == {"for alice@example.org", "mine", "for ever"}
        other = WorkspaceClient(host=house.url, token=made.token_value)
        assert other.current_user.me().user_name == "alice@example.org"
        w.tokens.delete(info.token_id)
        with pytest.raises(Unauthenticated):
            other.current_user.me()
        with pytest.raises(NotFound):
            w.tokens.delete(info.token_id)
        with pytest.raises(PermissionDenied):
            w.token_management.create_obo_token("nightly job")


@pytest.mark.req("REQ-021", "REQ-080")
def test_users_groups_and_service_principals(
    house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied, ResourceAlreadyExists
    from databricks.sdk.service.iam import ComplexValue, Patch, PatchOp

    with workspace(house, tokens["admin"], monkeypatch) as w:
        ana = w.users.create(user_name="ana@example.org", display_name="Ana")
        assert (ana.user_name, ana.display_name, ana.active) == ("ana@example.org", "Ana", True)
        assert w.users.get(ana.id).user_name == "ana@example.org"
        with pytest.raises(ResourceAlreadyExists):
            w.users.create(user_name="ana@example.org")
        robot = w.service_principals.create(display_name="robot")
        assert (robot.application_id, [each.id for each in w.service_principals.list()].count(robot.id)) == ("robot", 1)
        assert [each.user_name for each in w.users.list(filter='userName eq "ana@example.org"')] == ["ana@example.org"]
        team = w.groups.create(display_name="ops", members=[ComplexValue(value=ana.id)])
        assert [each.display for each in team.members] == ["ana@example.org"]
        w.groups.patch(team.id, operations=[Patch(PatchOp.ADD, "members", [{"value": robot.id}])])
        w.groups.patch(team.id, operations=[Patch(PatchOp.REMOVE, f'members[value eq "{ana.id}"]')])
        assert [each.display for each in w.groups.get(team.id).members] == ["robot"]
        assert "ops" in [each.display for each in w.service_principals.get(robot.id).groups]
        with pytest.raises(InvalidParameterValue):
            w.groups.patch(team.id, operations=[Patch(PatchOp.REPLACE, "displayName", "other")])
        with pytest.raises(NotFound):  # all or nothing: the unknown one keeps the known one out
            w.groups.patch(team.id, operations=[Patch(PatchOp.ADD, "members", [{"value": ana.id}, {"value": "1"}])])
        with pytest.raises(InvalidParameterValue):
            w.users.create(user_name="lazy", active=False)
        assert [each.display for each in w.groups.get(team.id).members] == ["robot"]
        w.groups.delete(team.id)
        w.users.delete(ana.id)
        w.service_principals.delete(robot.id)
        with pytest.raises(NotFound):
            w.users.get(ana.id)
        assert "ops" not in [each.display_name for each in w.groups.list()]
    with workspace(house, tokens["bob"], monkeypatch) as w:
        assert "bob" in [each.user_name for each in w.users.list()]
        with pytest.raises(PermissionDenied):
            w.users.create(user_name="mallory")
        with pytest.raises(PermissionDenied):
            w.groups.create(display_name="admins of bob's")


@pytest.mark.req("REQ-055", "REQ-059", "REQ-061")
def test_catalogs_and_schemas(house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from databricks.sdk.errors import (
        InvalidParameterValue,
        NotFound,
        PermissionDenied,
        ResourceAlreadyExists,
        ResourceConflict,
    )

    with workspace(house, tokens["admin"], monkeypatch) as w:
        made = w.catalogs.create("prod", comment="of the team")
        assert (made.name, made.comment, made.metastore_id) == (
            "prod", "of the team", w.metastores.current().metastore_id,
        )  # fmt: skip
        assert w.metastores.current().default_catalog_name == "main"
        assert w.metastores.summary().owner == w.current_user.me().user_name
        with pytest.raises(ResourceAlreadyExists):
            w.catalogs.create("prod")
        with pytest.raises(InvalidParameterValue):
            w.catalogs.create("a b.c")
        assert [each.name for each in w.catalogs.list()] == ["main", "prod"]
        schema = w.schemas.create("ml_team", "prod", comment="models")
        assert (schema.full_name, schema.name, schema.catalog_name) == ("prod.ml_team", "ml_team", "prod")
        assert [each.name for each in w.schemas.list("prod")] == ["default", "ml_team"]
        assert w.schemas.update("prod.ml_team", comment="new").comment == "new"
        assert w.catalogs.update("prod", comment="newer").comment == "newer"
        with pytest.raises(NotFound):
            w.catalogs.get("nowhere")
        with pytest.raises(ResourceConflict):
            w.catalogs.delete("prod")
        w.schemas.delete("prod.ml_team")
        w.catalogs.delete("prod", force=True)
        assert [each.name for each in w.catalogs.list()] == ["main"]
    with workspace(house, tokens["bob"], monkeypatch) as w:
        assert list(w.catalogs.list()) == []
        with pytest.raises(PermissionDenied, match="USE_CATALOG"):
            w.catalogs.get("main")
        with pytest.raises(PermissionDenied, match="CREATE_CATALOG"):
            w.catalogs.create("mine")


@pytest.mark.req("REQ-070", "REQ-071", "REQ-072", "REQ-080", "REQ-087", "REQ-088", "REQ-092", "REQ-099", "REQ-112")
def test_models_and_versions(house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, ResourceAlreadyExists, ResourceConflict

    with workspace(house, tokens["admin"], monkeypatch) as w:
        w.schemas.create("sdk", "main")
        made = w.registered_models.create(catalog_name="main", schema_name="sdk", name="iris", comment="first")
        name = made.full_name
        me = w.current_user.me().user_name
        assert (name, made.owner, made.created_by, made.comment) == ("main.sdk.iris", me, me, "first")
        with pytest.raises(ResourceAlreadyExists):
            w.registered_models.create(catalog_name="main", schema_name="sdk", name="iris")
        for _ in range(3):
            _registered(house, tokens["admin"], name)
        assert [each.version for each in w.model_versions.list(name, max_results=2)] == [3, 2, 1]
        assert w.model_versions.update(name, 2, comment="good").comment == "good"
        version = w.model_versions.get(name, 2)
        assert (version.model_name, version.status.value, version.created_by) == ("iris", "READY", me)
        assert w.registered_models.set_alias(name, "Champion", 2).version_num == 2
        assert w.model_versions.get_by_alias(name, "Champion").version == 2
        assert [each.alias_name for each in w.registered_models.get(name, include_aliases=True).aliases] == ["Champion"]
        for index in range(9):
            w.registered_models.set_alias(name, f"a{index}", 1)
        with pytest.raises(BadRequest, match="REQ-071"):
            w.registered_models.set_alias(name, "eleventh", 1)
        with pytest.raises(NotFound):
            w.registered_models.set_alias(name, "Champion", 99)
        with pytest.raises(NotFound):
            w.model_versions.get(name, 99)
        with pytest.raises(ResourceConflict, match="is in use"):
            w.model_versions.delete(name, 2)
        w.registered_models.delete_alias(name, "Champion")
        w.model_versions.delete(name, 2)
        assert [each.version for each in w.model_versions.list(name)] == [3, 1]
        assert w.registered_models.update(name, comment="changed").comment == "changed"
        assert w.registered_models.update(name, new_name="flower").full_name == "main.sdk.flower"
        assert [each.name for each in w.registered_models.list(catalog_name="main", schema_name="sdk")] == ["flower"]
        with house.client() as admin:
            admin.create_principal("team", "group")
        assert w.registered_models.update("main.sdk.flower", owner="team").owner == "team"
    with workspace(house, tokens["bob"], monkeypatch) as w:
        assert list(w.registered_models.list()) == []
        with pytest.raises(PermissionDenied):
            w.registered_models.get("main.sdk.flower")
        with pytest.raises(PermissionDenied):
            w.registered_models.delete("main.sdk.flower")
        with house.client() as admin:
            admin.add_member("team", "bob")
            admin.grant("CATALOG", "main", "bob", "USE_CATALOG", "USE_SCHEMA")
        # A member of the group that owns it may change it (REQ-080).
        assert w.registered_models.update("main.sdk.flower", comment="bob's").comment == "bob's"
        w.registered_models.delete_alias("main.sdk.flower", "a0")
    with workspace(house, tokens["admin"], monkeypatch) as w:
        with pytest.raises(ResourceConflict, match="is in use"):
            w.registered_models.delete("main.sdk.flower")
        w.registered_models.delete("main.sdk.flower")  # asked for twice: meant
        with pytest.raises(NotFound):
            w.registered_models.get("main.sdk.flower")


@pytest.mark.req("REQ-058", "REQ-059", "REQ-085", "REQ-086")
def test_grants(house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from databricks.sdk.errors import InvalidParameterValue, NotFound, PermissionDenied
    from databricks.sdk.service.catalog import PermissionsChange, Privilege

    alice = "alice@example.org"
    _registered(house, tokens["admin"], "main.default.granted")

    def change(*add: Privilege, remove: tuple[Privilege, ...] = (), who: str = alice) -> list[PermissionsChange]:
        return [PermissionsChange(add=list(add), remove=list(remove), principal=who)]

    with workspace(house, tokens["admin"], monkeypatch) as w:
        name = "main.default.granted"
        answer = w.grants.update("function", name, changes=change(Privilege.EXECUTE))
        assert [(each.principal, each.privileges) for each in answer.privilege_assignments] == [
            (alice, [Privilege.EXECUTE])
        ]
        assert w.grants.get("FUNCTION", name).privilege_assignments == answer.privilege_assignments
        w.grants.update("schema", "main.default", changes=change(Privilege.CREATE_MODEL, Privilege.USE_SCHEMA))
        w.grants.update("catalog", "main", changes=change(Privilege.USE_CATALOG))
        held = {
            each.privilege: (each.inherited_from_type and each.inherited_from_type.value, each.inherited_from_name)
            for each in w.grants.get_effective("schema", "main.default", principal=alice)
            .privilege_assignments[0]
            .privileges
        }
        assert held[Privilege.USE_SCHEMA] == (None, None)
        with pytest.raises(InvalidParameterValue):
            w.grants.update("table", name, changes=change(Privilege.SELECT))
        with pytest.raises(InvalidParameterValue):
            w.grants.update("function", name, changes=change(Privilege.USE_CATALOG))
        with pytest.raises(NotFound, match="nobody"):
            w.grants.update("function", name, changes=change(Privilege.EXECUTE, who="nobody"))
        assert [each.principal for each in w.grants.list("function", name)] == [alice]
        effective = list(w.grants.list_effective("function", name, principal=alice))
        assert Privilege.EXECUTE in [each.privilege for each in effective[0].privileges]
    with workspace(house, tokens["alice"], monkeypatch) as w:
        assert w.model_versions.get("main.default.granted", 1).version == 1
        mine = w.grants.get_effective("function", "main.default.granted", principal=alice)
        assert [each.privilege for each in mine.privilege_assignments[0].privileges] == [Privilege.EXECUTE]
        with pytest.raises(PermissionDenied, match="MANAGE"):
            w.grants.update("function", "main.default.granted", changes=change(Privilege.MANAGE))
    # The address as the sources print it (REQ-086); taken back, it holds at once.
    body = {"changes": [{"principal": alice, "remove": ["EXECUTE"]}]}
    path = f"{house.url}/api/2.1/unity-catalog/permissions/function/main.default.granted"
    answer = httpx.patch(path, json=body, headers=house.headers)
    assert (answer.status_code, answer.json()) == (200, {"privilege_assignments": []})
    with workspace(house, tokens["alice"], monkeypatch) as w, pytest.raises(PermissionDenied):
        w.model_versions.get("main.default.granted", 1)


@pytest.mark.req("REQ-063", "REQ-103")
def test_large_files(house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Above 50 MB the SDK wants to upload in parts, and to download from a signed address: it goes on without."""
    import io

    from databricks.sdk.errors import NotFound, ResourceConflict

    name, place = "main.default.large", "/Models/main/default/large/1"
    content = bytes(range(256)) * (60 * 4096)
    uc = f"{house.url}/api/2.0/mlflow/unity-catalog"
    httpx.post(f"{uc}/registered-models/create", json={"name": name}, headers=house.headers)
    httpx.post(f"{uc}/model-versions/create", json={"name": name, "source": "x"}, headers=house.headers)
    with workspace(house, tokens["admin"], monkeypatch) as w:
        w.files.upload(f"{place}/MLmodel", io.BytesIO(SIGNED), overwrite=True)
        w.files.upload(f"{place}/data/weights with blank.bin", io.BytesIO(content), overwrite=True)
        httpx.post(f"{uc}/model-versions/finalize", json={"name": name, "version": "1"}, headers=house.headers)
        assert w.model_versions.get(name, 1).status.value == "READY"
        assert w.files.download(f"{place}/data/weights with blank.bin").contents.read() == content
        assert [each.name for each in w.files.list_directory_contents(f"{place}/data")] == ["weights with blank.bin"]
        with pytest.raises(NotFound):
            w.files.download(f"{place}/none")
        with pytest.raises(ResourceConflict):
            w.files.upload(f"{place}/MLmodel", io.BytesIO(b"other"), overwrite=True)
    left = [each.name for each in (house.paths.artifacts / "registry").iterdir() if each.name.endswith(".parts")]
    assert left == []


def _api(house: RunningInstance, token: str) -> httpx.Client:
    return httpx.Client(base_url=house.url, headers={"authorization": f"Bearer {token}"}, timeout=60)


def _grant(client: Any, kind: str, name: str, principal: str, *privileges: str) -> None:
    """GRANT by databricks-sdk."""
    from databricks.sdk.service.catalog import PermissionsChange, Privilege

    change = PermissionsChange(add=[Privilege(each) for each in privileges], principal=principal)
    client.grants.update(kind, name, changes=[change])


@pytest.mark.req("REQ-021", "REQ-022", "REQ-023", "REQ-024", "REQ-054", "REQ-057", "REQ-058", "REQ-062", "REQ-066")
@pytest.mark.req("REQ-068", "REQ-070", "REQ-072", "REQ-074", "REQ-075", "REQ-085", "REQ-087", "REQ-091", "REQ-104")
@pytest.mark.req("REQ-105", "REQ-106", "REQ-110")
def test_the_story_of_two_users_with_unmodified_clients(
    house: RunningInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Register, denied, why, granted, promoted, served, moved, audited: MLflow, databricks-sdk and plain HTTP only."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import PermissionDenied
    from mlflow import MlflowClient

    dev, prod = "staging.ml_team.fraud_detection", "prod.ml_team.fraud_detection"
    rows, address = {"inputs": [[1.0]]}, f"/model/{prod}/Champion/invocations"
    with pointed_at(house, house.token, monkeypatch):
        admin: Any = WorkspaceClient()
        tokens = {}
        for name in ("dora", "eli"):
            admin.users.create(user_name=name)
            tokens[name] = admin.token_management.create_obo_token(name).token_value
        for catalog in ("staging", "prod"):
            admin.catalogs.create(catalog)
            admin.schemas.create("ml_team", catalog)
    dora, eli = (WorkspaceClient(host=house.url, token=tokens[name]) for name in ("dora", "eli"))

    # dora registers as soon as she may (REQ-057).
    with registry(house, tokens["dora"], "default", monkeypatch) as mlflow:
        refused(lambda: MlflowClient().create_registered_model(dev), "PERMISSION_DENIED", "USE_CATALOG")
        _grant(admin, "catalog", "staging", "dora", "USE_CATALOG")
        _grant(admin, "schema", "staging.ml_team", "dora", "USE_SCHEMA", "CREATE_MODEL")
        assert [logged(mlflow, dev, 1.0), logged(mlflow, dev, 2.0)] == ["1", "2"]
        MlflowClient().set_registered_model_alias(dev, "Challenger", "1")

    with registry(house, tokens["eli"], "default", monkeypatch) as mlflow, _api(house, tokens["eli"]) as http:
        client = MlflowClient()
        # eli is denied, and asks why: what is missing, and who can grant it.
        with pytest.raises(Exception, match="USE_CATALOG on CATALOG staging is missing"):
            mlflow.pyfunc.load_model(f"models:/{dev}@Challenger")
        with pytest.raises(PermissionDenied, match="USE_CATALOG"):
            eli.registered_models.get(dev)
        why = http.get(f"/api/modelserve/v1/why/function/{dev}", params={"operation": "version.read"}).json()
        assert [each["any_of"] for each in why["decision"]["missing"]] == [["USE_CATALOG"], ["USE_SCHEMA"], ["EXECUTE"]]
        assert "dora" in why["decision"]["missing"][2]["grantors"]
        # The owner grants EXECUTE, an admin the way to it (REQ-085, REQ-105).
        _grant(dora, "function", dev, "eli", "EXECUTE")
        with pytest.raises(PermissionDenied, match="MANAGE"):
            _grant(dora, "catalog", "staging", "eli", "USE_CATALOG")
        _grant(admin, "catalog", "staging", "eli", "USE_CATALOG", "USE_SCHEMA")
        assert predicted(mlflow, f"models:/{dev}@Challenger") == 1.0
        refused(lambda: client.set_registered_model_alias(dev, "Champion", "1"), "PERMISSION_DENIED", "SET_ALIAS")

        # He promotes by copying into the catalog of production; the alias says what is deployed (REQ-066).
        with pytest.raises(Exception, match="USE_CATALOG on CATALOG prod is missing"):
            client.copy_model_version(f"models:/{dev}/1", prod)
        _grant(admin, "catalog", "prod", "eli", "USE_CATALOG", "USE_SCHEMA", "CREATE_MODEL")
        copied = client.copy_model_version(f"models:/{dev}/1", prod)
        assert (copied.name, str(copied.version), copied.source) == (prod, "1", f"models:/{dev}/1")
        with pytest.raises(Exception, match="alias"):
            client.transition_model_version_stage(prod, "1", "Production")
        client.set_registered_model_alias(prod, "Champion", "1")

        # He serves it, and scores with plain HTTP.
        body = {"entities": [{"model": prod, "selector": {"kind": "alias", "value": "Champion"}}]}
        endpoint = http.put("/api/modelserve/v1/endpoints/fraud", json=body)
        assert endpoint.status_code == 202, endpoint.text
        _until(lambda: http.post(address, json=rows).json() == {"predictions": [1.0]}, "it is served")

        # To dora it does not exist before she may know of it, neither as a model nor in the counters.
        with _api(house, tokens["dora"]) as other:
            hidden, missing = (
                other.post(f"/model/{name}/Champion/invocations", json=rows) for name in (prod, "prod.ml_team.nothing")
            )
            assert hidden.status_code == missing.status_code == 404
            assert hidden.json()["message"].replace(prod, "X") == missing.json()["message"].replace(
                "prod.ml_team.nothing", "X"
            )
            assert prod not in other.get("/metrics").text
            assert prod in http.get("/metrics").text
            assert other.get("/api/modelserve/v1/endpoints/fraud").status_code == 404
            _grant(eli, "function", prod, "dora", "EXECUTE")
            _grant(admin, "catalog", "prod", "dora", "USE_CATALOG", "USE_SCHEMA")
            assert other.post(address, json=rows).json() == {"predictions": [1.0]}
            assert prod in other.get("/metrics").text
            manage = other.delete("/api/modelserve/v1/endpoints/fraud")
            assert (manage.status_code, "MANAGE" in manage.json()["message"]) == (403, True)

        # The next version: the alias moves, the address stays (REQ-070).
        assert str(client.copy_model_version(f"models:/{dev}/2", prod).version) == "2"
        client.set_registered_model_alias(prod, "Champion", "2")
        _until(lambda: http.post(address, json=rows).json() == {"predictions": [2.0]}, "the alias was followed")

        # A stream of events ends with its token, within a second or so.
        used: Any = eli.tokens.create(comment="stream")
        unused: Any = eli.tokens.create(comment="another")
        with (
            _api(house, used.token_value) as reader,
            reader.stream(
                "GET", "/api/modelserve/v1/endpoints/fraud/events", headers={"accept": "text/event-stream"}
            ) as stream,
        ):
            lines = stream.iter_lines()
            assert next(lines) == "event: status"
            eli.tokens.delete(unused.token_info.token_id)
            eli.tokens.delete(used.token_info.token_id)
            begun = time.monotonic()
            with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
                for _ in lines:
                    assert time.monotonic() - begun < 5
            assert time.monotonic() - begun < 5
            assert reader.get("/api/modelserve/v1/status").status_code == 401
        http.delete("/api/modelserve/v1/endpoints/fraud")

        # Who did what, from what to what, with which client (REQ-054).
        trail = http.get("/api/modelserve/v1/audit", params={"kind": "FUNCTION", "name": prod}).json()["records"]
        assert [
            (each["principal"], each["action"], each["after"]) for each in trail if "tag" not in each["action"]
        ] == [
            ("eli", "model created", ""),
            ("eli", "version created", f"models:/{dev}/1"),
            ("eli", "alias set", "Champion: 1"),
            ("eli", "granted", "EXECUTE to dora"),
            ("eli", "version created", f"models:/{dev}/2"),
            ("eli", "alias moved", "Champion: 2"),
        ]
        assert {each["client"].split("/")[0] for each in trail if each["action"] == "granted"} != {""}
        past = http.get("/api/modelserve/v1/audit", params={"kind": "FUNCTION", "name": dev})
        assert past.status_code == 403, "the past of dora's model is hers"


def _until(found: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 180
    while not found():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.05)
