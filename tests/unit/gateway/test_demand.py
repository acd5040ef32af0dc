"""What the gateway tells of demand lets the controller take away what nobody asks for, on a clock of the test's.

Both ends are the real ones: the reports of the gateway's ``Demand`` go to the controller's ``Scales``, and what follows
is the next table.
"""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.controller.endpoints.scales import Load, Scales
from jupyter_modelserve.controller.endpoints.scaling import SILENCE, Bounds, Delays
from jupyter_modelserve.controller.endpoints.view import Key, Observed, Prepared, Routed, Worker
from jupyter_modelserve.gateway.balance import Workers
from jupyter_modelserve.gateway.demand import Demand
from jupyter_modelserve.gateway.waking import WaitingRoom
from jupyter_modelserve.types import Environment, EnvironmentKind, RouteTable, RouteTarget, VersionState

KEY: Key = ("iris", "1")
DELAYS = Delays(down=300.0, zero=1800.0)


class World:
    """One version with *count* replicas, seen by a gateway and a controller that started a moment ago."""

    def __init__(self, count: int) -> None:
        self.now = 1000.0
        self.number = 0
        self.workers = Workers(clock=self._clock)
        self.room = WaitingRoom(10, 60.0)
        self.demand = Demand("nowhere", self.workers.all, self.room, self._clock)
        self.scales = Scales(DELAYS, 60.0, self._clock)
        self.route(count)
        self.scales.track({KEY: Bounds(least=1, most=3, to_zero=True, capacity=4)}, self.routed)

    def _clock(self) -> float:
        return self.now

    def route(self, count: int) -> None:
        """Publish a table with *count* replicas."""
        self.number += 1
        names = tuple(f"r{each}.w" for each in range(count))
        targets = [RouteTarget(each, *KEY, f"unix:/{each}", "key", 4, 4, 1.0, scales=True) for each in names]
        self.workers.sync(RouteTable(self.number, {each.id: each for each in targets}))
        self.routed = Routed({KEY: names})

    def passes(self, seconds: float) -> list[int]:
        """The numbers of replicas that the controller decides on meanwhile."""
        until, counts = self.now + seconds, []
        while self.now < until:
            self.now = min(until, self.now + 0.25)
            self.demand.look()
            if self.demand.due():
                counts += self._hear(self.demand.report())
        return counts

    def _hear(self, report: dict[str, Any]) -> list[int]:
        loads = {name: Load(each["load"], each["idle"], bool(each["used"])) for name, each in report["targets"].items()}
        held = {(str(model), str(version)): int(number) for model, version, number in report["held"]}
        self.scales.hear(self.routed, loads, held)
        changes = self.scales.decide(self._observed(), steady=True)
        for each in changes:
            if each.after < each.before:
                self.route(each.after)
        return [each.after for each in changes]

    def _observed(self) -> Observed:
        environment = Environment("e", EnvironmentKind.BORROWED, "python", "3.12")
        names = self.routed.workers[KEY]
        replicas = tuple(each.removesuffix(".w") for each in names)
        workers = {each: Worker(each, each.removesuffix(".w"), *KEY, VersionState.READY) for each in names}
        prepared = Prepared("w", replicas, environment, "/files", "digest")
        return Observed(preparations={KEY: prepared}, workers=workers, routed=self.routed)

    def is_ready(self, count: int) -> None:
        """What was started answers now."""
        self.route(count)
        self.scales.settle(self._observed())


@pytest.mark.req("REQ-135")
def test_what_nobody_asked_for_since_the_gateway_began_goes_to_zero() -> None:
    """With a delay that is longer than the silence after which nothing is known, as it is unless set otherwise."""
    assert DELAYS.zero > SILENCE
    world = World(1)
    assert world.passes(DELAYS.zero - 20) == []
    assert world.passes(40) == [0]


@pytest.mark.req("REQ-134", "REQ-135")
def test_replicas_from_before_a_restart_that_nobody_asks_for_become_fewer_and_none() -> None:
    world = World(3)
    assert world.passes(DELAYS.down - 20) == []
    assert world.passes(40) == [1]
    assert world.passes(DELAYS.zero - DELAYS.down) == [0]


@pytest.mark.req("REQ-135")
def test_what_was_woken_by_a_caller_who_did_not_wait_goes_to_zero_again() -> None:
    world = World(0)
    with world.room.place(*KEY):
        assert world.passes(1) == [1]
    assert world.passes(SILENCE * 2) == []  # loads its model, longer than what was heard counts
    world.is_ready(1)
    assert world.passes(DELAYS.zero - SILENCE * 2 - 20) == []
    assert world.passes(40) == [0]
