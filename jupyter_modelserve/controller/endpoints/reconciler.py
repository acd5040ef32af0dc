"""Keeps what runs equal to what is asked for: one task per endpoint, level-triggered (architecture §5).

Each pass reads everything again, asks the planner and carries out its actions. Wake-ups are hints; the resync every
ten seconds is the guarantee. Nothing that goes wrong leaves the loop: it is logged, waited for and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from jupyter_modelserve.controller.endpoints import happenings, logs, planner
from jupyter_modelserve.controller.endpoints.backoff import STEPS, Backoff
from jupyter_modelserve.controller.endpoints.compute import compute_for, labels_of, table
from jupyter_modelserve.controller.endpoints.effects import Effects
from jupyter_modelserve.controller.endpoints.logs import Log, LogWish
from jupyter_modelserve.controller.endpoints.observation import Observer, Sight
from jupyter_modelserve.controller.endpoints.preparation import PreparationFailed, Preparer, Wish
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.endpoints.routes import contribute
from jupyter_modelserve.controller.endpoints.scales import Load, Scales
from jupyter_modelserve.controller.endpoints.selection import Selection, explain_nothing, select
from jupyter_modelserve.controller.endpoints.status import derive, version_state, wanted_state
from jupyter_modelserve.controller.endpoints.timeline import Timeline
from jupyter_modelserve.controller.endpoints.view import (
    Desired,
    Key,
    Label,
    Observed,
    Prepared,
    Routed,
    Worker,
    loading,
    name_of,
    place,
)
from jupyter_modelserve.controller.engines.base import Compute, EngineConflict, EngineRejected, EngineUnavailable
from jupyter_modelserve.controller.registry.reader import RegistryNotReady
from jupyter_modelserve.controller.signals import Signal
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    Cause,
    EndpointStatus,
    Failure,
    Phase,
    UpdateState,
    VersionState,
    WorkloadSize,
)

RESYNC = 10.0
TRIAL = 10.0
"""Seconds for which the version before is kept loaded after a followed name has moved, for a roll-back at once."""
TRIAL_LOOK = 1.0
AWAY_LOOK = 1.0
AWAY_PAUSE = 5.0
"""Longest pause before an engine that was away is asked again: an endpoint without a replica hears of no return."""
TRANSITION = 0.05
"""Seconds between looks while something is on its way: loading takes tenths of a second, so looking must too."""
WATCHED_TRANSITION = 0.25
"""The same while every replica tells of its changes by itself: a long load must not be slowed by looking at it."""
LAST_LINES = 20
TRANSIENT = frozenset(
    {
        Cause.BUILD_TIMED_OUT,
        Cause.ARTIFACTS_MISSING,
        Cause.CRASHED,
        Cause.ENGINE_UNAVAILABLE,
        Cause.SECRET_UNREADABLE,
    }
)
PASSING = frozenset({Cause.CRASHED, Cause.OUT_OF_MEMORY, Cause.STARTUP_TIMED_OUT})
"""Causes that another attempt may not meet again."""
MOST_STARTS = 4
"""Starts of a replica in a row after which the user is told; it is tried again later."""
log = logging.getLogger(__name__)

EventSink = Callable[[str, str, Key | None, dict[str, object]], Awaitable[None]]
"""``(kind, message, version, data)``: writes one line of the endpoint's history."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reconciler works with."""

    preparer: Preparer
    publication: Publication
    settings: Settings
    url: str
    read: Callable[[], Awaitable[Desired | None]]
    emit: EventSink
    forget: Callable[[], Awaitable[None]]


class EndpointReconciler:
    """One endpoint."""

    def __init__(self, name: str, observer: Observer, effects: Effects, parts: Parts) -> None:
        self.name = name
        self.status = EndpointStatus()
        self.changed = Signal()
        self.gone = False
        self.models: frozenset[str] = frozenset()
        self._observer = observer
        self._effects = effects
        self._parts = parts
        self._wake = asyncio.Event()
        self._backoff = Backoff()
        self._preparations: dict[Key, Prepared | Failure] = {}
        self._preparing: dict[Key, asyncio.Task[None]] = {}
        self._timelines: dict[Key, Timeline] = {}
        self._generation = 0
        self._sizes = table(parts.settings.workload_sizes)
        self._moved: dict[Label, tuple[Key | None, float]] = {}
        self._seen: Sight | None = None
        self._scales = Scales.of(parts.settings)
        self._away: frozenset[str] = frozenset()

    def hear(self, targets: Mapping[str, Load], held: Mapping[Key, int]) -> None:
        """What the gateway says is asked of the targets, and of versions at zero."""
        if self._scales.hear(self._parts.publication.routed(self.name), targets, held):
            self.wake()

    def wake(self) -> None:
        """Something may have changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Reconcile until the endpoint is gone or the task is cancelled."""
        failures = 0
        self._observer.watch(self.wake)
        try:
            while not self.gone:
                self._wake.clear()
                try:
                    delay = await self.reconcile()
                    failures = 0
                except Exception:
                    failures += 1
                    delay = 2.0 ** min(failures, 6)
                    log.exception("endpoint %s: a pass failed; next in %.0f s", self.name, delay)
                await self._sleep(delay)
        finally:
            for task in self._preparing.values():
                task.cancel()
            await self._observer.close()

    async def log(self, wish: LogWish) -> Log:
        """Last lines that versions printed, those of all replicas merged by time (REQ-197).

        Raises:
            NotFound: no such version or replica runs here.
            Unavailable: no replica answers now.
        """
        return await logs.read(self.name, self._observer, wish)

    async def _sleep(self, delay: float) -> None:
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def reconcile(self) -> float:
        """One pass; returns the seconds until the next one is due."""
        try:
            desired = await self._parts.read()
        except RegistryNotReady:
            return 0.5
        if desired is None:
            self.gone = True
            return 0.0
        self.models = frozenset(each.model for each in desired.spec.entities)
        self._effects.allow(desired.spec)
        sight = await self._observer.look()
        await self._guarded(self._effects.sweep(sight))
        await self._renew(desired, sight)
        await self._scale(desired, sight)
        observed = self._observed(sight)
        actions = planner.plan(desired, observed, time.monotonic())
        for action in actions:
            await self._carry_out(action, desired, sight)
        await self._contribute(desired, sight)
        await self._report(desired, sight)
        busy = self.status.update is UpdateState.IN_PROGRESS or any(
            worker.state is VersionState.UNLOADING for worker in sight.workers.values()
        )
        busy = busy or self._scales.moving(self._observed(sight))
        if sight.away and (busy or actions):
            # The engine's return is heard of; until then little can be done, however much there is to do.
            return AWAY_LOOK
        if not busy and not actions and observed.on_trial:
            return TRIAL_LOOK
        if busy and not actions and self._observer.hears(sight):
            return WATCHED_TRANSITION
        if busy or actions:
            return TRANSITION
        return min(RESYNC * random.uniform(0.9, 1.1), self._scales.due() + TRANSITION)  # noqa: S311 - spreads load, guards nothing

    async def _scale(self, desired: Desired, sight: Sight) -> None:
        """As many replicas as the load asks for (REQ-132); fewer only while no change is under way."""
        selection = planner.effective(select(desired), self._observed(sight))
        routed = self._parts.publication.routed(self.name)
        self._scales.follow(desired.spec, selection, routed)
        observed = self._observed(sight)
        self._scales.settle(observed)
        for each in self._scales.decide(observed, steady=self.status.update is not UpdateState.IN_PROGRESS):
            if each.before == 0:
                self._timelines[each.key] = Timeline(time.monotonic)
            data: dict[str, object] = {"from": each.before, "to": each.after}
            await self._parts.emit("scale", each.message, each.key, data)

    def _observed(self, sight: Sight) -> Observed:
        publication = self._parts.publication
        seen = Observed(
            known=sight.known,
            preparations=dict(self._preparations),
            preparing=frozenset(self._preparing),
            replicas={name: each.state for name, each in sight.replicas.items()},
            workers=sight.workers,
            routed=publication.routed(self.name),
            acknowledged=publication.acknowledged >= publication.number,
            on_trial=self._on_trial(publication.routed(self.name), time.monotonic()),
            not_before=dict(self._backoff.not_before),
            away=sight.away,
        )
        return self._scales.view(seen)

    def _on_trial(self, routed: Routed, now: float) -> frozenset[Label]:
        for label in routed.previous:
            key = routed.labels.get(label)
            if self._moved.get(label, (None, 0.0))[0] != key:
                self._moved[label] = (key, now)
        self._moved = {label: moved for label, moved in self._moved.items() if label in routed.previous}
        return frozenset(label for label, (_, since) in self._moved.items() if now - since < TRIAL)

    async def _renew(self, desired: Desired, sight: Sight) -> None:
        """A new generation is a new attempt: what failed is tried again. So are transient failures, when due."""
        wanted = set(planner.effective(select(desired), self._observed(sight)).keys)
        for key in [key for key in self._preparations if key not in wanted]:
            del self._preparations[key]
            self._timelines.pop(key, None)
        fresh = desired.generation != self._generation
        if fresh and self._generation:
            self._parts.publication.forgive(self.name)
        self._generation = desired.generation
        for key, task in list(self._preparing.items()):
            if fresh or key not in wanted:
                # It prepares what is no longer asked for, or with settings that are no longer true.
                task.cancel()
                self._preparing.pop(key, None)
        now = time.monotonic()
        self._welcome(sight)
        for key, found in list(self._preparations.items()):
            due = self._backoff.not_before.get(name_of(key), now + 1) <= now
            if fresh or (isinstance(found, Failure) and found.cause in TRANSIENT and due):
                del self._preparations[key]
                self._timelines.pop(key, None)
        if fresh:
            self._backoff = Backoff()
        for worker in list(sight.workers.values()):
            if worker.state is VersionState.FAILED and (fresh or self._due_again(worker, now)):
                await self._guarded(self._effects.unload(self._observer, worker.name, worker.replica))
                # The attempt before says nothing of this one: whoever waits for it must not read that it failed.
                sight.workers[worker.id] = replace(worker, state=VersionState.UNLOADING, failure=None)

    def _welcome(self, sight: Sight) -> None:
        """An engine that is back is not made to wait for what failed because it was away."""
        back, self._away = self._away - sight.away, sight.away
        if not back or sight.away:
            return
        for replica in back:
            self._backoff.reset(replica)
        for key, found in list(self._preparations.items()):
            if isinstance(found, Failure) and found.cause is Cause.ENGINE_UNAVAILABLE:
                del self._preparations[key]
                self._timelines.pop(key, None)
                self._backoff.reset(name_of(key))

    def _due_again(self, worker: Worker, now: float) -> bool:
        """Whether a version that failed for a reason that may pass is to be loaded once more."""
        served = worker.restarts > 0
        if worker.failure is None or not (served or worker.failure.cause in PASSING):
            return False
        first = worker.id not in self._backoff.not_before
        due = not first and self._backoff.not_before[worker.id] <= now
        if first or due:
            self._backoff.failed(worker.id, now)
        return due

    async def _carry_out(self, action: planner.Action, desired: Desired, sight: Sight) -> None:
        match action:
            case planner.Prepare(key):
                self._start_preparing(key, desired, self._observed(sight))
            case planner.EnsureReplica(prepared, replica):
                if await self._still_valid(prepared):
                    await self._ensure(prepared, replica, sight)
            case planner.LoadVersion(key, prepared, replica):
                failed = isinstance(self._preparations.get(key), Failure)
                if failed or not await self._still_valid(prepared):
                    return
                work = self._effects.load(self._observer, key, prepared, replica, desired.spec, desired.secrets)
                if failure := await self._guarded(work):
                    await self._not_loaded(action, failure, sight)
            case planner.Publish(routed):
                await self._publish(desired, sight, await self._with_last_lines(routed, sight))
            case planner.UnloadVersion(worker, replica):
                await self._guarded(self._effects.unload(self._observer, worker, replica))
            case planner.StopReplica(replica):
                await self._guarded(self._effects.stop(replica))
            case planner.Forget():
                await self._parts.publication.put(self.name, Routed(), None)
                await self._parts.forget()
                self.gone = True

    async def _still_valid(self, prepared: Prepared) -> bool:
        """Before anything is started: a borrowed interpreter may have changed since. If so, prepare again."""
        if await self._parts.preparer.still_valid(prepared):
            return True
        log.info("endpoint %s: environment %s changed; resolving again", self.name, prepared.environment.key)
        for key, each in list(self._preparations.items()):
            if isinstance(each, Prepared) and each.environment == prepared.environment:
                del self._preparations[key]
        self.wake()
        return False

    async def _ensure(self, prepared: Prepared, replica: str, sight: Sight) -> None:
        attempts = self._backoff.count(replica)
        others = any(each.ready for each in sight.workers.values() if each.replica in prepared.replicas)
        if attempts >= MOST_STARTS and not others:
            self._give_up(prepared, await self._effects.why_ended(replica, attempts))
            return
        delay = self._backoff.failed(replica, time.monotonic())
        log.info("endpoint %s: starting replica %s (again in %.0f s)", self.name, replica, delay)
        if failure := await self._guarded(self._effects.ensure(self.name, prepared, replica)):
            self._give_up(prepared, failure)

    def _give_up(self, prepared: Prepared, failure: Failure) -> None:
        """Say that the versions of a replica cannot run; transient causes are tried again when due."""
        for replica in prepared.replicas:
            self._backoff.reset(replica)
        for key, each in list(self._preparations.items()):
            if isinstance(each, Prepared) and set(each.replicas) & set(prepared.replicas):
                self._preparations[key] = failure
                self._backoff.failed(name_of(key), time.monotonic())

    async def _not_loaded(self, action: planner.LoadVersion, failure: Failure, sight: Sight) -> None:
        """What is wrong with the files of one version says nothing of those beside it in the replica. Where it answers
        already it goes on, and the further replica is tried again when due.
        """
        now, prepared = time.monotonic(), action.prepared
        if not any(each.ready and each.name == prepared.worker for each in sight.workers.values()):
            self._preparations[action.key] = failure
            self._backoff.failed(name_of(action.key), now)
            return
        attempt = loading(place(action.replica, prepared.worker))
        if not self._backoff.count(attempt):
            told = happenings.not_loaded(action.key, action.replica, failure)
            await self._parts.emit(told.kind, told.message, told.key, told.data)
        self._backoff.failed(attempt, now)

    async def _guarded(self, work: Awaitable[None]) -> Failure | None:
        """Do *work*; returns why it will never be done, if so."""
        try:
            await work
        except PreparationFailed as error:
            return error.failure
        except EngineRejected as error:
            log.warning("endpoint %s: %s", self.name, error)
            return Failure(Cause.ENGINE_REJECTED, str(error))
        except (EngineUnavailable, EngineConflict) as error:
            log.info("endpoint %s: %s; looking again", self.name, error)
        return None

    def _start_preparing(self, key: Key, desired: Desired, observed: Observed) -> None:
        answers = any(each.ready for each in observed.workers_of(key))
        timeline = self._timelines[key] = Timeline(time.monotonic, running=answers)

        def progress(phase: str, line: str) -> None:
            timeline.enter(phase)
            timeline.detail(line)

        async def work() -> None:
            version = next(each for each in desired.models[key[0]].versions if each.version == key[1])
            selection = planner.effective(select(desired), observed)
            replicas = _replicas(desired, selection, key)
            settings_key = self._effects.settings_key(desired.spec, desired.secrets)
            try:
                self._preparations[key] = await self._parts.preparer.prepare(
                    self.name, version, settings_key, replicas, progress, _wish(desired, selection, key, self._sizes)
                )
                self._backoff.reset(name_of(key))
            except PreparationFailed as error:
                self._preparations[key] = error.failure
                most = AWAY_PAUSE if error.failure.cause is Cause.ENGINE_UNAVAILABLE else STEPS[-1]
                self._backoff.failed(name_of(key), time.monotonic(), most)
            except Exception:
                log.exception("endpoint %s: preparing %s version %s failed", self.name, *key)
                self._backoff.failed(name_of(key), time.monotonic())
            finally:
                timeline.end()
                if self._preparing.get(key) is asyncio.current_task():
                    del self._preparing[key]
                self.wake()

        self._preparing[key] = asyncio.create_task(work())

    async def _with_last_lines(self, routed: Routed, sight: Sight) -> Routed:
        """Keep what a version that is being taken back printed last, for it is unloaded in a moment."""
        known = self._parts.publication.routed(self.name).refused
        reasons = dict(routed.reasons)
        for label, reason in routed.reasons.items():
            key = routed.refused[label]
            workers = [each for each in sight.workers.values() if (each.model, each.version) == key]
            if known.get(label) == key or reason.log_tail or not workers:
                continue
            try:
                lines = await self._observer.client(workers[0].replica).log(workers[0].name, LAST_LINES)
            except EngineUnavailable:
                continue
            reasons[label] = replace(reason, log_tail=tuple(lines.splitlines()))
        return replace(routed, reasons=reasons)

    async def _publish(self, desired: Desired, sight: Sight, routed: Routed) -> None:
        observed = self._observed(sight)
        selection = planner.effective(select(desired), observed)
        states: dict[Key, tuple[VersionState, str]] = {}
        for key in selection.keys:
            state, failure = wanted_state(key, observed)
            states[key] = (state, failure.message if failure else "")
        messages = {
            entity.name: explain_nothing(entity, desired.models.get(entity.model))
            for entity in desired.spec.entities
            if not selection.entities.get(entity.name)
        }
        follows = selection.follows.values()
        part = contribute(desired.spec, routed, sight.workers, states, self._parts.settings, messages, follows)
        await self._parts.publication.put(self.name, routed, part)

    async def _contribute(self, desired: Desired, sight: Sight) -> None:
        """States of versions that are not routed yet are part of the table too, so that callers read why."""
        routed = self._parts.publication.routed(self.name)
        if (
            not self.gone
            and sight.known
            and all(worker in sight.workers for group in routed.workers.values() for worker in group)
        ):
            await self._publish(desired, sight, routed)

    async def _report(self, desired: Desired, sight: Sight) -> None:
        news = list(happenings.between(self._seen, sight))
        self._seen = sight if sight.known else self._seen
        for each in news:
            await self._parts.emit(each.kind, each.message, each.key, each.data)
        if news:
            self.changed.notify()
        observed = self._observed(sight)
        phases: dict[Key, tuple[Phase, ...]] = {}
        for key, timeline in self._timelines.items():
            workers = observed.workers_of(key)
            timeline.follow(version_state(key, observed)[0])
            phases[key] = timeline.phases(workers[0].phases if workers else ())
            for worker in workers:
                if worker.ready:
                    self._backoff.reset(worker.replica)
                    self._backoff.reset(worker.id)
                    self._backoff.reset(loading(worker.id))
        before, self.status = self.status, derive(desired, observed, phases, self._parts.url)
        for each in happenings.changes(before, self.status):
            await self._parts.emit(each.kind, each.message, each.key, each.data)
        if happenings.differ(before, self.status):
            self.changed.notify()


def _replicas(desired: Desired, selection: Selection, key: Key) -> int:
    """How many replicas a version may need: the most of any entity that selects it."""
    entities = selection.entities
    return max((each.most for each in desired.spec.entities if key in entities.get(each.name, ())), default=1)


def _wish(desired: Desired, selection: Selection, key: Key, sizes: dict[WorkloadSize, Compute]) -> Wish:
    """Engine and compute of a version: what the largest of the entities that select it asks for."""
    entities = [each for each in desired.spec.entities if key in selection.entities.get(each.name, ())]
    return Wish(desired.spec.engine, compute_for(entities, sizes), labels_of(desired.spec))
