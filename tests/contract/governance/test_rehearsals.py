"""``PUT …?dry_run=true``: the same verdict as the change itself, and nothing of it anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from jupyter_modelserve.addresses import API
from jupyter_modelserve.types import to_json
from tests.contract.governance.table import FRAUD
from tests.contract.governance.test_changes_of_endpoints import MINE, THEIRS, House, house

__all__ = ["house"]
PATH = f"{API}/endpoints/churn"


def content(connection: Connection) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = inspect(connection).get_table_names()
    return {each: sorted(map(repr, connection.execute(text(f'SELECT * FROM "{each}"')))) for each in tables}


async def rehearse(house: House, body: Any, who: str = "wanda", **headers: str) -> Any:
    before = await house.database.run(content)
    answer = await house.ask("PUT", f"{PATH}?dry_run=true", body, who, headers)
    assert await house.database.run(content) == before
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
