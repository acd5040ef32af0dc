"""Workers that die, lie or move: what is repeated, what is not, and what the caller is told."""

from __future__ import annotations

import asyncio
import time

import pytest

from jupyter_modelserve.types import RouteEntity, RouteModel, RouteVersion, VersionState
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import SCORE, Answer, Got, Handler, House, answer, post


async def hang_up(got: Got) -> None:
    """Die before the answer."""


def hang_up_once() -> tuple[list[bytes], object]:
    seen: list[bytes] = []

    async def handler(got: Got) -> bytes | None:
        seen.append(got.body)
        return None if len(seen) == 1 else answer(b"2")

    return seen, handler


async def test_a_lost_connection_is_replayed_once_on_the_same_worker(house: House, ask: Ask) -> None:
    seen, house.workers["w1"].handler = hang_up_once()  # type: ignore[assignment]
    got = await ask(post(SCORE, b"[7]"))
    assert (got.status, got.body) == (200, b"2")
    assert seen == [b"[7]", b"[7]"]


async def test_a_lost_connection_is_replayed_on_another_worker_when_there_is_one(house: House, ask: Ask) -> None:
    async def fine(got: Got) -> bytes:
        return answer(b'"second"')

    house.workers["w1"].handler = hang_up
    await house.worker("w2", fine)
    await house.publish(2, house.target("w1"), house.target("w2"))
    answers = [await ask(post(SCORE)) for _ in range(20)]
    assert {(each.status, each.body) for each in answers} == {(200, b'"second"')}
    assert len(house.workers["w1"].got) <= 3  # ejected after a loss, for 1 s, 2 s …


async def test_two_losses_are_502_and_nothing_is_sent_a_third_time(house: House, ask: Ask) -> None:
    house.workers["w1"].handler = hang_up
    got = await ask(post(SCORE))
    assert (got.status, got.json()["error_code"], got.headers["retry-after"]) == (502, "REPLICA_LOST", "1")
    assert len(house.workers["w1"].got) == 2


async def lost_twice(house: House, ask: Ask, handler: Handler) -> asyncio.Task[Answer]:
    """A request to an alias whose version dies with it twice; then the alias goes back to a version with *handler*."""
    bad, twice = house.workers["w1"], asyncio.Event()

    async def die(got: Got) -> None:
        if len(bad.got) == 2:
            twice.set()

    bad.handler = die
    await house.worker("w2", handler)
    waiting = asyncio.create_task(ask(post("/model/iris/Champion/invocations")))
    await asyncio.wait_for(twice.wait(), 5)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    models = {"iris": RouteModel({"2": RouteVersion(VersionState.READY, ("w2",))}, {"Champion": "2"})}
    await house.publish(2, house.target("w2", "2"), models=models, endpoints={})
    return waiting


@pytest.mark.req("REQ-129", "REQ-131")
async def test_two_losses_with_a_version_that_is_rolled_back_are_answered_by_the_other(house: House, ask: Ask) -> None:
    """The processes of a bad version die one after the other; who was with two of them gets the version before."""

    async def former(got: Got) -> bytes:
        return answer(b'"former"')

    got = await (await lost_twice(house, ask, former))
    assert (got.status, got.body) == (200, b'"former"')
    assert (len(house.workers["w1"].got), len(house.workers["w2"].got)) == (2, 1)


@pytest.mark.req("REQ-131")
async def test_a_request_that_is_lost_with_the_other_version_too_is_502(house: House, ask: Ask) -> None:
    got = await (await lost_twice(house, ask, hang_up))
    assert (got.status, got.json()["error_code"]) == (502, "REPLICA_LOST")
    assert (len(house.workers["w1"].got), len(house.workers["w2"].got)) == (2, 1)


async def test_an_answer_that_breaks_off_after_its_head_is_never_repeated_or_completed(house: House, ask: Ask) -> None:
    async def half(got: Got) -> None:
        got.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await got.writer.drain()

    house.workers["w1"].handler = half
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await ask(post(SCORE))
    assert len(house.workers["w1"].got) == 1


async def test_nonsense_from_a_worker_is_502(house: House, ask: Ask) -> None:
    async def nonsense(got: Got) -> bytes:
        return b"SSH-2.0-OpenSSH\r\n\r\n"

    house.workers["w1"].handler = nonsense
    got = await ask(post(SCORE))
    assert (got.status, got.json()["error_code"]) == (502, "REPLICA_LOST")


async def test_a_wrong_key_sends_the_request_to_the_next_target(house: House, ask: Ask) -> None:
    async def misdirected(got: Got) -> bytes:
        return answer(b"{}", 421)

    house.workers["w1"].handler = misdirected
    await house.worker("w2")
    await house.publish(2, house.target("w1"), house.target("w2"))
    for _ in range(10):
        assert (await ask(post(SCORE))).status == 200


async def test_an_unreachable_worker_is_waited_for_briefly(house: House, ask: Ask) -> None:
    fake = house.workers["w1"]
    await fake.stop()
    waiting = asyncio.create_task(ask(post(SCORE)))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await fake.start()
    assert (await waiting).status == 200


async def test_a_worker_that_stays_away_is_503_with_retry_after(house: House, ask: Ask) -> None:
    await house.workers["w1"].stop()
    got = await ask(post(SCORE))
    assert (got.status, got.headers["retry-after"]) == (503, "1")
    assert "being restarted" in got.json()["message"]


async def test_a_killed_worker_costs_no_request_when_another_is_there(house: House, ask: Ask) -> None:
    async def slowly(got: Got) -> bytes:
        await asyncio.sleep(0.01)
        return answer()

    house.workers["w1"].handler = slowly
    await house.worker("w2", slowly)
    await house.publish(2, house.target("w1", queue=100), house.target("w2", queue=100))
    requests = [asyncio.create_task(ask(post(SCORE))) for _ in range(100)]
    async with asyncio.timeout(10):
        while not house.workers["w1"].got:
            await asyncio.sleep(0.001)
    await house.workers["w1"].stop()
    assert {each.status for each in await asyncio.gather(*requests)} == {200}


async def test_requests_waiting_for_a_vanished_target_go_to_its_successor(house: House, ask: Ask) -> None:
    """A version changes hands while requests wait: none fails, and the old worker sees no new one after the ack."""
    entered, release = asyncio.Event(), asyncio.Event()

    async def stuck(got: Got) -> bytes:
        entered.set()
        await release.wait()
        return answer(b"1")

    async def successor(got: Got) -> bytes:
        return answer(b"2")

    house.workers["w1"].handler = stuck
    await house.worker("w2", successor)
    await house.publish(2, house.target("w1", concurrency=1, queue=10))
    requests = [asyncio.create_task(ask(post(SCORE))) for _ in range(5)]
    await entered.wait()
    await house.publish(3, house.target("w2"))
    done, _ = await asyncio.wait(requests, timeout=5)
    await asyncio.sleep(0)
    release.set()
    bodies = sorted([(await each).body for each in requests])
    assert bodies == [b"1", b"2", b"2", b"2", b"2"]
    assert len(house.workers["w1"].got) == 1
    del done


BOTH = {"1": RouteVersion(VersionState.READY, ("w1",)), "2": RouteVersion(VersionState.READY, ("w2",))}


async def test_what_dies_twice_is_not_given_to_the_other_half_of_a_split(house: House, ask: Ask) -> None:
    """It answered beside it all the time: that is no version that replaced the bad one."""
    halves = {"ep": (RouteEntity("a", "iris", "1", 50), RouteEntity("b", "iris", "2", 50))}
    house.workers["w1"].handler = hang_up
    other = await house.worker("w2", hang_up)
    models = {"iris": RouteModel(BOTH)}
    await house.publish(2, house.target("w1"), house.target("w2", "2"), models=models, endpoints=halves)
    for _ in range(3):
        before = len(house.workers["w1"].got), len(other.got)
        assert (await ask(post("/serving-endpoints/ep/invocations"))).status == 502
        sent = len(house.workers["w1"].got) - before[0], len(other.got) - before[1]
        assert sent in {(2, 0), (0, 2)}


async def test_a_bad_half_that_leaves_the_table_does_not_pass_its_request_on(house: House, ask: Ask) -> None:
    bad, twice = house.workers["w1"], asyncio.Event()

    async def die(got: Got) -> None:
        if len(bad.got) == 2:
            twice.set()

    bad.handler = die
    other = await house.worker("w2", die)
    halves = {"ep": (RouteEntity("a", "iris", "1", 100), RouteEntity("b", "iris", "2", 1))}
    models = {"iris": RouteModel(BOTH)}
    await house.publish(2, house.target("w1"), house.target("w2", "2"), models=models, endpoints=halves)
    asked = [asyncio.create_task(ask(post("/serving-endpoints/ep/invocations"))) for _ in range(1)]
    await asyncio.wait_for(twice.wait(), 20)
    left = {"iris": RouteModel({**BOTH, "1": RouteVersion(VersionState.LOADING)})}
    await house.publish(3, house.target("w2", "2"), models=left, endpoints=halves)
    assert [each.status for each in await asyncio.gather(*asked)] == [502]
    assert (len(bad.got), len(other.got)) == (2, 0)


async def test_nobody_inherits_the_place_of_a_request_whose_process_is_still_dying(house: House, ask: Ask) -> None:
    """The kernel lets a process that was killed accept for some milliseconds more."""
    worker, innocent, dying = house.workers["w1"], asyncio.Event(), [0.0]

    async def work(got: Got) -> bytes | None:
        if time.monotonic() < dying[0]:
            return None
        if got.body == b'"poison"':
            await innocent.wait()
            dying[0] = time.monotonic() + 0.02
            for each in list(worker.open):
                each.transport.abort()
            return None
        if not innocent.is_set():
            innocent.set()
            await asyncio.sleep(5)
        return answer()

    worker.handler = work
    poison = asyncio.create_task(ask(post(SCORE, b'"poison"')))
    other = asyncio.create_task(ask(post(SCORE, b'"fine"')))
    assert ((await poison).status, (await other).status) == (502, 200)
