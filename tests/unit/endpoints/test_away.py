"""While an engine is away: the user is told, nothing is hurried, and its return is not made to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from jupyter_modelserve.controller.endpoints.planner import effective
from jupyter_modelserve.controller.endpoints.reconciler import AWAY_LOOK, AWAY_PAUSE, EndpointReconciler
from jupyter_modelserve.controller.endpoints.selection import select
from jupyter_modelserve.controller.endpoints.view import Observed, Routed, Worker
from jupyter_modelserve.controller.engines.base import EngineUnavailable
from jupyter_modelserve.types import Cause, Failure, ReplicaState, ServiceState, UpdateState, VersionState
from tests.unit.endpoints.bench import CHAMPION, Bench, following, tracks

GONE = Failure(Cause.ENGINE_UNAVAILABLE, "no Docker engine answers")


def leaves(bench: Bench, state: ReplicaState = ReplicaState.READY) -> Callable[[], None]:
    """The engine goes, and its replica is remembered in *state*; call the answer to bring it back."""
    before = dict(bench.engine.replicas)
    bench.engine.replicas = {
        name: replace(each, state=state, remembered=True) for name, each in bench.engine.replicas.items()
    }

    def back() -> None:
        bench.engine.replicas = before

    return back


async def test_what_answers_without_its_engine_is_ready_and_says_so(bench: Bench) -> None:
    await bench.passes()
    back = leaves(bench)
    await bench.passes(2)
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    assert "the Docker engine does not answer" in bench.reconciler.status.service_message
    back()
    await bench.passes(2)
    assert bench.reconciler.status.service_message == "Ready"


async def test_what_is_silent_with_its_engine_is_not_called_ready_and_keeps_its_routes(bench: Bench) -> None:
    await bench.passes()
    number = bench.publication.number
    leaves(bench, ReplicaState.UNKNOWN)
    assert await bench.reconciler.reconcile() > AWAY_LOOK / 2
    assert tracks(bench)[0] is ServiceState.PENDING
    assert "as soon as the engine is back" in bench.reconciler.status.service_message
    assert bench.publication.number == number
    assert {operation for operation, _ in bench.engine.calls[-2:]} == {"observe"}


async def test_a_change_waits_for_the_engine_without_hurry_and_comes_with_it(bench: Bench) -> None:
    bench.want = following("1")
    await bench.passes()
    back = leaves(bench)
    bench.preparer.failure = GONE
    bench.want = following("2")
    await bench.passes()
    assert bench.reconciler.status.update_message.endswith(GONE.message)
    # It was tried again and again, so the next attempt is not due for long.
    for _ in range(9):
        bench.reconciler._backoff.failed("iris/2", 0.0)
        bench.reconciler._backoff.not_before["iris/2"] = float("inf")
    bench.preparer.failure = None
    await bench.passes()
    assert tracks(bench)[1] is UpdateState.UPDATE_FAILED
    back()
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    assert next(each.version for each in bench.reconciler.status.versions if each.serving) == "2"


async def test_what_cannot_be_loaded_while_the_engine_is_away_is_not_tried_in_a_hurry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.want = following("1")
    await bench.passes()
    leaves(bench)

    async def push(*_: object) -> str:
        raise EngineUnavailable("no Docker engine answers")

    monkeypatch.setattr(bench.engine, "push", push)
    bench.want = following("2")
    await bench.passes(4)
    assert await bench.reconciler.reconcile() == AWAY_LOOK
    assert tracks(bench) == (ServiceState.READY, UpdateState.IN_PROGRESS)
    assert "changes wait for it" in bench.reconciler.status.update_message


async def test_a_new_controller_without_the_engine_takes_no_version_back(bench: Bench) -> None:
    """What cannot be prepared because the engine is away has not failed: the one before must not answer again."""
    for champion in ("1", "2", "1"):
        bench.want = following(champion)
        await bench.passes()
    assert bench.publication.routed("iris").previous[CHAMPION] == ("iris", "2")
    back = leaves(bench)
    old = bench.reconciler
    bench.reconciler = EndpointReconciler("iris", old._observer, old._effects, old._parts)
    bench.preparer.failure = GONE
    await bench.passes()
    routed = bench.publication.routed("iris")
    assert (routed.labels[CHAMPION], dict(routed.refused)) == (("iris", "1"), {})
    assert tracks(bench) == (ServiceState.READY, UpdateState.UPDATE_FAILED)
    back()
    bench.engine.crash(next(iter(bench.engine.replicas)))
    await bench.reconciler.reconcile()
    bench.preparer.failure = None
    await bench.passes()
    routed = bench.publication.routed("iris")
    assert (routed.labels[CHAMPION], dict(routed.refused)) == (("iris", "1"), {})


@pytest.mark.parametrize(
    ("cause", "answers", "taken_back"),
    [
        (Cause.ENGINE_UNAVAILABLE, False, False),
        (Cause.ARTIFACTS_MISSING, True, False),
        (Cause.ARTIFACTS_MISSING, False, True),
    ],
)
def test_what_cannot_be_prepared_again_is_taken_back_only_when_it_is_gone_for_good(
    cause: Cause, answers: bool, taken_back: bool
) -> None:
    now, before = ("iris", "1"), ("iris", "2")
    routed = Routed({now: ("r.w",)}, {CHAMPION: now}, {"e": now}, {CHAMPION: before})
    workers = {"r.w": Worker("r.w", "r", *now, VersionState.READY)} if answers else {}
    observed = Observed(preparations={now: Failure(cause, "x")}, workers=workers, routed=routed)
    assert bool(effective(select(following("1")), observed).refused) is taken_back


async def test_callers_may_wait_for_what_is_unloaded_because_somebody_stops_its_container(bench: Bench) -> None:
    await bench.passes()
    bench.replica.workers["w1"] = replace(bench.replica.workers["w1"], state=VersionState.UNLOADING)
    await bench.reconciler.reconcile()
    snapshot = bench.publication.snapshot()
    assert snapshot is not None
    found = snapshot.routes.models["iris"].versions["1"]
    assert (found.state, found.targets) == (VersionState.STARTING, ())
    assert bench.reconciler.status.versions[0].state is VersionState.STARTING


async def test_an_endpoint_that_was_asked_for_while_the_engine_was_away_is_made_soon_after_its_return(
    bench: Bench,
) -> None:
    bench.preparer.failure = GONE
    for _ in range(8):
        await bench.passes(3)
        waits = [due - time.monotonic() for due in bench.reconciler._backoff.not_before.values()]
        assert all(each <= AWAY_PAUSE for each in waits)
        bench.reconciler._backoff.not_before = dict.fromkeys(bench.reconciler._backoff.not_before, 0.0)
    bench.preparer.failure = None
    await bench.passes()
    assert tracks(bench)[0] is ServiceState.READY
