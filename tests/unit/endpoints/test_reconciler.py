"""The reconciler against an engine and replicas in memory: what goes wrong is survived, told and tried again."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_modelserve.controller import digests
from jupyter_modelserve.controller.digests import digest
from jupyter_modelserve.controller.endpoints import backoff
from jupyter_modelserve.controller.endpoints.logs import LogWish
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.endpoints.reconciler import EndpointReconciler
from jupyter_modelserve.controller.endpoints.scales import Load
from jupyter_modelserve.controller.endpoints.view import Desired
from jupyter_modelserve.controller.engines.base import EngineRejected, EngineUnavailable
from jupyter_modelserve.types import (
    Cause,
    EndpointSpec,
    Failure,
    Phase,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    VersionState,
)
from tests.unit.endpoints.bench import CHAMPION, Bench, FakeReplica, following, tracks
from tests.unit.endpoints.world import desired, entity, model, version


async def test_from_nothing_to_ready(bench: Bench) -> None:
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    snapshot = bench.publication.snapshot()
    assert snapshot is not None
    assert snapshot.routes.models["iris"].versions["1"].targets == ("abcdef012345.w1",)
    assert bench.events[-1] == "READY, NOT_UPDATING: Ready"
    assert (await bench.reconciler.log(LogWish("iris", "1", tail=5))).text == "log of w1\n"


async def test_a_steady_endpoint_does_nothing(bench: Bench) -> None:
    await bench.passes()
    number, calls, told = bench.publication.number, len(bench.engine.calls), len(bench.events)
    await bench.passes(3)
    assert bench.publication.number == number
    assert {operation for operation, _ in bench.engine.calls[calls:]} == {"observe"}
    assert len(bench.events) == told


async def test_a_version_found_running_after_a_restart_has_no_unfinished_step(bench: Bench) -> None:
    await bench.passes()
    own = (Phase("start", 0.1, True), Phase("load", 0.2, True), Phase("probe", 0.3, True), Phase("ready", 0.0, True))
    bench.replica.workers["w1"] = replace(bench.replica.workers["w1"], phases=own)
    before = bench.reconciler
    again = EndpointReconciler("iris", before._observer, before._effects, before._parts)
    bench.reconciler, bench.preparer.gate = again, asyncio.Event()
    await bench.passes(2)
    assert [each.name for each in again.status.versions[0].phases if not each.done] == ["resolve"]
    bench.preparer.gate.set()
    await bench.passes()
    found = again.status.versions[0].phases
    assert [(each.name, each.done) for each in found] == [(each.name, True) for each in own]
    assert found[-1].seconds == pytest.approx(0.6)


async def test_an_engine_that_does_not_answer_stops_nothing(bench: Bench) -> None:
    await bench.passes()
    number = bench.publication.number
    bench.want = desired(model(version(1), version(2)))
    for _ in range(3):
        bench.engine.failures["observe"] = EngineUnavailable("away")
        await bench.reconciler.reconcile()
    assert bench.publication.number == number
    assert bench.engine.replicas
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


async def test_a_silent_replica_keeps_its_routes(bench: Bench) -> None:
    await bench.passes()
    bench.replica.silent = True
    await bench.passes(3)
    snapshot = bench.publication.snapshot()
    assert snapshot is not None
    assert snapshot.routes.models["iris"].versions["1"].targets == ("abcdef012345.w1",)


async def test_what_the_engine_refuses_is_shown(bench: Bench) -> None:
    bench.engine.failures["ensure"] = EngineRejected("no such interpreter")
    await bench.passes(4)
    assert tracks(bench) == (ServiceState.FAILED, UpdateState.UPDATE_FAILED)
    assert bench.reconciler.status.versions[0].failure == Failure(Cause.ENGINE_REJECTED, "no such interpreter")


async def test_files_that_the_engine_refuses_fail_their_version_and_not_the_one_beside_it(bench: Bench) -> None:
    bench.want = desired(model(version(1), version(2)))
    bench.engine.failures["push"] = EngineRejected("model file 'x' cannot be read")
    await bench.passes()
    found = {each.version: (each.state, each.failure) for each in bench.reconciler.status.versions}
    refused = Failure(Cause.ENGINE_REJECTED, "model file 'x' cannot be read")
    assert found == {"2": (VersionState.FAILED, refused), "1": (VersionState.READY, None)}
    assert list(bench.replica.workers) == ["w1"]


async def test_a_further_replica_that_cannot_have_the_files_takes_nothing_from_the_first(bench: Bench) -> None:
    second = bench.others["fedcba543210"] = FakeReplica()
    bench.preparer.names = ("abcdef012345", "fedcba543210")
    bench.want = desired(model(version(1)), entity(SelectorKind.ACTIVE, min_replicas=2, max_replicas=2))
    await bench.passes()
    second.workers.clear()
    pushed = bench.engine.calls.count(("push", "fedcba543210"))
    bench.engine.failures["push"] = EngineRejected("it is full of holes")
    await bench.passes()
    assert bench.publication.routed("iris").workers == {("iris", "1"): ("abcdef012345.w1",)}
    assert bench.reconciler.status.versions[0].state is VersionState.READY
    assert bench.engine.calls.count(("push", "fedcba543210")) == pushed + 1, "not again before it is due"
    assert [each for each in bench.events if "holes" in each] == [
        "iris version 1 is not loaded in replica fedcba54: it is full of holes"
    ]
    waits = bench.reconciler._backoff.not_before
    assert "load fedcba543210.w1" in waits
    waits.update(dict.fromkeys(waits, 0.0))
    await bench.passes()
    assert len(bench.publication.routed("iris").workers["iris", "1"]) == 2


@pytest.mark.parametrize("checked", [-math.inf, math.inf], ids=["long ago", "just now"])
async def test_files_are_checked_again_before_they_travel_long_after_they_were_checked(
    bench: Bench, checked: float
) -> None:
    bench.preparer.checked = checked
    bench.want = desired(model(version(1)), entity(SelectorKind.ACTIVE, scale_to_zero=True))
    await bench.passes()
    bench.reconciler.hear({"abcdef012345.w1": Load(0.0, 1900.0, True)}, {})
    await bench.passes()
    assert bench.replica.workers == {}
    (bench.preparer.directory / "MLmodel").write_text("other")
    bench.reconciler._effects._checked.clear()
    bench.reconciler.hear({}, {("iris", "1"): 1})
    await bench.passes()
    (found,) = bench.reconciler.status.versions
    if checked < 0:
        assert found.failure is not None
        assert found.failure.cause is Cause.FILES_CHANGED
        assert bench.replica.workers == {}
    else:
        assert found.state is VersionState.READY


async def test_several_replicas_are_filled_after_one_check(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []

    def counted(directory: Path) -> str:
        looked.append(directory)
        return digest(directory)

    monkeypatch.setattr(digests, "digest", counted)
    bench.others["fedcba543210"] = FakeReplica()
    bench.preparer.names, bench.preparer.checked = ("abcdef012345", "fedcba543210"), -math.inf
    bench.want = desired(model(version(1)), entity(SelectorKind.ACTIVE, min_replicas=2, max_replicas=2))
    await bench.passes()
    assert len(bench.publication.routed("iris").workers["iris", "1"]) == 2
    assert len(looked) == 1


async def test_what_is_taken_away_may_finish_what_the_endpoint_allowed_when_it_began(bench: Bench) -> None:
    first = desired(model(version(1)))
    bench.want = replace(first, spec=replace(first.spec, request_timeout=900.0))
    await bench.passes()
    bench.want = replace(first, spec=replace(first.spec, request_timeout=5.0), generation=2, deleting=True)
    for _ in range(12):
        if not bench.reconciler.gone:
            await bench.passes(1)
    assert bench.replica.graces == [900.0]


async def test_a_failed_preparation_is_shown_and_tried_again_with_the_next_generation(bench: Bench) -> None:
    bench.preparer.failure = Failure(Cause.REQUIREMENT_UNRESOLVABLE, "pyspark==3.1.0 is not available")
    await bench.passes(4)
    assert bench.reconciler.status.service_message == "pyspark==3.1.0 is not available"
    assert bench.preparer.calls == 1
    bench.preparer.failure = None
    await bench.passes(4)
    assert bench.preparer.calls == 1
    bench.want = desired(model(version(1)), generation=2)
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


async def test_a_version_that_failed_to_load_is_loaded_again_with_the_next_generation(bench: Bench) -> None:
    bench.replica.failing = {"1"}
    await bench.passes()
    assert tracks(bench) == (ServiceState.FAILED, UpdateState.UPDATE_FAILED)
    assert bench.reconciler.status.versions[0].failure == Failure(Cause.MISSING_MODULE, "module x is missing")
    bench.replica.failing = set()
    bench.want = desired(model(version(1)), generation=2)
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


async def test_a_version_that_failed_for_a_reason_that_may_pass_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "STEPS", (0.0,))
    bench.replica.failing, bench.replica.cause = {"1"}, Cause.OUT_OF_MEMORY
    await bench.passes()
    bench.replica.failing = set()
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


@pytest.mark.req("REQ-004")
async def test_a_replica_that_never_stays_up_is_given_up_with_its_last_lines(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "STEPS", (0.0,))
    bench.engine.printed["abcdef012345"] = ["Segmentation fault"]
    for _ in range(12):
        await bench.passes(1)
        for name in bench.engine.replicas:
            bench.engine.crash(name)
        bench.replica.workers.clear()
        if bench.reconciler.status.service is ServiceState.FAILED:
            break
    failure = bench.reconciler.status.versions[0].failure
    assert failure is not None
    assert failure.cause is Cause.CRASHED
    assert failure.log_tail == ("Segmentation fault",)


@pytest.mark.req("REQ-005")
async def test_a_deleted_endpoint_is_forgotten_when_everything_is_gone(bench: Bench) -> None:
    await bench.passes()
    bench.want = desired(model(version(1)), deleting=True, generation=2)
    for _ in range(12):
        if not bench.reconciler.gone:
            await bench.passes(1)
    assert bench.events.count("forgotten") == 1
    assert not bench.engine.replicas
    snapshot = bench.publication.snapshot()
    assert snapshot is not None
    assert snapshot.routes.targets == {}
    assert "iris" not in snapshot.routes.endpoints


def with_replicas(count: int, generation: int) -> Desired:
    entity = ServedEntity("iris", Selector(SelectorKind.ACTIVE), "e", replicas=count)
    return Desired(EndpointSpec("iris", (entity,)), generation, False, {"iris": model(version(1))})


async def test_a_change_while_a_version_is_prepared_is_not_lost(bench: Bench) -> None:
    bench.preparer.gate = asyncio.Event()
    bench.want = with_replicas(1, 1)
    await bench.passes(2)
    bench.want = with_replicas(2, 2)
    await bench.passes(2)
    bench.preparer.gate.set()
    await bench.passes()
    assert bench.preparer.asked == [1, 2]


async def test_a_deleted_endpoint_does_not_wait_for_a_preparation(bench: Bench) -> None:
    bench.preparer.gate = asyncio.Event()
    await bench.passes(2)
    bench.want = desired(model(version(1)), deleting=True, generation=2)
    for _ in range(6):
        if not bench.reconciler.gone:
            await bench.passes(1)
    assert bench.reconciler.gone


async def test_an_environment_that_changed_is_resolved_again_before_anything_starts(bench: Bench) -> None:
    bench.preparer.valid = False
    await bench.passes(4)
    assert not bench.engine.replicas
    assert bench.preparer.calls > 1
    bench.preparer.valid = True
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


@pytest.mark.req("REQ-131")
async def test_a_roll_back_says_why_with_exit_code_hint_and_last_lines(bench: Bench) -> None:
    bench.want = following("1")
    await bench.passes()
    bench.want = following("2")
    await bench.passes()
    assert bench.publication.routed("iris").labels[CHAMPION] == ("iris", "2")
    died = replace(bench.replica.workers["w2"], state=VersionState.LOADING, crashes=1, last_exit="exit code 3")
    bench.replica.workers["w2"] = died
    await bench.passes()
    status = bench.reconciler.status
    assert status.update is UpdateState.UPDATE_FAILED
    assert "(crashed: exit code 3); version 1 answers again" in status.update_message
    failure = next(each.failure for each in status.versions if each.version == "2")
    assert failure is not None
    assert (failure.cause, failure.log_tail) == (Cause.CRASHED, ("log of w2",))
    assert failure.hint
    again = Publication("i", bench.publication._database)
    await again.load(["iris"])
    assert again.routed("iris").reasons == {CHAMPION: failure}, "a new controller still knows it"


async def test_names_that_no_longer_matter_are_not_kept(bench: Bench) -> None:
    for number in range(20):
        aliases = {f"a{number}": "1"}
        for champion in ("1", "2"):
            found = model(version(1), version(2), aliases={**aliases, f"a{number}": champion})
            bench.want = desired(found, entity(SelectorKind.ALIAS, f"a{number}"), generation=number + 1)
            await bench.passes(6)
    assert len(bench.reconciler._moved) <= 1


async def test_what_served_once_is_tried_again_whatever_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "STEPS", (0.0,))
    await bench.passes()
    for name, each in bench.replica.workers.items():
        failure = Failure(Cause.LOAD_FAILED, "the disk was full")
        bench.replica.workers[name] = replace(each, state=VersionState.FAILED, failure=failure, restarts=1)
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


@pytest.mark.req("REQ-135")
async def test_what_nobody_asks_for_goes_to_zero_and_who_waits_brings_it_back(bench: Bench) -> None:
    key = ("iris", "1")
    bench.want = desired(model(version(1)), entity(SelectorKind.ACTIVE, scale_to_zero=True))
    await bench.passes()
    bench.reconciler.hear({"abcdef012345.w1": Load(0.0, 1900.0, True)}, {})
    await bench.passes()
    assert bench.replica.workers == {}
    assert bench.reconciler.status.versions[0].state is VersionState.SCALED_TO_ZERO
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    snapshot = bench.publication.snapshot()
    assert snapshot is not None
    assert snapshot.routes.models["iris"].versions["1"].wakes
    number = bench.publication.number
    await bench.passes(3)
    assert bench.publication.number == number, "nothing happens at zero"
    bench.reconciler.hear({}, {key: 100})
    await bench.passes()
    assert bench.publication.routed("iris").workers == {key: ("abcdef012345.w1",)}
    told = [each for each in bench.events if "zero" in each.lower()]
    assert told == [
        "iris version 1 is scaled to zero: nobody asked for it",
        "iris version 1 is SCALED_TO_ZERO",
        "iris version 1 is started again from zero: 100 requests wait for it",
    ]


@pytest.mark.req("REQ-135")
async def test_a_new_controller_neither_wakes_nor_forgets_what_is_at_zero(bench: Bench) -> None:
    bench.want = desired(model(version(1)), entity(SelectorKind.ACTIVE, scale_to_zero=True))
    await bench.passes()
    bench.reconciler.hear({"abcdef012345.w1": Load(0.0, 1900.0, True)}, {})
    await bench.passes()
    before = bench.reconciler
    publication = Publication("i", bench.publication._database)
    await publication.load(["iris"])
    parts = replace(before._parts, publication=publication)
    bench.publication = publication
    bench.reconciler = EndpointReconciler("iris", before._observer, before._effects, parts)
    await bench.passes()
    assert bench.replica.workers == {}
    assert bench.reconciler.status.versions[0].state is VersionState.SCALED_TO_ZERO
    bench.reconciler.hear({}, {("iris", "1"): 1})
    await bench.passes()
    assert bench.replica.workers


async def test_a_new_attempt_is_never_told_the_failure_of_the_one_before(bench: Bench) -> None:
    bench.replica.failing = {"1"}
    await bench.passes()
    bench.replica.failing = set()
    bench.want = desired(model(version(1)), generation=2)
    seen = []
    for _ in range(8):
        await bench.passes(1)
        seen.append((bench.reconciler.status.observed_generation, bench.reconciler.status.update))
    assert (2, UpdateState.UPDATE_FAILED) not in seen
    assert seen[-1] == (2, UpdateState.NOT_UPDATING)
