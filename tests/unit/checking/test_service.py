"""Whose check runs when: one principal never keeps the others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_modelserve.checked import Overrides
from jupyter_modelserve.controller.checking import service
from jupyter_modelserve.controller.checking.service import Checks
from jupyter_modelserve.controller.checking.trial import Trial
from jupyter_modelserve.errors import TooManyRequests
from jupyter_modelserve.types import ModelVersion


class Held:
    """Runs checks that last until they are let go."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)
        self.running: list[str] = []
        self.began: list[str] = []
        self.most: dict[str, int] = {}

    async def run(self, trial: Trial, files: Callable[[], Any]) -> None:
        self.running.append(trial.owner)
        self.began.append(trial.owner)
        self.most[trial.owner] = max(self.most.get(trial.owner, 0), self.running.count(trial.owner))
        await self.go.acquire()
        self.running.remove(trial.owner)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def checks(held: Held) -> Checks:
    nothing: Any = None  # no verdict is kept here
    runner: Any = held
    return Checks(nothing, nothing, runner)


def start(checks: Checks, owner: str, number: int) -> str:
    version = ModelVersion("m", str(number), "None", "file:///none", "models:/m-0", "", 1)
    return checks.of_version(owner, version, Overrides()).id


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_principal_runs_one_check_and_four_wait(checks: Checks, held: Held) -> None:
    mine = [start(checks, "me", number) for number in range(service.OWN_AT_ONCE + service.OWN_WAITING)]
    with pytest.raises(TooManyRequests, match="5 checks of me run or wait already") as caught:
        start(checks, "me", 9)
    assert caught.value.retry_after_s == 30
    # The same question again is no further check.
    assert start(checks, "me", 0) == mine[0]
    await settled()
    assert held.running == ["me"]
    # Who comes later runs at once, or before those of mine that wait.
    start(checks, "you", 0)
    start(checks, "she", 0)
    await settled()
    assert held.running == ["me", "you"]
    held.go.release()
    await settled()
    assert held.running == ["you", "she"]
    # One that has ended makes room for another.
    start(checks, "me", 9)
    await checks.close()


async def test_all_are_run_in_the_end(checks: Checks, held: Held) -> None:
    started = [start(checks, owner, number) for number in range(4) for owner in ("me", "you", "she")]
    for _ in started:
        held.go.release()
    await asyncio.gather(*(checks.find(each).ended.wait() for each in started))
    assert sorted(held.began) == ["me"] * 4 + ["she"] * 4 + ["you"] * 4
    assert set(held.most.values()) == {service.OWN_AT_ONCE}


async def test_a_cancelled_one_that_waits_gives_its_turn_back(checks: Checks, held: Held) -> None:
    first, second, third = (start(checks, "me", number) for number in range(3))
    await settled()
    checks.cancel(second)
    await checks.find(second).ended.wait()
    held.go.release()
    await checks.find(first).ended.wait()
    await settled()
    assert held.running == ["me"]
    assert not checks.find(third).ended.is_set()
    await checks.close()
