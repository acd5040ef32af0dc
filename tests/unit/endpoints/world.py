"""A small world for the planner: carries out actions the way the controller does, on a clock that only we move."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_modelserve.controller.endpoints import planner
from jupyter_modelserve.controller.endpoints.scales import Load, Scales
from jupyter_modelserve.controller.endpoints.scaling import Delays
from jupyter_modelserve.controller.endpoints.selection import select
from jupyter_modelserve.controller.endpoints.status import derive
from jupyter_modelserve.controller.endpoints.view import Desired, Key, Observed, Prepared, Routed, Worker, place
from jupyter_modelserve.types import (
    Cause,
    EndpointSpec,
    Environment,
    EnvironmentKind,
    Failure,
    Model,
    ModelVersion,
    ReplicaState,
    Selector,
    SelectorKind,
    ServedEntity,
    UpdateState,
    VersionState,
)

MOVING = {VersionState.LOADING, VersionState.PROBING, VersionState.UNLOADING}
BROKEN = Failure(Cause.LOAD_FAILED, "it does not load")


def version(number: int, stage: str = "None", model: str = "iris") -> ModelVersion:
    return ModelVersion(model, str(number), stage, "file:///x", "file:///x", "", number)


def model(*versions: ModelVersion, aliases: dict[str, str] | None = None, name: str = "iris") -> Model:
    newest_first = tuple(sorted(versions, key=lambda each: -int(each.version)))
    return Model(name, "", 0, 0, aliases or {}, {}, newest_first)


def entity(
    kind: SelectorKind, value: str | None = None, name: str = "e", model: str = "iris", **fields: Any
) -> ServedEntity:
    return ServedEntity(model, Selector(kind, value), name, **fields)


def desired(found: Model | None, *entities: ServedEntity, deleting: bool = False, generation: int = 1) -> Desired:
    spec = EndpointSpec("iris", entities or (entity(SelectorKind.ACTIVE),))
    return Desired(spec, generation, deleting, {found.name: found} if found else {})


@dataclass
class World:
    """Replicas, workers, routes and the gateway, without any process. ``broken`` versions fail to load."""

    now: float = 0.0
    known: bool = True
    count: int = 1
    broken: set[Key] = field(default_factory=set)
    preparations: dict[Key, Prepared | Failure] = field(default_factory=dict)
    preparing: set[Key] = field(default_factory=set)
    replicas: dict[str, ReplicaState] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    routed: Routed = field(default_factory=Routed)
    number: int = 0
    acknowledged: int = 0
    forgotten: bool = False
    history: list[planner.Action] = field(default_factory=list)
    scales: Scales | None = None

    def observe(self) -> Observed:
        seen = Observed(
            known=self.known,
            preparations=dict(self.preparations),
            preparing=frozenset(self.preparing),
            replicas=dict(self.replicas) if self.known else {},
            workers=dict(self.workers) if self.known else {},
            routed=self.routed,
            acknowledged=self.acknowledged >= self.number,
        )
        return self.scales.view(seen) if self.scales else seen

    def follow_load(self) -> None:
        """From now on the load decides how many replicas there are; a new controller begins like this."""
        self.scales = Scales(Delays(300.0, 1800.0), 1800.0, lambda: self.now)

    def minutes(self, count: float, load: float = 0.0) -> None:
        """Time passes while *load* is asked of every routed worker, told every ten seconds."""
        last = self.now
        for _ in range(int(count * 6)):
            self.now += 10.0
            idle = 0.0 if load else self.now - last
            told = {each: Load(load, idle, True) for group in self.routed.workers.values() for each in group}
            if self.scales:
                self.scales.hear(self.routed, told, {})

    def hold(self, key: Key, requests: int) -> None:
        """The gateway says that requests wait for a version at zero."""
        if self.scales:
            self.scales.hear(self.routed, {}, {key: requests})

    def scale(self, want: Desired) -> None:
        """What the reconciler does before it plans."""
        if self.scales is None or not self.known:
            return
        selection = planner.effective(select(want), self.observe())
        self.scales.follow(want.spec, selection, self.routed)
        observed = self.observe()
        self.scales.settle(observed)
        steady = derive(want, observed, {}, "").update is not UpdateState.IN_PROGRESS
        self.scales.decide(observed, steady=steady)

    def step(self, want: Desired) -> tuple[planner.Action, ...]:
        """One pass of the reconciler."""
        self.scale(want)
        actions = planner.plan(want, self.observe(), self.now)
        for action in actions:
            self._apply(action)
        self.history += actions
        return actions

    def progress(self) -> None:
        """Everything that takes time takes one step."""
        for key in list(self.preparing):
            self.preparing.discard(key)
            environment = Environment("env", EnvironmentKind.BORROWED, "python", "3.11")
            names = tuple(f"r{n}" for n in range(self.count))
            self.preparations[key] = Prepared(f"w-{key[0]}-{key[1]}", names, environment, "/models", "d")
        for name, state in list(self.replicas.items()):
            if state is ReplicaState.STARTING:
                self.replicas[name] = ReplicaState.READY
        for name, worker in list(self.workers.items()):
            if worker.state is VersionState.UNLOADING:
                del self.workers[name]
            elif worker.state is VersionState.LOADING:
                failed = (worker.model, worker.version) in self.broken
                after = VersionState.FAILED if failed else VersionState.PROBING
                self.workers[name] = replace(worker, state=after, failure=BROKEN if failed else None)
            elif worker.state is VersionState.PROBING:
                self.workers[name] = replace(worker, state=VersionState.READY)

    def settle(self, want: Desired, steps: int = 40) -> None:
        """Run until nothing is left to do."""
        for _ in range(steps):
            actions = self.step(want)
            busy = self.preparing or any(each.state in MOVING for each in self.workers.values())
            busy = busy or ReplicaState.STARTING in self.replicas.values() or self.acknowledged < self.number
            if not actions and not busy:
                return
            self.progress()
            self.acknowledged = self.number
        raise AssertionError(f"does not settle: {self.history[-5:]}")

    def crash(self, name: str) -> None:
        """A worker dies and its parent starts it again."""
        self.workers[name] = replace(self.workers[name], state=VersionState.LOADING)

    def _apply(self, action: planner.Action) -> None:
        match action:
            case planner.Prepare(key):
                self.preparing.add(key)
            case planner.EnsureReplica(_, replica):
                self.replicas[replica] = ReplicaState.STARTING
                self.workers = {name: each for name, each in self.workers.items() if each.replica != replica}
            case planner.LoadVersion(key, prepared, replica):
                name = place(replica, prepared.worker)
                self.workers[name] = Worker(name, replica, *key, VersionState.LOADING, "unix:/s", "k")
            case planner.Publish(routed):
                self.routed = routed
                self.number += 1
            case planner.UnloadVersion(worker_name, replica):
                worker_id = place(replica, worker_name)
                reachable = {each for group in self.routed.workers.values() for each in group}
                assert worker_id not in reachable, "a routed worker is never unloaded"
                assert self.acknowledged >= self.number, "the gateway has not acknowledged yet"
                self.workers[worker_id] = replace(self.workers[worker_id], state=VersionState.UNLOADING)
            case planner.StopReplica(replica):
                assert not [each for each in self.workers.values() if each.replica == replica]
                del self.replicas[replica]
            case planner.Forget():
                self.forgotten = True
