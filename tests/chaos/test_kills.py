"""R3 to R6: kill -9 of one process at a time, under load."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import ServedEntity
from tests.chaos.world import KILLS, World, told_apart, until
from tests.support.load import Load, Shot
from tests.support.slo import Slo

Note = Callable[[str], None]
REPLICATED = "replicas" in ServedEntity.__dataclass_fields__
CONCURRENCY = 4
"""Requests in flight to one Small worker: what dies with it may be lost."""
NOTICED = 0.05
"""Seconds within which a caller notices that his idle connection was closed."""
CLOCKS = 0.2
"""Seconds by which the gateway may have noticed a death before the test wrote it down, with room to spare."""
LOST = frozenset({502})
REFUSED = frozenset({502, 503})


def serves(world: World, path: str) -> None:
    """Wait until *path* answers 200."""
    until(f"{path} answers", lambda: world.score(path).status_code == 200)


def restarted(world: World, name: str, restarts: int) -> None:
    """Wait until version 1 is READY everywhere and was started again so often."""

    def check() -> bool:
        found = world.version(name, "1")
        return bool(found) and (found["state"], found["restarts"] >= restarts) == ("READY", True)

    until(f"version 1 of {name} was restarted {restarts} times", check)


@pytest.mark.req("REQ-004")
def test_r3_a_killed_worker_comes_back(world: World, note: Note) -> None:
    world.steady("r3-one", 1)
    world.put("r3-one", "r3-one", "version", "1")
    outages: list[Outage] = []
    with world.load("/model/r3-one/1/invocations", rate=50) as load:
        for number in range(2):
            load.wait_for(len(load.shots) + 20)
            (worker,) = world.processes("worker", "r3-one")
            begun = load.now()
            world.kill(worker)
            restarted(world, "r3-one", number + 1)
            outages.append(over(world, load, "r3-one", begun))
    judge_outages(load, outages, note)
    world.tidy("r3-one", workers=1)


@pytest.mark.skipif(not REPLICATED, reason="served entities have no replicas yet")
@pytest.mark.req("REQ-004")
def test_r3_one_of_two_replicas_loses_its_worker(world: World, note: Note) -> None:
    world.steady("r3", 1)
    world.put("r3", "r3", "version", "1", replicas=2)
    world.tidy("r3", workers=2, replicas=2)
    # The pause before a restart grows to 30 s with the number of deaths.
    with world.load("/model/r3/1/invocations", rate=100, seconds=KILLS * 40) as load:
        for _ in range(KILLS):
            load.wait_for(len(load.shots) + 50)
            before = {each.pid for each in world.processes("worker", "r3")}
            world.kill(random.choice(world.processes("worker", "r3")))
            until_new(world, "r3", before)
            until("both are ready", lambda: world.ready("r3") == 2)
    slo = Slo(failed=KILLS * CONCURRENCY, versions=frozenset("1"), least=KILLS * 50, only=LOST)
    note(slo.check(load.shots))
    world.tidy("r3", workers=2, replicas=2)


@pytest.mark.skipif(not REPLICATED, reason="served entities have no replicas yet")
@pytest.mark.req("REQ-004")
def test_r3_one_of_two_parents_is_killed(world: World, note: Note) -> None:
    world.steady("r3-parent", 1)
    world.put("r3-parent", "r3-parent", "version", "1", replicas=2)
    deaths = max(1, KILLS // 5)
    with world.load("/model/r3-parent/1/invocations", rate=100) as load:
        for _ in range(deaths):
            load.wait_for(len(load.shots) + 50)
            old = world.processes("parent", "r3-parent")[0]
            world.kill(old)
            world.tidy("r3-parent", workers=2, replicas=2)
            until("both are ready", lambda: world.ready("r3-parent") == 2)
    note(Slo(failed=deaths * CONCURRENCY, versions=frozenset("1"), only=LOST).check(load.shots))


@pytest.mark.req("REQ-004")
def test_r4_the_parent_of_the_only_replica_is_killed(world: World, note: Note) -> None:
    world.steady("r4", 1)
    world.put("r4", "r4", "version", "1")
    (before,) = world.processes("parent", "r4")
    with world.load("/model/r4/1/invocations", rate=50) as load:
        load.wait_for(50)
        begun = load.now()
        world.kill(before)
        until("a new replica runs", lambda: {each.pid for each in world.processes("parent", "r4")} - {before.pid})
        outage = over(world, load, "r4", begun)
    judge_outages(load, [outage], note)
    world.stable("r4", "1")
    world.tidy("r4", workers=1)


@pytest.mark.nearly_any_engine
def test_r5_the_gateway_is_killed(world: World, note: Note) -> None:
    names = ("r5-a", "r5-b")
    for name in names:
        world.steady(name, 1)
        world.put(name, name, "version", "1")
    for _ in range(2):
        with world.load("/model/r5-a/1/invocations") as load:
            load.wait_for(100)
            gateway = world.daemon("gateway")
            killed = load.now()
            world.kill(gateway)
            dead = load.now()
            answers(load)
            for name in names:
                assert world.score(f"/model/{name}/1/invocations").status_code == 200
            load.wait_for(len(load.shots) + 200)
        # The controller kept the port, so who came meanwhile waited in its queue. Lost is what the gateway had in hand.
        bad = [shot for shot in load.shots if shot.status != 200]
        outside = [shot for shot in bad if shot.answered < killed or shot.intended > dead + NOTICED]
        assert not outside, f"{len(outside)} requests failed that the gateway did not have: {outside[:3]}"
        note(Slo(failed=len(bad), versions=frozenset("1"), only=frozenset({0})).check(load.shots))
        back = min(shot.answered for shot in load.shots if shot.intended > dead) - killed
        note(f"only requests in the gateway's hands were lost; the others waited at most {back:.2f} s")
        assert back < 15
    until("one gateway", lambda: len(world.processes("gateway")) == 1, 20)


@pytest.mark.req("REQ-129")
def test_r6_the_controller_is_killed_again_and_again(world: World, note: Note) -> None:
    world.steady("r6")
    world.registry.set_registered_model_alias("r6", "Champion", "1")
    world.put("r6", "r6", "alias", "Champion")
    chance = random.Random(6)
    with world.load("/model/r6/Champion/invocations", rate=100) as load:
        for kill in range(KILLS):
            version = str(2 - kill % 2)
            # It is killed at another moment of the change each time: before, while loading, publishing, unloading.
            world.registry.set_registered_model_alias("r6", "Champion", version)
            time.sleep(chance.uniform(0, 4) if kill else 0)
            world.kill_daemon("controller")
            world.answered_by(load, version)
            world.stable("r6", version)
            world.tidy("r6", workers=1)
            world.instance.wait_for_mlflow()
    note(Slo(failed=0, versions=frozenset({"1", "2"})).check(load.shots))
    told_apart(load.shots)


def test_r6_the_controller_dies_while_an_endpoint_is_made_and_removed(world: World) -> None:
    world.steady("r6-made", 1)
    spec = {"entities": [{"model": "r6-made", "selector": {"kind": "version", "value": "1"}}]}
    for pause in (0.0, 0.5):
        assert world.ask("PUT", "/api/modelserve/v1/endpoints/r6-made", json=spec).status_code == 202
        world.made.append("r6-made")
        time.sleep(pause)
        world.kill_daemon("controller")
        world.stable("r6-made", "1")
        world.tidy("r6-made", workers=1)
        assert world.ask("DELETE", "/api/modelserve/v1/endpoints/r6-made").status_code == 202
        world.kill_daemon("controller")
        world.remove_all()


@dataclass(frozen=True)
class Outage:
    """Seconds of the load: somebody began to kill, the longest time without an answer 200 began and ended, the endpoint
    says that all is well. The first two differ: ``docker kill`` takes its time, and other lanes may answer for a while.
    """

    killed: float
    away: float
    back: float
    settled: float


def over(world: World, load: Load, name: str, killed: float) -> Outage:
    """Wait until the endpoint is whole again, and a moment longer."""
    until("its worker is ready", lambda: world.ready(name) == 1)
    world.stable(name, "1")
    settled = load.now()
    load.wait_for(len(load.shots) + 25)
    good = sorted(each.answered for each in load.shots if each.status == 200 and each.answered > killed)
    away, back = max(itertools.pairwise([killed, *good, load.now()]), key=lambda gap: gap[1] - gap[0])
    return Outage(killed, away, back, settled)


def judge_outages(load: Load, outages: list[Outage], note: Note) -> None:
    """With one process there is a time without any. What always holds: requests wait for the next one for ten seconds,
    one fails only between the kill and the moment at which the endpoint says that it is whole, each is told when to
    come again, and at most what the process had in its hands ends with 502.
    """
    report = Slo(failed=len(load.shots), versions=frozenset("1"), gap=60, only=REFUSED).check(load.shots)
    note(report)
    bad = [each for each in load.shots if each.status != 200]
    outside = [each for each in bad if not any(one.killed <= each.answered <= one.settled for one in outages)]
    assert not outside, f"{len(outside)} requests failed while the process ran: {outside[:3]}\n{outages}\n{report}"
    assert all(each.retry_after for each in bad), [each for each in bad if not each.retry_after][:3]
    early = [each for each in bad if each.status == 503 and each.answered < waited_until(each, outages)]
    assert not early, f"{len(early)} requests were refused that should have waited: {early[:3]}\n{outages}\n{report}"
    lost = sum(each.status == 502 for each in bad)
    assert lost <= CONCURRENCY * len(outages), report
    for each in outages:
        hit = [shot for shot in load.shots if each.away < shot.answered and shot.intended <= each.back]
        held = sum(shot.status == 200 for shot in hit)
        refused = len(hit) - held
        away = each.back - each.away
        note(f"away for {away:.2f} s: {refused} refused with Retry-After, {held} waited or were repeated, and answered")


def waited_until(shot: Shot, outages: list[Outage]) -> float:
    """Until when a request of an outage waits at least, in seconds of the load."""
    (its,) = (one for one in outages if one.killed <= shot.answered <= one.settled)
    return its.killed + Settings().restart_hold - CLOCKS


def answers(load: Load) -> None:
    """Wait until requests that are sent from now on are answered 200."""
    now = load.now()
    until("the load is answered again", lambda: any(s.intended > now and s.status == 200 for s in load.shots))


def until_new(world: World, name: str, before: set[int]) -> None:
    """Wait until a worker runs that is not one of *before*."""
    until("another worker runs", lambda: {each.pid for each in world.processes("worker", name)} - before)
