"""databricks-sdk, unmodified: who am I, catalogs, schemas, models, versions, grants, tokens; and its exceptions."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.databricks import pointed_at, user
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
