"""The two-user story against the one address, with unmodified MLflow clients and with ours."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx
import numpy as np
import pytest

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.client.verbs import specification
from jupyter_modelserve.errors import Conflict, NotFound, PermissionDenied, Unauthenticated
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of, started_instance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]
USERS = ("alice", "bob")


@pytest.fixture(scope="module")
def house() -> Iterator[RunningInstance]:
    """An instance of its own: principals and grants stay."""
    with started_instance("ms-gov-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.fixture(scope="module")
def tokens(house: RunningInstance) -> dict[str, str]:
    """alice and bob, as an admin adds them: a token each and nothing more."""
    with house.client() as admin:
        found = {}
        for name in USERS:
            admin.create_principal(name)
            found[name] = admin.create_token(f"for {name}", principal=name)[0]
        return found


@contextlib.contextmanager
def client_of(house: RunningInstance, token: str) -> Iterator[Client]:
    with Client.discover(url=house.url, token=token, paths=house.paths) as client:
        yield client


@pytest.fixture
def as_user(
    house: RunningInstance, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Any]]:
    """The mlflow module with a user's token: nothing else is set."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    with mlflow_of(house) as module:

        def use(name: str) -> Any:
            os.environ["MLFLOW_TRACKING_TOKEN"] = tokens.get(name, house.token)
            return module

        yield use


def _log(mlflow: Any, name: str, constant: float) -> str:
    from sklearn.dummy import DummyRegressor

    model = DummyRegressor(strategy="constant", constant=constant).fit([[0.0]], [constant])
    with mlflow.start_run():
        mlflow.log_metric("rmse", 0.25)
        info = mlflow.sklearn.log_model(
            model, name="model", registered_model_name=name, input_example=np.array([[1.0]]),
            pip_requirements=zoo.pins("scikit-learn", "numpy", "cloudpickle"),
        )  # fmt: skip
    return str(info.registered_model_version)


def _refused(call: Callable[[], Any], *words: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == "PERMISSION_DENIED", caught.value
    for word in words:
        assert word in str(caught.value)


@pytest.mark.req("REQ-057", "REQ-058", "REQ-062", "REQ-068", "REQ-074", "REQ-075", "REQ-085", "REQ-087", "REQ-105")
@pytest.mark.req("REQ-021", "REQ-022", "REQ-023", "REQ-024", "REQ-054", "REQ-091", "REQ-104", "REQ-106")
def test_two_users(house: RunningInstance, tokens: dict[str, str], as_user: Callable[[str], Any]) -> None:
    name, target = "prod.ml_team.iris_model", "live.ml_team.iris_model"
    with house.client() as admin:
        admin.create_catalog("prod", "models of the team")
        admin.create_schema("prod.ml_team")
        admin.create_catalog("live")
        admin.create_schema("live.ml_team")
        # Without grants alice may not register, and is told what is missing and who can grant it.
        _refused(lambda: as_user("alice").MlflowClient().create_registered_model(name), "USE_CATALOG", "prod")
        admin.statements(
            "GRANT USE CATALOG ON CATALOG prod TO alice;"
            "GRANT USE SCHEMA, CREATE_MODEL ON SCHEMA prod.ml_team TO alice; -- REQ-058"
        )
    mlflow = as_user("alice")
    assert _log(mlflow, name, 1.0) == "1"
    mlflow.MlflowClient().set_registered_model_alias(name, "Champion", 1)

    # bob sees nothing and may do nothing.
    bob = as_user("bob").MlflowClient()
    assert [each.name for each in bob.search_registered_models()] == []
    assert list(bob.search_model_versions(f"name='{name}'")) == []
    _refused(lambda: bob.get_registered_model(name), "USE_CATALOG")
    _refused(lambda: bob.set_registered_model_alias(name, "Challenger", 1), "USE_CATALOG")
    _refused(lambda: mlflow.pyfunc.load_model(f"models:/{name}@Champion"))
    with client_of(house, tokens["bob"]) as ours:
        assert ours.models() == []
        with pytest.raises(PermissionDenied, match="USE_CATALOG on CATALOG prod is missing"):
            ours.model(name)
        decision, text = ours.why("MODEL", name, "version.read")
        assert not decision.allowed
        assert [each.any_of for each in decision.missing] == [("USE_CATALOG",), ("USE_SCHEMA",), ("EXECUTE",)]
        assert "alice" in decision.missing[2].grantors
        assert "GRANT EXECUTE ON FUNCTION prod.ml_team.iris_model TO bob" in text
        with pytest.raises(PermissionDenied):
            ours.put_endpoint(specification(f"{name}@Champion"))

    # The owner grants EXECUTE, an admin the way in; bob loads, but still changes nothing.
    with client_of(house, tokens["alice"]) as ours:
        ours.statements(f"GRANT EXECUTE ON FUNCTION {name} TO bob")
        with pytest.raises(PermissionDenied):
            ours.statements("GRANT USE CATALOG ON CATALOG prod TO bob")
    with house.client() as admin:
        admin.grant("CATALOG", "prod", "bob", "USE_CATALOG", "USE_SCHEMA")
    assert float(as_user("bob").pyfunc.load_model(f"models:/{name}@Champion").predict(np.array([[1.0]]))[0]) == 1.0
    assert [each.name for each in bob.search_registered_models()] == [name]
    _refused(lambda: bob.set_registered_model_alias(name, "Champion", 1), "SET_ALIAS")
    _refused(lambda: bob.delete_model_version(name, "1"), "MANAGE")

    # bob promotes into the other catalog once he may.
    _refused(lambda: bob.copy_model_version(f"models:/{name}/1", target), "USE_CATALOG on CATALOG live")
    with house.client() as admin:
        admin.statements("GRANT USE CATALOG, USE SCHEMA, CREATE MODEL ON CATALOG live TO bob")
    copied = bob.copy_model_version(f"models:/{name}/1", target)
    assert (copied.version, copied.name) == ("1", target)
    bob.set_registered_model_alias(target, "Champion", 1)

    # bob owns the copy: he serves it; alice may not score it until he says so.
    rows = {"inputs": [[1.0]]}
    path = f"{house.url}/model/{target}/Champion/invocations"
    headers = {user: {"authorization": f"Bearer {token}"} for user, token in tokens.items()}
    with client_of(house, tokens["bob"]) as ours:
        endpoint = ours.put_endpoint(specification(f"{target}@Champion"))
        ours.wait_ready(endpoint.spec.name, timeout=180)
        assert httpx.post(path, json=rows, headers=headers["bob"]).json() == {"predictions": [1.0]}
        denied = httpx.post(path, json=rows, headers=headers["alice"])
        # Nothing of it may be known to her: she is answered as if it were not there, and told what to ask for.
        assert (denied.status_code, denied.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert "EXECUTE" in denied.json()["message"]
        ours.grant("MODEL", target, "alice", "EXECUTE")
    denied = httpx.post(path, json=rows, headers=headers["alice"])
    assert denied.status_code == 404, "EXECUTE alone is not enough without USE_CATALOG"
    with house.client() as admin:
        admin.grant("CATALOG", "live", "alice", "USE_CATALOG", "USE_SCHEMA")
    assert httpx.post(path, json=rows, headers=headers["alice"]).json() == {"predictions": [1.0]}
    with client_of(house, tokens["alice"]) as ours:
        assert [each.spec.name for each in ours.endpoints()] == [endpoint.spec.name]
        with pytest.raises(PermissionDenied, match="MANAGE"):
            ours.delete_endpoint(endpoint.spec.name)
        with pytest.raises(PermissionDenied, match="MANAGE"):
            ours.logs(endpoint.spec.name, target, "1")
    with client_of(house, tokens["bob"]) as ours:
        ours.grant("MODEL", target, "alice", "APPLY_TAG")
        ours.revoke("MODEL", target, "alice", "EXECUTE")
        denied = httpx.post(path, json=rows, headers=headers["alice"])
        assert (denied.status_code, denied.json()["error_code"]) == (403, "PERMISSION_DENIED"), "she may see it"
        assert f"EXECUTE on FUNCTION {target}" in denied.json()["message"]
        ours.delete_endpoint(endpoint.spec.name)
        ours.wait_gone(endpoint.spec.name)

    # Who did what, when, from what to what, with which client.
    with house.client() as admin:
        trail = [
            (each.principal, each.action, each.after) for each in admin.audit(kind="MODEL", name=target, limit=1000)
        ]
        assert trail[:4] == [
            ("bob", "model created", ""),
            ("bob", "version created", f"models:/{name}/1"),
            ("bob", "alias set", "Champion: 1"),
            ("bob", "granted", "EXECUTE to alice"),
        ]
        created = next(each for each in admin.audit(kind="MODEL", name=name) if each.action == "version created")
        assert created.principal == "alice"
        assert created.client.startswith("mlflow-python-client")
        served = [each.action for each in admin.audit(kind="ENDPOINT", name=endpoint.spec.name)]
        assert served == ["endpoint created", "endpoint deleted"]
    with client_of(house, tokens["bob"]) as ours:
        assert ours.audit(kind="MODEL", name=target)
        with pytest.raises(PermissionDenied):
            ours.audit()
        with pytest.raises(PermissionDenied):
            ours.audit(kind="MODEL", name=name)


@pytest.mark.req("REQ-019", "REQ-021")
def test_a_service_principals_token_is_revoked_within_a_second(house: RunningInstance) -> None:
    with house.client() as admin:
        admin.create_principal("nightly job", "service_principal")
        secret, info = admin.create_token("job", lifetime=3600, principal="nightly job")
        headers = {"authorization": f"Bearer {secret}"}
        me = httpx.get(f"{house.url}/api/modelserve/v1/principals/me", headers=headers).json()
        assert (me["name"], me["kind"], me["groups"]) == ("nightly job", "service_principal", [])
        assert [each.id for each in admin.tokens() if each.principal == "nightly job"] == [info.id]
        with client_of(house, secret) as job:
            assert [each.id for each in job.tokens()] == [info.id]
            with pytest.raises(PermissionDenied):
                job.create_token(principal="alice")
            with pytest.raises(NotFound):
                job.delete_token(next(each.id for each in admin.tokens() if each.principal != "nightly job"))
        begun = time.monotonic()
        admin.delete_token(info.id)
        assert httpx.get(f"{house.url}/api/modelserve/v1/status", headers=headers).status_code == 401
        assert time.monotonic() - begun < 1
        other = admin.create_token(principal="nightly job")[0]
        admin.delete_principal("nightly job")
    with client_of(house, other) as job, pytest.raises(Unauthenticated):
        job.status()


@pytest.mark.req("REQ-071", "REQ-074", "REQ-085", "REQ-091", "REQ-093", "REQ-101", "REQ-106", "REQ-109")
def test_the_verbs_of_a_notebook(house: RunningInstance, as_user: Callable[[str], Any]) -> None:
    """``%alias %promote %grants %why_denied %catalogs`` and their twins, from the workspace registry to a catalog."""
    from IPython.core.interactiveshell import InteractiveShell

    import jupyter_modelserve as ms
    from jupyter_modelserve.client import session
    from jupyter_modelserve.magics.core import ModelServeMagics
    from jupyter_modelserve.magics.failure import MagicFailure

    version = _log(as_user("the admin"), "verbs", 2.0)
    shell: Any = cast(Any, InteractiveShell)()
    shell.register_magics(ModelServeMagics(shell))
    run = shell.run_line_magic
    client = house.client()
    session.use(client)
    try:
        assert run("alias", f"verbs Best {version}").aliases == {"Best": version}
        made = run("promote", "verbs@Best main.default.verbs --alias Champion --alias Live")
        assert (made.name, made.version, made.source) == ("main.default.verbs", "1", f"models:/verbs/{version}")
        assert run("alias", "main.default.verbs").aliases == {"Champion": "1", "Live": "1"}
        assert run("alias", "main.default.verbs Live --delete").aliases == {"Champion": "1"}
        assert "main" in {each.catalog for each in run("catalogs", "")}
        if "bob" not in {each.name for each in client.principals()}:
            client.create_principal("bob")
        shell.run_cell_magic("grants", "", "GRANT EXECUTE ON FUNCTION main.default.verbs TO bob")
        shown = run("grants", "SHOW GRANTS ON FUNCTION main.default.verbs")
        assert [each.privilege for each in shown] == ["EXECUTE"]
        with pytest.raises(MagicFailure, match="line 1, column 7"):
            run("grants", "GRANT SELECT ON CATALOG main TO bob")
        decision = run("why_denied", "main.default.verbs model.score --principal bob")
        assert not decision
        assert "USE_CATALOG on CATALOG main" in decision.text()
        assert "GRANT USE_CATALOG ON CATALOG main TO bob" in decision.html()
        assert ms.why_denied("main.default.verbs", principal="").decision.allowed
        assert "rmse 0.25" in client.proposal("main.default.verbs", "1")
        assert "Copied from verbs/1" in client.proposal("main.default.verbs", "1")
        with pytest.raises(Conflict, match="alias Champion"):
            client.delete_version("main.default.verbs", "1")
        client.delete_version("main.default.verbs", "1", force=True)
        assert {each.action for each in ms.audit("main.default.verbs")[-2:]} == {"alias deleted", "version deleted"}
    finally:
        session.use(None)
