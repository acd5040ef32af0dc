"""``databricks-uc`` with the unmodified MLflow client, in both of its dialects, against the real daemons."""

from __future__ import annotations

import gc
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.client.verbs import specification
from jupyter_modelserve.controller.environments.build import find_uv
from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.controller.environments.pipconfig import build_environ
from jupyter_modelserve.errors import NotFound
from jupyter_modelserve.settings import Settings
from tests.support.databricks import logged as _log
from tests.support.databricks import predicted as _predicted
from tests.support.databricks import refused as _refused
from tests.support.databricks import registry, user
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
    """An instance of its own: models and grants stay."""
    with started_instance("ms-uc-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.fixture(scope="module")
def alice(house: RunningInstance) -> str:
    """A user who may use the catalog main and register in its schemas; her token."""
    token = user(house, "alice")
    with house.client() as admin:
        admin.grant("CATALOG", "main", "alice", "USE_CATALOG", "USE_SCHEMA", "CREATE_MODEL")
    return token


@pytest.fixture(scope="module")
def bob(house: RunningInstance) -> str:
    """A user without any right; his token."""
    return user(house, "bob")


@pytest.mark.req("REQ-054", "REQ-057", "REQ-061", "REQ-062", "REQ-065", "REQ-067", "REQ-068", "REQ-070", "REQ-074")
@pytest.mark.req("REQ-076", "REQ-078", "REQ-089", "REQ-091", "REQ-094", "REQ-095", "REQ-098", "REQ-100", "REQ-102")
@pytest.mark.req("REQ-063", "REQ-088", "REQ-092", "REQ-093", "REQ-103", "REQ-108", "REQ-110", "REQ-111")
@pytest.mark.parametrize("dialect", ["default", "native"])
def test_a_models_whole_life(
    house: RunningInstance, alice: str, dialect: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    name, target = f"main.life_{dialect}.iris", f"main.life_{dialect}.copied"
    with house.client() as admin:
        admin.create_schema(f"main.life_{dialect}")
    with registry(house, alice, dialect, monkeypatch) as mlflow:
        client = MlflowClient()
        # Register, with the whole directory uploaded; then by number and by alias.
        assert [_log(mlflow, name, 1.0), _log(mlflow, name, 2.0)] == ["1", "2"]
        client.set_registered_model_alias(name, "Champion", "1")
        assert _predicted(mlflow, f"models:/{name}@Champion") == 1.0
        client.set_registered_model_alias(name, "Champion", "2")
        assert _predicted(mlflow, f"models:/{name}@Champion") == 2.0
        assert _predicted(mlflow, f"models:/{name}/1") == 1.0
        found = client.get_model_version_by_alias(name, "Champion")
        assert (str(found.version), found.status, list(found.aliases)) == ("2", "READY", ["Champion"])
        files = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path)))
        assert (files / "MLmodel").is_file()
        assert (files / "requirements.txt").is_file()

        # Tags and descriptions.
        client.set_registered_model_tag(name, "task", "regression")
        client.set_model_version_tag(name, "2", "validation_status", "approved")
        client.update_registered_model(name, description="Iris")
        client.update_model_version(name, "2", description="the second")
        model, version = client.get_registered_model(name), client.get_model_version(name, "2")
        assert (model.tags, model.description, dict(model.aliases)) == (
            {"task": "regression"}, "Iris", {"Champion": "2"},
        )  # fmt: skip
        assert version.tags["validation_status"] == "approved"
        assert (version.description, version.user_id) == ("the second", "alice")
        client.delete_registered_model_tag(name, "task")
        client.delete_model_version_tag(name, "2", "validation_status")
        assert client.get_registered_model(name).tags == {}
        assert "validation_status" not in client.get_model_version(name, "2").tags

        # Search and its limits.
        assert name in [each.name for each in client.search_registered_models()]
        assert [str(each.version) for each in client.search_model_versions(f"name='{name}'")] == ["2", "1"]
        for call in (
            lambda: client.search_registered_models(filter_string=f"name='{name}'"),
            lambda: client.search_registered_models(order_by=["name"]),
            lambda: client.search_model_versions(f"name='{name}'", order_by=["version"]),
            lambda: client.search_model_versions("name LIKE 'main%'"),
            lambda: client.search_model_versions("tags.task = 'x'"),
        ):
            with pytest.raises(Exception, match=r"(?i)not support|unsupported|must be|expected|malformed|invalid"):
                call()
        with pytest.raises(Exception, match="alias"):
            client.transition_model_version_stage(name, "1", "Production")

        # A copy has the bytes, and its source names where it comes from.
        copied = client.copy_model_version(f"models:/{name}@Champion", target)
        assert (copied.name, str(copied.version), copied.source) == (target, "1", f"models:/{name}/2")
        assert _predicted(mlflow, f"models:/{target}/1") == 2.0

        # Rename: aliases and files follow. Delete: for good.
        client.rename_registered_model(target, f"main.life_{dialect}.renamed")
        assert _predicted(mlflow, f"models:/main.life_{dialect}.renamed/1") == 2.0
        _refused(lambda: client.get_registered_model(target), "PERMISSION_DENIED")  # what is not there, is not hers
        client.delete_model_version(name, "1")
        _refused(lambda: client.get_model_version(name, "1"), "RESOURCE_DOES_NOT_EXIST")
        with pytest.raises(Exception, match="is in use"):
            client.delete_model_version(name, "2")
        client.delete_registered_model_alias(name, "Champion")
        client.delete_model_version(name, "2")
        client.delete_registered_model(f"main.life_{dialect}.renamed")
        client.delete_registered_model(name)
        assert f"main.life_{dialect}" not in " ".join(each.name for each in client.search_registered_models())


@pytest.mark.req("REQ-056", "REQ-057", "REQ-062", "REQ-072", "REQ-075", "REQ-087", "REQ-092", "REQ-096")
@pytest.mark.parametrize("dialect", ["default", "native"])
def test_grants_hold_on_this_face(
    house: RunningInstance, alice: str, bob: str, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    schema, name = f"main.rights_{dialect}", f"main.rights_{dialect}.m"
    with house.client() as admin:
        admin.create_schema(schema)
    with registry(house, alice, dialect, monkeypatch) as mlflow:
        assert _log(mlflow, name, 1.0) == "1"
        MlflowClient().set_registered_model_alias(name, "Champion", "1")
    with registry(house, bob, dialect, monkeypatch) as mlflow:
        client = MlflowClient()
        denied = "PERMISSION_DENIED"
        assert name not in [each.name for each in client.search_registered_models()]
        _refused(lambda: client.get_registered_model(name), denied, "USE_CATALOG")
        _refused(lambda: client.create_registered_model(f"{schema}.other"), denied, "USE_CATALOG")
        _refused(lambda: client.get_model_version(name, "1"), denied)
        _refused(lambda: client.set_registered_model_alias(name, "Champion", "1"), denied)
        _refused(lambda: client.set_registered_model_tag(name, "a", "b"), denied)
        _refused(lambda: client.delete_model_version(name, "1"), denied)
        with pytest.raises(Exception, match="USE_CATALOG"):
            mlflow.pyfunc.load_model(f"models:/{name}/1")
        with house.client() as admin:
            admin.grant("SCHEMA", schema, "bob", "USE_SCHEMA", "APPLY_TAG")
            admin.grant("CATALOG", "main", "bob", "USE_CATALOG")
        # He sees it now and may tag it, but neither load nor change it.
        assert name in [each.name for each in client.search_registered_models()]
        client.set_registered_model_tag(name, "a", "b")
        with pytest.raises(Exception, match="EXECUTE"):
            mlflow.pyfunc.load_model(f"models:/{name}/1")
        with house.client() as admin:
            admin.grant("MODEL", name, "bob", "EXECUTE")
        assert _predicted(mlflow, f"models:/{name}@Champion") == 1.0
        _refused(lambda: client.set_registered_model_alias(name, "Champion", "1"), denied, "SET_ALIAS")
        with house.client() as admin:
            admin.revoke("CATALOG", "main", "bob", "USE_CATALOG")
    with house.client() as admin:
        trail = [(each.principal, each.action) for each in admin.audit(kind="MODEL", name=name)]
    assert trail == [
        ("alice", "model created"),
        ("alice", "version created"),
        ("alice", "alias set"),
        ("bob", "tag set"),
        (admin_name(house), "granted"),
    ]


@pytest.mark.req("REQ-108", "REQ-109")
def test_a_model_moves_from_the_workspace_registry_to_a_catalog(
    house: RunningInstance, alice: str, bob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Databricks documents the migration, and with the address itself as the registry."""
    from mlflow import MlflowClient

    old, new = "churn model", "main.default.churn"
    with house.client() as admin:
        admin.grant("WORKSPACE", "workspace", "alice", "CREATE_MODEL")
    with registry(house, alice, "default", monkeypatch) as mlflow:
        mlflow.set_registry_uri(house.url)
        assert _log(mlflow, old, 3.0) == "1"
        MlflowClient().transition_model_version_stage(old, "1", "Production")
        workspace = MlflowClient(registry_uri="databricks")
        for source in ("1", "Production"):
            copied = workspace.copy_model_version(f"models:/{old}/{source}", new)
        assert (copied.name, str(copied.version), copied.source) == (new, "2", f"models:/{old}/1")
        copied = MlflowClient().copy_model_version(f"models:/{old}/1", new)
        assert (str(copied.version), copied.source) == ("3", f"models:/{old}/1")
        mlflow.set_registry_uri("databricks-uc")
        assert [_predicted(mlflow, f"models:/{new}/{version}") for version in "123"] == [3.0, 3.0, 3.0]
    asked = {"name": old, "version": "1", "path": "MLmodel"}
    signed = f"{house.url}/api/2.0/mlflow/model-versions/get-signed-download-uri"
    answer = httpx.get(signed, params=asked, headers={"authorization": f"Bearer {alice}"}).json()
    ticket = {each["name"]: each["value"] for each in answer["headers"]}
    assert "mst_" not in answer["signed_uri"], "no secret in an address"
    assert httpx.get(answer["signed_uri"], headers=ticket).text.startswith("artifact_path")
    assert httpx.get(answer["signed_uri"]).status_code == 401
    assert httpx.get(answer["signed_uri"].replace("MLmodel", "conda.yaml"), headers=ticket).status_code == 401
    refused = httpx.get(signed, params=asked, headers={"authorization": f"Bearer {bob}"})
    assert (refused.status_code, "EXECUTE" in refused.json()["message"]) == (403, True)
    escape = httpx.get(signed, params={**asked, "path": "../x"}, headers={"authorization": f"Bearer {alice}"})
    assert escape.status_code == 400


@pytest.mark.req("REQ-081")
def test_a_model_is_shared_with_another_instance(
    house: RunningInstance, alice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The provider grants to a partner, who takes the model into a catalog of its own and uses it as usual."""
    name, taken = "main.default.shared", "from_provider.default.shared"
    with registry(house, alice, "default", monkeypatch) as mlflow:
        assert _log(mlflow, name, 5.0) == "1"
    with house.client() as provider:
        provider.create_principal("partner", "service_principal")
        token = provider.create_token("share", lifetime=3600, principal="partner")[0]
        provider.grant("CATALOG", "main", "partner", "USE_CATALOG", "USE_SCHEMA")
    with registry(house, token, "default", monkeypatch) as mlflow:
        with pytest.raises(Exception, match="EXECUTE"):
            mlflow.artifacts.download_artifacts(f"models:/{name}/1")
        with house.client() as provider:
            provider.grant("MODEL", name, "partner", "EXECUTE")
        files = mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path))
    with started_instance("ms-uc2-") as recipient:
        recipient.wait_for_mlflow()
        with recipient.client() as admin:
            admin.create_catalog("from_provider")
        with registry(recipient, recipient.token, "default", monkeypatch) as mlflow:
            mlflow.register_model(Path(files).as_uri(), taken)
            assert _predicted(mlflow, f"models:/{taken}/1") == 5.0


SKINNY = """
import json, mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri("databricks")
client, name = MlflowClient(), "main.default.skinny"
client.create_registered_model(name, description="by hand")
client.set_registered_model_tag(name, "task", "none")
client.set_registered_model_alias("main.default.signed", "Champion", "1")
files = mlflow.artifacts.download_artifacts("models:/main.default.signed@Champion")
print(json.dumps([
    [each.name for each in client.search_registered_models() if each.name.endswith((".skinny", ".signed"))],
    str(client.get_model_version_by_alias("main.default.signed", "Champion").version),
    open(files + "/MLmodel").read(),
]))
"""


@pytest.mark.req("REQ-060", "REQ-102", "REQ-103")
def test_the_documented_installation_of_the_client_works(house: RunningInstance, alice: str, tmp_path: Path) -> None:
    """``pip install --upgrade "mlflow-skinny[databricks]"`` in a fresh environment, and nothing of ours in it."""
    uc, fs = f"{house.url}/api/2.0/mlflow/unity-catalog", f"{house.url}/api/2.0/fs/files/Models/main/default/signed/1"
    with httpx.Client(headers={"authorization": f"Bearer {alice}"}) as http:
        http.post(f"{uc}/registered-models/create", json={"name": "main.default.signed"})
        http.post(f"{uc}/model-versions/create", json={"name": "main.default.signed", "source": "x"})
        assert http.put(f"{fs}/MLmodel", content=SIGNED).status_code == 204
        one = {"name": "main.default.signed", "version": "1"}
        assert http.post(f"{uc}/model-versions/finalize", json=one).status_code == 200
    # uv installs what pip would, from where pip's configuration says, and keeps it: seconds instead of minutes.
    environ = build_environ(Settings(), Declared(platform.python_version(), ()), os.environ)
    python = tmp_path / "client" / "bin" / "python"
    for command in (
        ["venv", "--python", sys.executable, str(tmp_path / "client")],
        ["pip", "install", "--python", str(python), "--upgrade", "mlflow-skinny[databricks]"],
    ):
        subprocess.run([find_uv(), *command], env=environ, check=True, capture_output=True, timeout=600)
    used = {"DATABRICKS_HOST": house.url, "DATABRICKS_TOKEN": alice, "HOME": str(tmp_path), "PATH": os.defpath}
    done = subprocess.run(
        [python, "-c", SKINNY], env=used, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        ["main.default.signed", "main.default.skinny"], "1", SIGNED.decode(),
    ]  # fmt: skip


def admin_name(house: RunningInstance) -> str:
    """The local user."""
    me = httpx.get(f"{house.url}/api/modelserve/v1/principals/me", headers=house.headers).json()
    return str(me["name"])


@pytest.mark.req("REQ-024", "REQ-075", "REQ-077")
def test_what_was_uploaded_is_served_and_what_is_under_way_is_not(
    house: RunningInstance, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    name, rows = "main.default.served", {"inputs": [[1.0]]}
    with registry(house, alice, "default", monkeypatch) as mlflow:
        assert _log(mlflow, name, 7.0) == "1"
        MlflowClient().set_registered_model_alias(name, "Champion", "1")
    uc, headers = f"{house.url}/api/2.0/mlflow/unity-catalog", {"authorization": f"Bearer {alice}"}
    with Client.discover(url=house.url, token=alice, paths=house.paths) as ours:
        endpoint = ours.put_endpoint(specification(f"{name}@Champion"))
        ours.wait_ready(endpoint.spec.name, timeout=180)
        path = f"{house.url}/model/{name}/Champion/invocations"
        assert httpx.post(path, json=rows, headers=headers).json() == {"predictions": [7.0]}
        assert _digests(house, name) == ["1"]
        httpx.post(f"{uc}/model-versions/create", json={"name": name, "source": "x"}, headers=headers)
        with pytest.raises(NotFound):
            ours.put_endpoint(specification(f"{name}/2", name="half"))
        ours.delete_endpoint(endpoint.spec.name)
        ours.wait_gone(endpoint.spec.name)
    assert _digests(house, name) == ["1"], "no digest of half an upload"


def _digests(house: RunningInstance, name: str) -> list[str]:
    """Versions whose digest is on record."""
    with sqlite3.connect(f"file:{house.paths.database}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT version FROM modelserve_digests WHERE model = ?", (name,))
        return sorted(str(row[0]) for row in rows)


@pytest.mark.req("REQ-063", "REQ-093")
def test_a_version_under_way(house: RunningInstance, alice: str, bob: str) -> None:
    """What no polite client does: half an upload, somebody else's, one without a signature, one that is finished."""
    base, name = f"{house.url}/api/2.0", "main.default.under_way"
    uc, fs = f"{base}/mlflow/unity-catalog", f"{base}/fs/files/Models/main/default/under_way/1"
    with (
        httpx.Client(headers={"authorization": f"Bearer {alice}"}) as http,
        httpx.Client(headers={"authorization": f"Bearer {bob}"}) as stranger,
    ):
        assert http.post(f"{uc}/registered-models/create", json={"name": name}).status_code == 200
        again = http.post(f"{uc}/registered-models/create", json={"name": name})
        assert (again.status_code, again.json()["error_code"]) in {
            (400, "RESOURCE_ALREADY_EXISTS"), (409, "RESOURCE_ALREADY_EXISTS"),
        }  # fmt: skip
        made = http.post(f"{uc}/model-versions/create", json={"name": name, "source": "/somewhere/else"}).json()
        assert made["model_version"]["status"] == "PENDING_REGISTRATION"
        assert made["model_version"]["source"] == "/somewhere/else"
        assert made["model_version"]["model_id"]
        one = {"name": name, "version": "1"}
        empty = http.post(f"{uc}/model-versions/finalize", json=one)
        assert (empty.status_code, "MLmodel" in empty.json()["message"]) == (400, True)
        with house.client() as admin:
            admin.grant("CATALOG", "main", "bob", "USE_CATALOG", "USE_SCHEMA", "CREATE_MODEL_VERSION")
        foreign = stranger.put(f"{fs}/MLmodel", content=b"x")
        assert (foreign.status_code, foreign.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert "somebody else" in foreign.json()["message"]
        assert http.put(f"{fs}/MLmodel?overwrite=true", content=b"flavors: {}\n").status_code == 204
        unsigned = http.post(f"{uc}/model-versions/finalize", json=one)
        assert (unsigned.status_code, "REQ-063" in unsigned.json()["message"]) == (400, True)
        assert http.put(f"{fs}/MLmodel?overwrite=true", content=SIGNED).status_code == 204
        assert http.put(f"{fs}/sub/data.bin", content=b"12345").status_code == 204
        assert http.put(f"{fs}/sub", content=b"12345").status_code == 400
        for escape in ("%2e%2e/x", "..%2fx", "a/%2e%2e/%2e%2e/x"):
            assert http.put(f"{fs}/{escape}", content=b"x").status_code in {400, 404}
        assert http.post(f"{uc}/model-versions/finalize", json=one).json()["model_version"]["status"] == "READY"
        assert http.post(f"{uc}/model-versions/finalize", json=one).status_code == 200, "a repeated request"
        late = http.put(f"{fs}/MLmodel?overwrite=true", content=b"changed")
        assert (late.status_code, late.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
        assert http.get(f"{fs}/MLmodel").content == SIGNED
        assert http.get(f"{fs}/sub/data.bin", headers={"range": "bytes=1-2"}).content == b"23"
        listed = http.get(f"{base}/fs/directories/Models/main/default/under_way/1/").json()["contents"]
        assert [(each["name"], each["is_directory"], each["file_size"]) for each in listed] == [
            ("MLmodel", False, len(SIGNED)), ("sub", True, 0),
        ]  # fmt: skip
        assert stranger.get(f"{fs}/MLmodel").status_code == 403
        assert http.head(f"{base}/fs/directories/Models/main/default/under_way/1/none").status_code == 404


@pytest.mark.req("REQ-063")
def test_an_upload_goes_on_after_the_controller_was_killed(house: RunningInstance) -> None:
    uc, name = f"{house.url}/api/2.0/mlflow/unity-catalog", "main.default.killed"
    place = f"{house.url}/api/2.0/fs/files/Models/main/default/killed/1"
    with httpx.Client(headers=house.headers, timeout=120) as http:
        http.post(f"{uc}/registered-models/create", json={"name": name})
        http.post(f"{uc}/model-versions/create", json={"name": name, "source": "x"})
        assert http.put(f"{place}/before.bin", content=b"before").status_code == 204
        before = house.pid("controller")
        os.kill(before, signal.SIGKILL)
        # Held by the gateway until the next controller answers. Nothing is listening at first: sent again if refused.
        answer = http.put(f"{place}/MLmodel", content=SIGNED)
        while answer.status_code in {502, 503}:
            answer = http.put(f"{place}/MLmodel", content=SIGNED)
        assert answer.status_code == 204
        assert house.pid("controller") != before
        house.wait_for_mlflow()
        done = http.post(f"{uc}/model-versions/finalize", json={"name": name, "version": "1"})
        assert done.json()["model_version"]["status"] == "READY"
        assert http.get(f"{place}/before.bin").content == b"before"


@pytest.mark.req("REQ-110", "REQ-111")
def test_limits_are_said_by_the_server_too(house: RunningInstance, alice: str) -> None:
    uc = f"{house.url}/api/2.0/mlflow/unity-catalog"
    with httpx.Client(headers={"authorization": f"Bearer {alice}"}) as http:
        for path, query in (
            ("registered-models/search", {"filter": "name LIKE 'a%'"}),
            ("registered-models/search", {"order_by": "name"}),
            ("model-versions/search", {"filter": "tags.mykey = 'a'"}),
            ("model-versions/search", {"filter": "name != 'a.b.c'"}),
            ("model-versions/search", {"filter": "name = 'a.b.c'", "order_by": "version_number"}),
        ):
            answer = http.get(f"{uc}/{path}", params=query)
            assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), path
            assert "REQ-111" in answer.json()["message"]
        stage = http.post(f"{uc}/model-versions/transition-stage", json={"name": "a.b.c"})
        assert "REQ-110" in stage.json()["message"]
        one_level = http.get(f"{uc}/registered-models/get", params={"name": "iris"})
        assert (one_level.status_code, "catalog.schema.model" in one_level.json()["message"]) == (400, True)
        for path in ("webhooks", "comments/create", "registry-webhooks/list"):
            assert http.get(f"{uc}/{path}").status_code == 404
        assert httpx.get(f"{uc}/registered-models/search").status_code == 401
        assert httpx.get(f"{house.url}/.well-known/databricks-config").json()["workspace_id"] is None
