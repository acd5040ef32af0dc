"""The only process of a version dies: who asks meanwhile waits for the next one, and is refused only after a while."""

from __future__ import annotations

import asyncio
import time

import pytest

from jupyter_modelserve.types import RouteEntity, RouteModel, RouteTable, RouteVersion, VersionState
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, SCORE_TOKEN, TOKENS, Got, House, answer, grant, post, request

COUNTER = "modelserve_requests_held_restart_total"
MANY = 60
LOADING = RouteVersion(VersionState.LOADING)


async def without(house: House, number: int, version: RouteVersion = LOADING) -> None:
    """Publish version 1 without a process."""
    models = {"iris": RouteModel({"1": version}, {"Champion": "1"}, {"Production": "1"})}
    endpoints: dict[str, tuple[RouteEntity, ...]] = {"iris-ep": (RouteEntity("main", "iris", "1", 100),)}
    await house.controller.publish(RouteTable(number, {}, models, endpoints))
    await house.controller.acknowledged(number)


async def waiting(ask: Ask, count: int) -> None:
    async with asyncio.timeout(20):
        while True:
            text = (await ask(request("GET", "/metrics"))).body.decode()
            found = next(line for line in text.splitlines() if line.startswith(f"{COUNTER} "))
            if float(found.split()[-1]) >= count:
                return
            await asyncio.sleep(0.02)


async def test_all_who_ask_meanwhile_are_answered_by_the_next_process(house: House, ask: Ask) -> None:
    await without(house, 2)
    paths = [SCORE, "/model/iris/Champion/invocations", "/serving-endpoints/iris-ep/invocations"] * (MANY // 3)
    asked = [asyncio.create_task(ask(post(each))) for each in paths]
    await waiting(ask, MANY)
    await without(house, 3, RouteVersion(VersionState.PROBING))
    assert not any(each.done() for each in asked)
    await house.worker("w2")
    # Far more than the queue of one process takes.
    await house.publish(4, house.target("w2"))
    assert {each.status for each in await asyncio.gather(*asked)} == {200}


@pytest.mark.parametrize("house", [{"restart_hold": 0.5}], indirect=True)
async def test_one_that_does_not_come_back_in_time_is_told(house: House, ask: Ask) -> None:
    await without(house, 2)
    begun = time.monotonic()
    first = await ask(post(SCORE))
    assert (first.status, first.headers["retry-after"]) == (503, "10")
    assert "is being started again" in first.json()["message"]
    assert time.monotonic() - begun >= 0.4
    # Who comes later is told at once, with the state.
    later = await ask(post(SCORE))
    assert later.status == 503
    assert "not ready (LOADING)" in later.json()["message"]


async def test_one_that_fails_on_its_way_back_says_why_to_those_who_wait(house: House, ask: Ask) -> None:
    await without(house, 2)
    asked = [asyncio.create_task(ask(post(SCORE))) for _ in range(3)]
    await waiting(ask, 3)
    await without(house, 3, RouteVersion(VersionState.FAILED, message="module x is missing"))
    for each in await asyncio.gather(*asked):
        assert each.status == 503
        assert "module x is missing" in each.json()["message"]


async def test_a_name_that_moves_on_meanwhile_is_answered_by_the_other_version(house: House, ask: Ask) -> None:
    await without(house, 2)
    asked = asyncio.create_task(ask(post("/model/iris/Champion/invocations")))
    await waiting(ask, 1)
    await house.worker("w2")
    both = {"1": LOADING, "2": RouteVersion(VersionState.READY, ("w2",))}
    await house.publish(3, house.target("w2", "2"), models={"iris": RouteModel(both, {"Champion": "2"})})
    found = await asked
    assert (found.status, found.headers["x-modelserve-version"]) == (200, "2")


async def test_one_that_goes_to_zero_meanwhile_is_asked_for(house: House, ask: Ask) -> None:
    await without(house, 2)
    asked = asyncio.create_task(ask(post(SCORE)))
    await waiting(ask, 1)
    await without(house, 3, RouteVersion(VersionState.SCALED_TO_ZERO, wakes=True))
    await house.publish(4, house.target("w1"))
    assert (await asked).status == 200


@pytest.mark.parametrize("house", [{"restart_hold": 0.0}], indirect=True)
async def test_where_nobody_shall_wait_the_answer_comes_at_once(house: House, ask: Ask) -> None:
    await without(house, 2)
    found = await ask(post(SCORE))
    assert (found.status, found.headers["retry-after"]) == (503, "1")
    assert "not ready (LOADING)" in found.json()["message"]


@pytest.mark.parametrize("house", [{"wake_queue": 3}], indirect=True)
async def test_how_many_wait_is_bounded(house: House, ask: Ask) -> None:
    await without(house, 2)
    asked = [asyncio.create_task(ask(post(SCORE))) for _ in range(3)]
    await waiting(ask, 3)
    over = await ask(post(SCORE))
    assert over.status == 429
    assert "retry-after" in over.headers
    await house.publish(3, house.target("w1"))
    assert {each.status for each in await asyncio.gather(*asked)} == {200}


async def test_a_token_that_is_revoked_meanwhile_opens_nothing(house: House, ask: Ask) -> None:
    await without(house, 2)
    asked = asyncio.create_task(ask(post(SCORE, token=SCORE_TOKEN)))
    await waiting(ask, 1)
    left = {each: TOKENS[each] for each in TOKENS.keys() - grant(SCORE_TOKEN).keys()}
    await house.publish(3, house.target("w1"), tokens=left)
    assert (await asked).status == 401


@pytest.mark.parametrize(
    ("house", "own", "status"), [({"request_timeout": 2.0}, 30.0, 200), ({}, 1.0, 504)], indirect=["house"]
)
async def test_the_time_of_a_request_is_the_endpoints_also_while_it_waits(
    house: House, ask: Ask, own: float, status: int
) -> None:
    async def slow(got: Got) -> bytes:
        await asyncio.sleep(3)
        return answer()

    house.workers["w1"].handler = slow
    await house.publish(2, house.target("w1", timeout=own))
    await without(house, 3)
    asked = asyncio.create_task(ask(post(SCORE)))
    await waiting(ask, 1)
    await house.publish(4, house.target("w1", timeout=own))
    assert (await asked).status == status


async def test_who_waits_is_counted_once(house: House, ask: Ask) -> None:
    await house.workers["w1"].stop()
    asked = asyncio.create_task(ask(post(SCORE)))
    await asyncio.sleep(1.5)
    await house.workers["w1"].start()
    assert (await asked).status == 200
    text = (await ask(request("GET", "/metrics"))).body.decode()
    assert f"{COUNTER} 1.0" in text.splitlines() or f"{COUNTER} 1" in text.splitlines()
