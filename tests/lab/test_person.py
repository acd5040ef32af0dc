"""Under a hub the history names the person whom Jupyter knows; the name gives no rights, nobody else may say one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jupyter_server.auth.identity import User

from jupyter_modelserve.lab.headers import outgoing
from jupyter_modelserve.lab.person import HEADER, person
from tests.lab.server import JupyterServer, jupyter_server
from tests.support.instance import RunningInstance

SPEC = {"entities": [{"model": "nobody-registers-this", "selector": {"kind": "active"}}]}
API = "/api/modelserve/v1"
ANONYMOUS = User("0123456789abcdef0123456789abcdef", "Anonymous Io", "Anonymous Io", "AI")


@pytest.mark.parametrize(
    ("user", "environ", "expected"),
    [
        (User("ann@example.org"), {}, "ann@example.org"),
        (User("ann"), {"JUPYTERHUB_USER": "bob"}, "ann"),
        (ANONYMOUS, {"JUPYTERHUB_USER": "bob"}, "bob"),
        (ANONYMOUS, {}, ""),
        (User("anonymous"), {}, ""),
        (None, {}, ""),
        (User("x" * 500), {}, "x" * 200),
    ],
)
def test_whom_jupyter_knows(user: Any, environ: dict[str, str], expected: str) -> None:
    assert person(user, environ) == expected


def test_the_name_is_ours_alone_and_cannot_break_out_of_its_header() -> None:
    given = [(HEADER, "root"), ("X-ModelServe-On-Behalf-Of", "root")]
    assert [each for each in outgoing(given, "t") if each[0] == HEADER] == []
    sent = dict(outgoing(given, "t", "Ünä\r\nx: y/%"))
    assert sent[HEADER] == "%C3%9Cn%C3%A4%0D%0Ax: y%2F%25"


IDENTITY = """
from jupyter_server.auth.identity import IdentityProvider, User
class Named(IdentityProvider):
    async def get_user_token(self, handler):
        found = await super().get_user_token(handler)
        return found and User('ann')
c.ServerApp.identity_provider_class = Named
c.Named.token = 'jupyter-test-token'
"""


@pytest.fixture(scope="module")
def jupyter(instance: RunningInstance) -> Iterator[JupyterServer]:
    with jupyter_server({"MODELSERVE_HOME": str(instance.home)}, IDENTITY) as found:
        yield found


@pytest.fixture
def model(instance: RunningInstance) -> Iterator[str]:
    """A registered model without versions: an endpoint of it waits."""
    headers = instance.headers
    url = f"{instance.url}/api/2.0/mlflow/registered-models"
    httpx.post(f"{url}/create", json={"name": "persons"}, headers=headers, timeout=60).raise_for_status()
    yield "persons"
    httpx.request("DELETE", f"{url}/delete", json={"name": "persons"}, headers=headers, timeout=60).raise_for_status()


@pytest.mark.slow
def test_the_history_names_the_jupyter_user(instance: RunningInstance, jupyter: JupyterServer, model: str) -> None:
    spec = {"entities": [{"model": model, "selector": {"kind": "active"}}]}
    try:
        answer = jupyter.client(**{HEADER: "root"}).put("api/v1/endpoints/persons", json=spec)
        assert (answer.status_code, answer.json()["created_by"]) == (202, "ann"), answer.text
        found = jupyter.client().get("api/v1/endpoints/persons/events").json()["events"]
        assert [each["data"]["by"] for each in found if each["kind"] == "request"] == ["ann"]
    finally:
        assert jupyter.client().delete("api/v1/endpoints/persons").status_code == 202
        with instance.client() as client:
            client.wait_gone("persons")


@pytest.mark.slow
def test_only_the_local_users_token_may_speak_for_somebody(instance: RunningInstance, model: str) -> None:
    spec = {"entities": [{"model": model, "selector": {"kind": "active"}}]}
    made = httpx.post(
        f"{instance.url}{API}/tokens", json={"comment": "job"}, headers=instance.headers, timeout=30
    ).json()
    job = {"authorization": f"Bearer {made['token']}", HEADER: "ann"}
    url = f"{instance.url}{API}/endpoints/persons"
    try:
        answer = httpx.put(url, json=spec, headers=instance.headers | {HEADER: "ann%20b"}, timeout=30)
        assert (answer.status_code, answer.json()["created_by"]) == (202, "ann b"), answer.text
        changed = httpx.put(url, json=spec | {"tags": {"a": "b"}}, headers=job, timeout=30)
        assert changed.status_code == 202, changed.text
        events = httpx.get(f"{url}/events", headers=instance.headers, timeout=30).json()["events"]
        asked = [each["data"]["by"] for each in events if each["kind"] == "request"]
        assert asked[-2:] == ["ann b", made["info"]["principal"]]
        assert made["info"]["principal"] != "ann"
    finally:
        httpx.delete(url, headers=instance.headers, timeout=30)
        with instance.client() as client:
            client.wait_gone("persons")
        httpx.delete(f"{instance.url}{API}/tokens/{made['info']['id']}", headers=instance.headers, timeout=30)
