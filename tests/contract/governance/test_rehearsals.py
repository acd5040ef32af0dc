"""``PUT …?dry_run=true``: the same verdict as the change itself, and nothing of it anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from jupyter_modelserve.addresses import API
from jupyter_modelserve.types import EndpointStatus, ServiceState, UpdateState, to_json
from tests.contract.governance.table import FRAUD
from tests.contract.governance.test_changes_of_endpoints import MINE, THEIRS, House, house

__all__ = ["house"]
PATH = f"{API}/endpoints/churn"


def content(connection: Connection) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = inspect(connection).get_table_names()
    return {each: sorted(map(repr, connection.execute(text(f'SELECT * FROM "{each}"')))) for each in tables}


def files(house: House) -> dict[str, bytes]:
    """Every file of the home but the database, which is compared by its rows."""
    home = Path(str(house.database.engine.url.database)).parent
    found = [each for each in home.rglob("*") if each.is_file() and not each.name.startswith("registry.db")]
    return {str(each.relative_to(home)): each.read_bytes() for each in found}


async def rehearse(house: House, body: Any, who: str = "wanda", **headers: str) -> Any:
    before = await house.database.run(content), files(house)
    answer = await house.ask("PUT", f"{PATH}?dry_run=true", body, who, headers)
    assert (await house.database.run(content), files(house)) == before
    return answer


@pytest.mark.req("REQ-158")
async def test_a_rehearsal_says_what_would_be_and_stores_nothing(house: House) -> None:
    made = await rehearse(house, to_json(MINE))
    assert (made.status_code, made.json()["generation"], made.json()["created_by"]) == (200, 1, "wanda")
    assert (await house.ask("GET", PATH)).status_code == 404
    await house.put()
    assert (await rehearse(house, to_json(MINE))).json()["generation"] == 1
    tagged = replace(MINE, tags={"team": "a"})
    found = (await rehearse(house, to_json(tagged) | {"secret_values": {"KEY": "hunter2"}})).json()
    assert (found["generation"], found["spec"]["tags"], found["spec"]["secrets"]) == (2, {"team": "a"}, ["KEY"])
    assert (await house.stored(), await house.values()) == (MINE, {})
    assert (await rehearse(house, to_json(tagged))).json()["generation"] == 2


async def test_a_rehearsal_is_refused_as_the_change_would_be(house: House) -> None:
    await house.put()
    two = (MINE.entities[0], replace(MINE.entities[0], name="b", traffic=10))
    for body, who, status in (
        (to_json(replace(MINE, entities=two)), "wanda", 400),
        (to_json(replace(MINE, secrets=("KEY",))), "wanda", 400),
        (to_json(THEIRS), "wanda", 404),
        (to_json(MINE), "nobody", 404),
    ):
        answer = await rehearse(house, body, who)
        real = await house.ask("PUT", PATH, body, who)
        assert (answer.status_code, answer.json()["message"]) == (real.status_code, real.json()["message"])
        assert answer.status_code in {status, 403}, answer.text
    assert (await rehearse(house, to_json(MINE), **{"if-match": '"7"'})).status_code == 412
    assert FRAUD.name not in str(to_json(await house.stored()))


@pytest.mark.req("REQ-140", "REQ-158")
async def test_a_rehearsal_does_not_tell_whether_a_secret_was_guessed(house: House) -> None:
    first = await rehearse(house, to_json(MINE) | {"secret_values": {"KEY": "hunter2"}})
    assert (first.status_code, files(house)) == (200, {})
    await house.put(KEY="hunter2")
    told = [
        (await rehearse(house, to_json(MINE) | {"secret_values": {"KEY": guess}})).json()
        for guess in ("hunter2", "hunter3")
    ]
    assert [each["generation"] for each in told] == [2, 2]
    kept, gone = to_json(MINE) | {"secrets": ["KEY"]}, to_json(MINE) | {"secrets": []}
    assert [(await rehearse(house, body)).json()["generation"] for body in (kept, gone)] == [1, 2]


@pytest.mark.req("REQ-140", "REQ-158")
async def test_a_key_that_cannot_be_used_is_told_by_the_rehearsal(house: House) -> None:
    await house.put(KEY="hunter2")
    (Path(str(house.database.engine.url.database)).parent / "secret.key").write_text("short\n")
    body = to_json(MINE) | {"secret_values": {"KEY": "hunter3"}}
    for answer in (await rehearse(house, body), await house.ask("PUT", PATH, body)):
        assert (answer.status_code, "secret.key" in answer.json()["message"]) == (503, True), answer.text


async def test_the_status_of_a_rehearsal_is_that_of_now(house: House) -> None:
    made = (await rehearse(house, to_json(MINE))).json()["status"]
    assert (made["update"], made["update_message"]) == ("NOT_UPDATING", "")
    assert (made["service"], made["service_message"]) == ("PENDING", "there is no such endpoint yet")
    await house.put()
    ready = EndpointStatus(ServiceState.READY, "", UpdateState.NOT_UPDATING, "", 1)
    parts: Any = SimpleNamespace(status=ready, serving=False)
    house.endpoints._reconcilers["churn"] = parts
    found = (await rehearse(house, to_json(replace(MINE, tags={"team": "a"})))).json()
    assert (found["generation"], found["status"]) == (2, to_json(ready))
