"""A secret that is refused is not repeated: not the value, and not what stands where a name should be."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from jupyter_modelserve.addresses import API
from jupyter_modelserve.types import to_json
from tests.contract.governance.test_changes_of_endpoints import MINE, House, house

__all__ = ["house"]
PATH = f"{API}/endpoints/churn"
VALUE = "hunter2"
SENDER = {"x-modelserve-principal": "wanda", "x-modelserve-scopes": "all", "content-type": "application/json"}
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("secrets.0", {"secrets": [f"API_KEY={VALUE}"]}),
    ("secrets.1", {"secrets": ["API_KEY", f"OTHER:{VALUE}"]}),
    ("secrets.0", {"secrets": [f"{VALUE}-"]}),
    ("secrets.0", {"secrets": [{"API_KEY": VALUE}]}),
    ("secrets", {"secrets": {"API_KEY": VALUE}}),
    ("secrets", {"secrets": f"API_KEY={VALUE}"}),
    ("secret_values.1", {"secret_values": {"API_KEY": "x", f"K={VALUE}": VALUE}}),
    ("secret_values.0", {"secret_values": {"PATH": VALUE}}),
    ("secret_values", {"secret_values": [f"API_KEY={VALUE}"]}),
    ("secret_values", {"secret_values": {"API_KEY": [VALUE]}}),
    ("secret_values", {"secret_values": {"API_KEY": f"{VALUE}\ud800"}}),
    ("secret_values", {"secret_values": {"API_KEY": f"{VALUE}\0"}}),
    ("environment_vars", {"environment_vars": {f"OTHER={VALUE}": "x"}}),
    ("environment_vars", {"environment_vars": {"OTHER": f"{VALUE}\udc80"}}),
)
pytestmark = pytest.mark.req("REQ-140")


async def put(house: House, path: str, body: Any) -> httpx.Response:
    """As escapes, which can say what no text in UTF-8 can hold."""
    return await house.client.put(path, content=json.dumps(body), headers=SENDER)


async def test_a_body_with_one_is_refused_by_its_place(house: House) -> None:
    await house.put(API_KEY="before")
    for field, fields in BODIES:
        for path in (PATH, f"{PATH}?dry_run=true"):
            answer = await put(house, path, to_json(MINE) | fields)
            assert (answer.status_code, answer.json()["details"]) == (400, {"field": field}), answer.text
            assert VALUE not in answer.text
    assert await house.values() == {"API_KEY": "before"}


async def test_the_call_for_one_secret_repeats_nothing(house: House) -> None:
    await house.put()
    wrong = [(f"API_KEY={VALUE}", "x"), (f"{VALUE}-", "x"), ("API_KEY", f"{VALUE}\ud800"), ("API_KEY", [VALUE])]
    for name, value in wrong:
        answer = await put(house, f"{PATH}/secrets/{name}", {"value": value})
        assert (answer.status_code, VALUE in answer.text) == (400, False), answer.text
    assert (await house.values(), (await house.stored()).secrets) == ({}, ())
