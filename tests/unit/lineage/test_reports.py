"""Reports of notebook runs: bounded, and nobody's but the reporter's, for as long as lineage knows the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.store import migrations, notebook_runs
from jupyter_modelserve.traced import NotebookRun, NotebookRunState
from tests.unit.lineage.conftest import LOGGED, World

BODY: dict[str, Any] = {"notebook": "/n/x.ipynb", "output": "/o/x.ipynb", "state": "running"}


class Reporters:
    """Anybody who asks the controller; ann administers it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def put(self, who: str, run: str, content: bytes | None = None, **body: Any) -> httpx.Response:
        """Report a run."""
        sent: dict[str, Any] = {"json": {**BODY, **body}} if content is None else {"content": content}
        return await self._ask(who, "PUT", f"/notebook-runs/{run}", sent)

    async def get(self, path: str) -> Any:
        """Read as ann."""
        answer = await self._ask("ann", "GET", path, {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def _ask(self, who: str, method: str, path: str, sent: dict[str, Any]) -> httpx.Response:
        headers = {"x-modelserve-principal": quote(who), "x-modelserve-scopes": "all"}
        headers["content-type"] = "application/json"
        return await self._client.request(method, f"{API}{path}", headers=headers, **sent)


@pytest.fixture
async def reporters(world: World) -> AsyncIterator[Reporters]:
    for who in ("bob", "mallory"):
        await world.database.run(migrations.principal, who, "user", "ann")

    async def changed(_: State) -> None:
        """Nobody needs to know here."""

    governance = Governance(world.database, changed)
    controller: Any = SimpleNamespace(database=world.database, governance=governance)
    transport = httpx.ASGITransport(create_app(controller), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://controller") as client:
        yield Reporters(client)


async def test_who_pushes_rows_out_pushes_out_their_own(
    world: World, reporters: Reporters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook_runs, "KEPT", 3)
    assert (await reporters.put("bob", "b1")).status_code == 200
    for number in range(5):
        assert (await reporters.put("mallory", f"m{number}")).status_code == 200
    told = (await reporters.get("/notebook-runs?limit=3"))["runs"]
    assert [each["id"] for each in told] == ["m4", "m3", "m2"]
    assert (await reporters.get("/notebook-runs/b1"))["principal"] == "bob"
    assert (await reporters.put("mallory", "b1", state="failed")).status_code == 403


async def test_a_run_stays_its_reporters_when_its_row_is_gone(world: World, reporters: Reporters) -> None:
    assert (await reporters.put("bob", "b1", parameters={"alpha": 1})).status_code == 200
    await world.run("r1", LOGGED, run="b1", path="/n/x.ipynb")
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    await world.sql("DELETE FROM modelserve_notebook_runs")
    answer = await reporters.put("mallory", "b1", state="failed", parameters={"alpha": 666})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert (await reporters.put("ann", "b1", state="failed")).status_code == 403, "an admin is somebody else too"
    facts = next(each.facts for each in (await world.graph("iris", "1")).nodes if each.name == "b1")
    assert (facts["parameters"], facts["state"], facts["reported_by"]) == ({"alpha": 1}, "running", "bob")
    assert (await reporters.put("bob", "b1", state="succeeded")).status_code == 200
    facts = next(each.facts for each in (await world.graph("iris", "1")).nodes if each.name == "b1")
    assert facts["state"] == "succeeded"


async def test_a_run_that_only_tags_tell_of_is_an_admins_to_report(world: World, reporters: Reporters) -> None:
    # Nobody has asked for lineage since the tags were written: the report looks at them first.
    await world.run("r1", LOGGED, run="t1", path="/n/x.ipynb", parameters='{"alpha": 1}')
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    answer = await reporters.put("mallory", "t1", state="failed", output="/tmp/evil.ipynb")
    assert answer.status_code == 403
    assert "only an admin" in answer.json()["message"]
    assert "evil" not in str(await world.graph("iris", "1"))
    assert (await reporters.put("ann", "t1", state="succeeded")).status_code == 200
    assert (await reporters.put("mallory", "t1", state="failed")).status_code == 403


async def test_tags_add_nothing_to_a_run_that_was_reported(world: World, reporters: Reporters) -> None:
    assert (await reporters.put("bob", "b1")).status_code == 200
    await world.run("r1", LOGGED, run="b1", path="/n/x.ipynb")
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    await world.run("r2", run="b1", path="/n/evil.ipynb", output="/o/evil.ipynb")
    found = await world.graph("iris", "1")
    assert "evil" not in str(found)
    assert {"x.ipynb", "b1", "name of r1"} <= {each.name for each in found.nodes}


async def test_a_list_leaves_out_what_is_long_and_says_so(reporters: Reporters) -> None:
    long, short = {"a": "x" * 50_000}, {"a": "y" * 100}
    assert (await reporters.put("bob", "b1", parameters=long, records={"1": long}, failed=short)).status_code == 200
    (told,) = (await reporters.get("/notebook-runs"))["runs"]
    assert (told["parameters"], told["records"], told["failed"]) == ({}, {}, short)
    assert told["left_out"] == ["parameters", "records"]
    whole = await reporters.get("/notebook-runs/b1")
    assert (whole["parameters"], whole["records"], whole["left_out"]) == (long, {"1": long}, [])


async def test_the_node_of_a_reported_run_is_short(world: World, reporters: Reporters) -> None:
    values = {"a": "x" * 100_000}
    assert (await reporters.put("bob", "b1", parameters=values, failed=values)).status_code == 200
    await world.run("r1", LOGGED, run="b1")
    await world.version("iris", 1, f"models:/{LOGGED}", "r1")
    facts = next(each.facts for each in (await world.graph("iris", "1")).nodes if each.name == "b1")
    assert [facts[name]["names"] for name in ("parameters", "failed")] == [["a"], ["a"]]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"a": "' + b"x" * 300_000 + b'"}',
    ],
    ids=lambda body: str(body)[:20],
)
async def test_a_report_that_no_answer_could_hold_is_refused(reporters: Reporters, body: bytes) -> None:
    content = b'{"notebook": "/n", "output": "/o", "state": "failed", "parameters": ' + body + b"}"
    answer = await reporters.put("bob", "b1", content)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert (await reporters.get("/notebook-runs"))["runs"] == []


async def test_a_path_is_as_long_as_a_path_may_be(reporters: Reporters) -> None:
    answer = await reporters.put("bob", "b1", output="/" * 4097)
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "output")


async def test_rows_of_one_principal_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_runs, "KEPT", 2)
    for number in range(4):
        run = NotebookRun(f"a{number}", "/n", "/o", NotebookRunState.RUNNING, principal="ann")
        await world.database.run(notebook_runs.put, run)
    assert [each.id for each in await world.database.run(notebook_runs.listing)] == ["a3", "a2"]
