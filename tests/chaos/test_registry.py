"""The registry changes under what is served, by whichever client: routed, renamed, removed, and nothing lingers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from mlflow.exceptions import MlflowException

from tests.chaos.world import World, told_apart, until
from tests.support.slo import Slo

Note = Callable[[str], None]
DIRECT = "import mlflow; client = mlflow.MlflowClient('sqlite:///registry.db', 'sqlite:///registry.db'); client.{call}"


def http(world: World, call: str) -> None:
    """The unmodified client over our address."""
    exec(f"client.{call}", {"client": world.registry})


def sqlite(world: World, call: str) -> None:
    """The unmodified client in another process, on the database file itself."""
    command = [sys.executable, "-c", DIRECT.format(call=call)]
    done = subprocess.run(command, cwd=world.instance.home, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


CLIENTS = pytest.mark.parametrize("client", [http, sqlite])


def delete(world: World, client: Callable[[World, str], None], call: str) -> None:
    """What is served has to be deleted twice over our address; the file knows no such question."""
    if client is http:
        with pytest.raises(MlflowException, match="in use"):
            client(world, call)
    client(world, call)


@pytest.mark.nearly_any_engine
@pytest.mark.req("REQ-003", "REQ-007")
def test_two_endpoints_of_one_model_do_not_disturb_each_other(world: World, note: Note) -> None:
    world.steady("shared")
    world.registry.set_registered_model_alias("shared", "Champion", "1")
    world.put("shared-alias", "shared", "alias", "Champion")
    world.put("shared-active", "shared", "active")
    with (
        world.load("/model/shared/Champion/invocations", rate=100) as load,
        world.load("/model/shared/1/invocations", rate=50) as fixed,
    ):
        world.registry.set_registered_model_alias("shared", "Champion", "2")
        world.answered_by(load, "2")
        world.stable("shared-alias", "2")
        world.tidy("shared-alias", workers=1)
        assert world.ask("DELETE", "/api/modelserve/v1/endpoints/shared-alias").status_code == 202
        world.gone("shared-alias")
        load.wait_for(len(load.shots) + 100)
    note(Slo(failed=0, versions=frozenset({"1", "2"})).check(load.shots))
    Slo(failed=0, versions=frozenset("1")).check(fixed.shots)
    told_apart(load.shots)


@pytest.mark.any_engine
@CLIENTS
@pytest.mark.req("REQ-001", "REQ-006", "REQ-070")
def test_a_move_by_any_client_is_followed(world: World, client: Callable[[World, str], None], note: Note) -> None:
    name = f"moved-{client.__name__}"
    world.steady(name)
    world.registry.set_registered_model_alias(name, "Champion", "1")
    world.put(name, name, "alias", "Champion")
    with world.load(f"/model/{name}/Champion/invocations", rate=50) as load:
        client(world, f"set_registered_model_alias({name!r}, 'Champion', '2')")
        world.answered_by(load, "2")
    note(Slo(failed=0, versions=frozenset({"1", "2"})).check(load.shots))


@pytest.mark.any_engine
@CLIENTS
@pytest.mark.req("REQ-006")
def test_a_deleted_version_and_a_deleted_model_are_not_served_any_more(
    world: World, client: Callable[[World, str], None]
) -> None:
    name = f"deleted-{client.__name__}"
    world.steady(name)
    world.put(name, name, "active")
    with world.load(f"/model/{name}/2/invocations", rate=50) as load:
        delete(world, client, f"delete_model_version({name!r}, '1')")
        until("version 1 is refused", lambda: world.score(f"/model/{name}/1/invocations").status_code == 404)
        world.stable(name, "2")
    Slo(failed=0, versions=frozenset("2")).check(load.shots)
    delete(world, client, f"delete_registered_model({name!r})")
    until("version 2 is refused", lambda: world.score(f"/model/{name}/2/invocations").status_code == 404)
    status = until(
        "the endpoint says why",
        lambda: (found := world.status(name))["service"] != "READY" and not found["versions"] and found,
    )
    assert "not registered" in status["service_message"]
    until("nothing runs", lambda: not world.processes("worker", name))


@pytest.mark.any_engine
@CLIENTS
@pytest.mark.req("REQ-001")
def test_an_endpoint_follows_a_model_that_is_renamed(
    world: World, client: Callable[[World, str], None], note: Note
) -> None:
    name = f"renamed-{client.__name__}"
    new = f"{name}-new"
    world.steady(name, 1)
    world.registry.set_registered_model_alias(name, "Champion", "1")
    world.put(name, name, "alias", "Champion")
    with world.load(f"/serving-endpoints/{name}/invocations", rate=50) as load:
        load.wait_for(20)
        client(world, f"rename_registered_model({name!r}, {new!r})")
        until("the new name answers", lambda: world.score(f"/model/{new}/Champion/invocations").status_code == 200)
        until("the old name is refused", lambda: world.score(f"/model/{name}/1/invocations").status_code == 404)
        load.wait_for(len(load.shots) + 20)
    note(Slo(failed=0, versions=frozenset("1")).check(load.shots))
    refused = world.score(f"/model/{name}/Champion/invocations").json()
    assert (refused["details"]["renamed_to"], new in refused["message"]) == (new, True)
    found = world.ask("GET", f"/api/modelserve/v1/endpoints/{name}").json()
    assert [each["model"] for each in found["spec"]["entities"]] == [new]
    assert found["generation"] == 2
    world.tidy(name, workers=1)
    client(world, f"rename_registered_model({new!r}, {name!r})")
    until("the old name is back", lambda: world.score(f"/model/{name}/1/invocations").status_code == 200)
    world.kill_daemon("controller")
    world.stable(name, "1")
