"""A version at zero: requests are held, the controller is told, and everybody is answered (REQ-135, R13)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_modelserve.types import RouteEntity, RouteModel, RouteTable, RouteVersion, VersionState
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, Got, House, answer, post, request

pytestmark = pytest.mark.req("REQ-135")
MANY = 100


class Told:
    """What the gateway told the controller of demand."""

    def __init__(self, house: House) -> None:
        self.reports: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()
        house.controller.api = self._hear

    async def _hear(self, got: Got) -> bytes:
        assert got.target == "/internal/demand"
        async with self._changed:
            self.reports.append(json.loads(got.body))
            self._changed.notify_all()
        return answer(b"{}")

    async def until(self, check: Any) -> dict[str, Any]:
        """The first report that meets *check*."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: any(check(each) for each in self.reports))
        return next(each for each in self.reports if check(each))


async def at_zero(house: House, number: int, state: VersionState = VersionState.SCALED_TO_ZERO) -> None:
    """Publish version 1 without a target."""
    version = RouteVersion(state, wakes=True)
    models = {"iris": RouteModel({"1": version}, {"Champion": "1"}, {"Production": "1"})}
    endpoints: dict[str, tuple[RouteEntity, ...]] = {"iris-ep": (RouteEntity("main", "iris", "1", 100),)}
    await house.controller.publish(RouteTable(number, {}, models, endpoints))
    await house.controller.acknowledged(number)


async def value(ask: Ask, name: str) -> float:
    text = (await ask(request("GET", "/metrics"))).body.decode()
    return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")))


async def test_a_hundred_requests_at_once_are_one_activation_and_all_are_answered(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    asked = [asyncio.create_task(ask(post(SCORE))) for _ in range(MANY)]
    await told.until(lambda report: report["held"] == [["iris", "1", MANY]])
    assert await value(ask, "modelserve_requests_held") == MANY
    await at_zero(house, 3, VersionState.LOADING)  # on its way: a further table wakes nobody up for nothing
    # Room for eight, and a hundred come: those who waited are not refused now (R13).
    await house.publish(4, house.target("w1", scales=True))
    assert {each.status for each in await asyncio.gather(*asked)} == {200}
    assert await value(ask, "modelserve_activations_total") == 1
    assert await value(ask, "modelserve_requests_held_total") == MANY
    assert await value(ask, "modelserve_requests_held") == 0
    # And who comes now finds a worker like any other, whose use is told.
    assert (await ask(post(SCORE))).status == 200
    found = await told.until(lambda report: report["targets"].get("w1", {}).get("used"))
    assert found["held"] == []


async def test_by_whatever_name_it_is_asked_for(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    paths = ["/model/iris/1/invocations", "/model/iris/Champion/invocations", "/model/iris/Production/invocations"]
    asked = [asyncio.create_task(ask(post(each))) for each in [*paths, "/serving-endpoints/iris-ep/invocations"]]
    await told.until(lambda report: report["held"] == [["iris", "1", 4]])
    await house.publish(3, house.target("w1"))
    assert {each.status for each in await asyncio.gather(*asked)} == {200}


async def test_when_it_cannot_return_those_who_wait_are_told_why(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    asked = [asyncio.create_task(ask(post(SCORE))) for _ in range(5)]
    await told.until(lambda report: report["held"] == [["iris", "1", 5]])
    broken = RouteVersion(VersionState.FAILED, message="module x is missing")
    models = {"iris": RouteModel({"1": broken}, {"Champion": "1"}, {"Production": "1"})}
    await house.controller.publish(RouteTable(3, {}, models, {}))
    for each in await asyncio.gather(*asked):
        assert each.status == 503
        assert "module x is missing" in each.json()["message"]
        assert "retry-after" in each.headers


async def test_an_endpoint_that_is_removed_meanwhile_is_not_found(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    asked = asyncio.create_task(ask(post(SCORE)))
    await told.until(lambda report: report["held"])
    await house.controller.publish(RouteTable(3))
    assert (await asked).status == 404


async def test_a_name_that_moves_meanwhile_is_answered_by_the_new_version(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    asked = asyncio.create_task(ask(post("/model/iris/Champion/invocations")))
    await told.until(lambda report: report["held"])
    await house.worker("w2")
    both = {"1": RouteVersion(VersionState.SCALED_TO_ZERO, wakes=True), "2": RouteVersion(VersionState.READY, ("w2",))}
    models = {"iris": RouteModel(both, {"Champion": "2"})}
    await house.publish(3, house.target("w2", "2"), models=models)
    found = await asked
    assert (found.status, found.headers["x-modelserve-version"]) == (200, "2")


@pytest.mark.parametrize("house", [{"wake_hold": 0.5, "wake_queue": 3}], indirect=True)
async def test_who_waits_is_bounded_in_number_and_time(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    asked = [asyncio.create_task(ask(post(SCORE))) for _ in range(3)]
    await told.until(lambda report: report["held"] == [["iris", "1", 3]])
    over = await ask(post(SCORE))
    assert over.status == 429
    assert "retry-after" in over.headers
    for each in await asyncio.gather(*asked):
        assert each.status == 503
        assert "did not return within 0.5 seconds" in each.json()["message"]
        assert "retry-after" in each.headers


async def test_a_controller_that_is_away_is_told_when_it_is_back(house: House, ask: Ask) -> None:
    await at_zero(house, 2)
    await house.controller.stop()
    asked = asyncio.create_task(ask(post(SCORE)))
    while await value(ask, "modelserve_requests_held") != 1:
        await asyncio.sleep(0.02)
    told = Told(house)
    await house.controller.start()
    await told.until(lambda report: report["held"] == [["iris", "1", 1]])
    await house.publish(3, house.target("w1"))
    assert (await asked).status == 200


async def test_who_hangs_up_waits_no_longer(house: House, ask: Ask) -> None:
    told = Told(house)
    await at_zero(house, 2)
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(post(SCORE))
    await told.until(lambda report: report["held"] == [["iris", "1", 1]])
    writer.close()
    async with asyncio.timeout(10):
        while await value(ask, "modelserve_requests_held"):
            await asyncio.sleep(0.02)


async def test_who_waits_for_a_slot_when_it_goes_to_zero_is_held_as_well(house: House, ask: Ask) -> None:
    """And who is in flight is answered by the one that leaves."""
    told, release = Told(house), asyncio.Event()

    async def slow(_: Got) -> bytes:
        await release.wait()
        return answer(b'{"predictions": ["old"]}')

    house.workers["w1"].handler = slow
    await house.publish(2, house.target("w1", concurrency=1, scales=True))
    asked = [asyncio.create_task(ask(post(SCORE))) for _ in range(2)]
    await told.until(lambda report: report["targets"]["w1"]["load"] >= 1.5)
    await at_zero(house, 3)
    await told.until(lambda report: report["held"] == [["iris", "1", 1]])
    release.set()
    await house.worker("w2")
    await house.publish(4, house.target("w2"))
    found = sorted(each.body for each in await asyncio.gather(*asked))
    assert found == [b'{"predictions": ["old"]}', b'{"predictions": [1]}']


@pytest.mark.req("REQ-132", "REQ-133")
async def test_the_mean_of_requests_at_work_and_waiting_is_told(house: House, ask: Ask) -> None:
    told = Told(house)

    async def slow(_: Got) -> bytes:
        await asyncio.sleep(0.2)
        return answer()

    house.workers["w1"].handler = slow
    await house.publish(2, house.target("w1", concurrency=2, scales=True))
    stop = asyncio.Event()

    async def caller() -> None:
        while not stop.is_set():
            assert (await ask(post(SCORE))).status == 200

    callers = [asyncio.create_task(caller()) for _ in range(5)]
    found = await told.until(lambda report: report["targets"].get("w1", {}).get("load", 0) > 4)
    assert found["targets"]["w1"]["load"] <= 5
    stop.set()
    await asyncio.gather(*callers)
    quiet = await told.until(lambda report: report["targets"]["w1"]["used"] and not report["targets"]["w1"]["load"])
    assert quiet["targets"]["w1"]["idle"] > 0


async def test_where_nothing_scales_nothing_is_told(house: House, ask: Ask) -> None:
    told = Told(house)
    assert (await ask(post(SCORE))).status == 200
    await asyncio.sleep(1.5)
    assert told.reports == []


async def test_what_nobody_has_asked_for_is_told_as_idle_and_unused(house: House, ask: Ask) -> None:
    """Else it would have a number of replicas for ever: unknown is not idle."""
    told = Told(house)
    await house.publish(2, house.target("w1", scales=True), house.target("w2"))
    first = await told.until(lambda report: report["targets"])
    assert list(first["targets"]) == ["w1"]  # the other one does not scale
    assert (first["targets"]["w1"]["used"], first["targets"]["w1"]["load"]) == (False, 0)
    text = (await ask(request("GET", "/metrics"))).body.decode()
    assert 'modelserve_worker_in_flight{model="iris",version="1",target="w1"} 0' in text
