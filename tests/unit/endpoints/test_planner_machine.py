"""Whatever happens in whatever order, the planner's promises hold (hypothesis state machine, fake clock)."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jupyter_modelserve.controller.endpoints.selection import select
from jupyter_modelserve.controller.endpoints.view import Desired
from jupyter_modelserve.types import ReplicaState, SelectorKind, VersionState
from tests.unit.endpoints.world import World, desired, entity, model, version

STAGES = st.sampled_from(["None", "Staging", "Production", "Archived"])


class PlannerMachine(RuleBasedStateMachine):
    """Registry changes, crashes, blind engines and slow gateways, interleaved at will."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.stages: dict[int, str] = {}
        self.alias: int | None = None
        self.kind = SelectorKind.ACTIVE
        self.deleting = False
        self.served_before: bool = False
        self.fields: dict[str, Any] = {}

    def want(self) -> Desired:
        aliases = {"Champion": str(self.alias)} if self.alias in self.stages else {}
        found = model(*(version(number, stage) for number, stage in self.stages.items()), aliases=aliases)
        value = {SelectorKind.ALIAS: "Champion", SelectorKind.STAGE: "Production"}.get(self.kind)
        return desired(found, entity(self.kind, value, **self.fields), deleting=self.deleting)

    @initialize(
        kind=st.sampled_from([SelectorKind.ACTIVE, SelectorKind.ALIAS, SelectorKind.STAGE]),
        count=st.integers(1, 3),
        scales=st.sampled_from([None, True, False, True]),
    )
    def begin(self, kind: SelectorKind, count: int, scales: bool | None) -> None:
        self.kind = kind
        if scales is not None:
            self.fields = {"min_replicas": 1, "max_replicas": count, "scale_to_zero": scales}
            self.world.follow_load()
        self.world.count = count
        self.stages = {1: "Production"}
        self.alias = 1

    @rule(number=st.integers(1, 4), stage=STAGES, luck=st.integers(0, 3))
    def register(self, number: int, stage: str, luck: int) -> None:
        if luck == 0 and number not in self.stages:
            self.world.broken.add(("iris", str(number)))
        self.stages[number] = stage

    @rule(data=st.data())
    def move_alias(self, data: st.DataObject) -> None:
        self.alias = data.draw(st.sampled_from(sorted(self.stages)))

    @precondition(lambda self: len(self.stages) > 1)
    @rule(number=st.integers(1, 4))
    def delete_version(self, number: int) -> None:
        self.stages.pop(number, None)

    @rule()
    def reconcile(self) -> None:
        before = self.world.routed
        routed = {each for group in before.workers.values() for each in group}
        # A replica that leaves because the load is less is ready for some moments more, and counts no longer.
        workers = [each for each in self.world.workers.values() if each.id in routed or not self.world.scales]
        ready = {(each.model, each.version) for each in workers if each.state is VersionState.READY}
        self.world.step(self.want())
        after = self.world.routed
        selection = select(self.want())
        for label, wanted in selection.labels.items():
            was = before.labels.get(label)
            if was in ready and was in before.workers and wanted[0] in selection.keys:
                assert after.labels[label] in after.workers, "a name that could be answered still can be"
            resting = was is not None and was in before.workers and not before.workers[was]
            if resting and was in selection.known and was not in self.world.broken and wanted[0] in selection.keys:
                assert after.labels[label] in after.workers, "whoever asks for what is at zero is still held"
            gone = resting and was not in selection.known and self.world.scales and self.world.known
            if gone and wanted[0] in selection.keys and wanted[0] not in self.world.broken:
                assert after.labels[label] in after.workers, "whoever asks for what is gone is held for its successor"
        if not self.world.known:
            assert after == before, "unknown is not gone"

    @rule(steps=st.integers(1, 6))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.reconcile()
            self.world.progress()

    @rule()
    def everything_settles(self) -> None:
        if self.world.known and not self.deleting:
            self.world.settle(self.want(), steps=60)

    @precondition(lambda self: self.world.scales)
    @rule(minutes=st.sampled_from([1, 6, 31]), load=st.sampled_from([0.0, 0.0, 3.0, 9.0]))
    def people_ask(self, minutes: int, load: float) -> None:
        self.world.minutes(minutes, load)
        self.reconcile()

    @precondition(lambda self: self.world.scales)
    @rule()
    def nobody_asks_for_long(self) -> None:
        for _ in range(2):
            self.everything_settles()
            self.world.minutes(40)

    @precondition(lambda self: self.world.scales)
    @rule(data=st.data(), requests=st.integers(1, 100))
    def requests_wait(self, data: st.DataObject, requests: int) -> None:
        resting = sorted(key for key, group in self.world.routed.workers.items() if not group)
        if resting:
            self.world.hold(data.draw(st.sampled_from(resting)), requests)
            self.reconcile()

    @rule()
    def gateway_acknowledges(self) -> None:
        self.world.acknowledged = self.world.number

    @rule(blind=st.booleans())
    def engine_answers(self, blind: bool) -> None:
        self.world.known = not blind

    @precondition(lambda self: self.world.workers)
    @rule(data=st.data())
    def worker_crashes(self, data: st.DataObject) -> None:
        ready = sorted(name for name, each in self.world.workers.items() if each.ready)
        if ready:
            self.world.crash(data.draw(st.sampled_from(ready)))

    @precondition(lambda self: self.world.replicas)
    @rule()
    def replica_dies(self) -> None:
        self.world.replicas = dict.fromkeys(self.world.replicas, ReplicaState.FAILED)
        self.world.workers.clear()

    @rule()
    def controller_restarts(self) -> None:
        self.world.preparations.clear()
        self.world.preparing.clear()
        if self.world.scales:
            self.world.follow_load()

    @invariant()
    def one_worker_per_version_and_replica(self) -> None:
        keys = [(each.model, each.version, each.replica) for each in self.world.workers.values()]
        assert len(keys) == len(set(keys))

    def teardown(self) -> None:
        """Left alone, the world converges to exactly what is selected, and a deleted endpoint to nothing."""
        self.world.known = True
        self.world.settle(self.want(), steps=60)
        selected = set(select(self.want()).keys)
        able = selected - self.world.broken
        assert able <= set(self.world.routed.workers)
        for key in sorted(able):
            if not self.world.routed.workers[key]:
                self.world.hold(key, 1)
                self.world.settle(self.want(), steps=60)
                assert self.world.routed.workers[key], "who waits is answered in the end"
        self.deleting = True
        for _ in range(12):
            self.world.step(self.want())
            self.world.progress()
            self.world.acknowledged = self.world.number
        assert self.world.forgotten
        assert not self.world.workers
        assert not self.world.replicas


PlannerMachine.TestCase.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestPlannerMachine = PlannerMachine.TestCase
