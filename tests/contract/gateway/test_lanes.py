"""Several processes of one version behind the gateway: which one gets what, and who is spared when one dies."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.types import DataType

from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, Answer, Fake, Got, House, Raw, answer, post
from tests.contract.replica.conftest import Replica
from tests.unit.replica import models

KIB = 1024
PING = "/ping"


class Lane(Fake):
    """A fake process of w1 that says who it is; ``hold`` makes predictions wait."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path)
        self.name = name
        self.free = asyncio.Event()
        self.free.set()
        self.busy = 0
        self.most = 0

    async def respond(self, got: Got) -> bytes | None:
        if got.target == PING:
            return answer(b'{"ready": true, "in_flight": 0}')
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await self.free.wait()
        finally:
            self.busy -= 1
        return answer(json.dumps(self.name).encode())


@pytest.fixture
async def lanes(house: House) -> dict[str, Lane]:
    """The processes of w1; those besides lane 0 run as well."""
    await house.workers.pop("w1").stop()
    found = {}
    for name in ("w1", "w1-1", "w1-2", "w1-large"):
        found[name] = house.workers[name] = Lane(house.paths.replica_sockets / f"{name}.sock", name)
        await found[name].start()
    return found


async def busy(*wanted: tuple[Lane, int]) -> None:
    """Wait until each of these works on that many requests."""
    async with asyncio.timeout(10):
        while any(lane.busy != count for lane, count in wanted):
            await asyncio.sleep(0.005)


async def pinged(lane: Lane) -> None:
    async with asyncio.timeout(10):
        while not any(each.target == PING for each in lane.got):
            await asyncio.sleep(0.005)


async def test_bodies_above_256_kib_have_a_process_of_their_own(house: House, ask: Ask, lanes: dict[str, Lane]) -> None:
    await house.publish(2, house.target("w1", large=True))
    assert (await ask(post(SCORE, b"1" * 256 * KIB))).json() == "w1"
    assert (await ask(post(SCORE, b"1" * (256 * KIB + 1)))).json() == "w1-large"
    await lanes["w1-large"].stop()
    assert (await ask(post(SCORE, b"1" * 300 * KIB))).json() == "w1"  # it cannot be reached: the other one does it


async def test_requests_of_many_rows_to_a_batching_version_use_two_processes(
    house: House, ask: Ask, lanes: dict[str, Lane]
) -> None:
    await house.publish(2, house.target("w1", concurrency=4, queue=12, batches=True, large=True))
    many = post(SCORE, b"1" * 20 * KIB)
    for _ in range(3):
        assert (await ask(many)).json() == "w1"  # one at a time needs one process
    assert lanes["w1-large"].connections == 0
    for each in lanes.values():
        each.free.clear()
    requests = [asyncio.create_task(ask(many)) for _ in range(2)]
    await busy((lanes["w1"], 2), (lanes["w1-large"], 0))  # nobody waits for a process that is only starting
    await pinged(lanes["w1-large"])
    requests += [asyncio.create_task(ask(many)) for _ in range(4)]
    await busy((lanes["w1"], 3), (lanes["w1-large"], 3))
    requests += [asyncio.create_task(ask(post(SCORE))) for _ in range(4)]
    await busy((lanes["w1"], 7), (lanes["w1-large"], 3))  # few rows batch
    for each in lanes.values():
        each.free.set()
    assert {each.status for each in await asyncio.gather(*requests)} == {200}


async def test_all_requests_of_a_batching_version_are_under_way_at_once(
    house: House, ask: Ask, lanes: dict[str, Lane]
) -> None:
    await house.publish(2, house.target("w1", concurrency=4, queue=12, lanes=3, batches=True))
    lanes["w1"].free.clear()
    requests = [asyncio.create_task(ask(post(SCORE))) for _ in range(16)]
    await busy((lanes["w1"], 16))
    assert (await ask(post(SCORE))).status == 429
    assert lanes["w1"].connections <= 16
    lanes["w1"].free.set()
    assert {each.body for each in await asyncio.gather(*requests)} == {b'"w1"'}


async def test_further_lanes_are_woken_beside_the_traffic_and_used_when_they_run(
    house: House, ask: Ask, lanes: dict[str, Lane]
) -> None:
    await house.publish(2, house.target("w1", concurrency=4, queue=0, lanes=3))
    for _ in range(5):
        assert (await ask(post(SCORE))).json() == "w1"  # one at a time needs one process
    assert lanes["w1-1"].connections == 0
    lanes["w1"].free.clear()
    requests = [asyncio.create_task(ask(post(SCORE))) for _ in range(2)]
    await busy((lanes["w1"], 2))  # the second waits in lane 0 and not for another process to load the model
    await pinged(lanes["w1-1"])
    for each in lanes.values():
        each.free.clear()
    requests.append(asyncio.create_task(ask(post(SCORE))))
    await busy((lanes["w1-1"], 1))
    requests.append(asyncio.create_task(ask(post(SCORE))))
    await pinged(lanes["w1-2"])
    assert (await ask(post(SCORE))).status == 429  # four is the bound of the version, not of a lane
    for each in lanes.values():
        each.free.set()
    assert {each.status for each in await asyncio.gather(*requests)} == {200}


async def test_a_lane_that_ended_is_left_alone_until_it_is_needed_again(
    house: House, ask: Ask, lanes: dict[str, Lane]
) -> None:
    await house.publish(2, house.target("w1", concurrency=4, queue=0, lanes=2))

    async def two() -> set[str]:
        lanes["w1"].free.clear()
        first = asyncio.create_task(ask(post(SCORE)))
        await busy((lanes["w1"], 1))
        second = asyncio.create_task(ask(post(SCORE)))
        async with asyncio.timeout(10):
            while lanes["w1"].busy + lanes["w1-1"].most == 1:
                await asyncio.sleep(0.005)
        lanes["w1"].free.set()
        return {each.json() for each in await asyncio.gather(first, second)}

    assert await two() == {"w1"}
    await pinged(lanes["w1-1"])
    assert await two() == {"w1", "w1-1"}
    await lanes["w1-1"].stop()  # its connections end: it has been idle for too long
    lanes["w1-1"].most = 0
    await asyncio.sleep(0.05)
    assert await two() == {"w1"}
    assert lanes["w1-1"].most == 0


async def test_a_lost_request_is_sent_again_alone_and_nothing_runs_beside_it(
    house: House, ask: Ask, lanes: dict[str, Lane]
) -> None:
    lane = lanes["w1"]
    await house.publish(2, house.target("w1", concurrency=8, queue=8, batches=True))
    lane.free.clear()
    requests = [asyncio.create_task(ask(post(SCORE, b"[%d]" % number))) for number in range(8)]
    await busy((lane, 8))
    assert not any("x-modelserve-alone" in each.headers for each in lane.got)
    await lane.stop()
    lane.got.clear()
    lane.most = 0
    lane.free.set()
    await lane.start()
    assert {each.status for each in await asyncio.gather(*requests)} == {200}
    assert sorted(each.body for each in lane.got) == [b"[%d]" % number for number in range(8)]
    assert {each.headers["x-modelserve-alone"] for each in lane.got} == {"1"}
    assert lane.most == 1
    assert (await ask(post(SCORE))).status == 200
    assert "x-modelserve-alone" not in lane.got[-1].headers


# ---------------------------------------------------------------------------------------------------- real workers
def predict(data: Any, params: Any) -> Any:
    """Doubles x; 0.5 s for -1 (so that others gather behind it), the end of the process for 666, for ever for 777."""
    import os
    import time

    values = data["x"].tolist()
    if -1 in values:
        time.sleep(0.5)
    if 666 in values:
        os._exit(9)
    if 777 in values:
        time.sleep(600)
    return [value * 2 for value in values]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.save(tmp_path_factory.mktemp("poison") / "model", predict, models.columns(("x", DataType.long, True)))


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    with tempfile.TemporaryDirectory(prefix="ms-") as short:
        root, sockets = tmp_path / "replica", Path(short) / "r"
        root.mkdir(mode=0o700)
        sockets.mkdir(mode=0o700)
        found = Replica(root, sockets)
        found.start()
        yield found
        found.end()


@pytest.fixture
async def real(house: House, replica: Replica, model: Path, request: pytest.FixtureRequest) -> House:
    """The gateway before a real batching worker; ``parametrize(..., indirect)`` gives its request time-out."""
    seconds = getattr(request, "param", 60.0)
    await asyncio.to_thread(replica.put, "w2", model, concurrency=4, batching=True, timeout=seconds, kill_grace=2.0)
    status = await asyncio.to_thread(replica.wait, "w2")
    assert (status["state"], status["batches"], status["large"]) == ("READY", True, True), status
    target = house.target(
        "w2", address=status["address"], concurrency=4, queue=60, timeout=seconds, batches=True, large=status["large"]
    )
    await house.publish(2, target)
    return house


def row(value: int) -> bytes:
    return post(SCORE, json.dumps({"dataframe_records": [{"x": value}]}).encode(), Content_Type="application/json")


def expected() -> list[tuple[int, Any]]:
    return [(200, {"predictions": [value * 2]}) for value in range(16)]


async def together(house: House, ask: Ask, special: int) -> tuple[Answer, list[Answer]]:
    """The answers to a special row and to 16 innocent ones that wait together with it for their turn."""
    first = asyncio.create_task(ask(row(-1)))
    await asyncio.sleep(0.1)
    odd = asyncio.create_task(ask(row(special)))
    others = [asyncio.create_task(ask(row(value))) for value in range(16)]
    assert (await first).status == 200
    return await odd, list(await asyncio.gather(*others))


async def test_a_poisonous_request_ends_with_502_and_its_sixteen_neighbours_are_answered(
    real: House, ask: Ask, replica: Replica
) -> None:
    poison, others = await together(real, ask, 666)
    assert [(each.status, each.json()) for each in others] == expected()
    assert (poison.status, poison.json()["error_code"]) == (502, "REPLICA_LOST")
    assert "the request itself may be what ends it" in poison.json()["message"]
    status = await asyncio.to_thread(replica.wait, "w2")
    assert status["restarts"] >= 1
    # It may still be cooling down in the gateway's eyes: the caller does what Retry-After says.
    async with asyncio.timeout(30):
        while (again := await ask(row(21))).status == 503:
            await asyncio.sleep(float(again.headers["retry-after"]))
    assert again.json() == {"predictions": [42]}


@pytest.mark.parametrize("real", [12.0], indirect=True)
async def test_a_hanging_request_ends_with_504_and_its_sixteen_neighbours_are_answered(real: House, ask: Ask) -> None:
    hanging, others = await together(real, ask, 777)
    assert [(each.status, each.json()) for each in others] == expected()
    assert hanging.status == 504


async def test_a_kept_connection_carries_large_and_small_bodies_of_a_real_version(real: House) -> None:
    client = await Raw.open(real.port)
    for count in (1, 90_000, 2):
        body = json.dumps({"dataframe_split": {"columns": ["x"], "data": [[7]] * count}}).encode()
        assert (len(body) > 256 * KIB) == (count > 2)
        await client.send(post(SCORE, body, Content_Type="application/json"))
        got = await client.read()
        assert (got.status, len(got.json()["predictions"])) == (200, count)
    await client.close()
