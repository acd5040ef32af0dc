"""All endpoints of the instance: one reconciler each, and what the API asks of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from jupyter_modelserve.controller.endpoints.compute import shown, table
from jupyter_modelserve.controller.endpoints.effects import Effects
from jupyter_modelserve.controller.endpoints.logs import Log, LogWish
from jupyter_modelserve.controller.endpoints.observation import Observer
from jupyter_modelserve.controller.endpoints.preparation import Preparer
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.endpoints.reconciler import EndpointReconciler, EventSink, Parts
from jupyter_modelserve.controller.endpoints.scales import Load
from jupyter_modelserve.controller.endpoints.selection import explain_nothing, versions
from jupyter_modelserve.controller.endpoints.specification import complete
from jupyter_modelserve.controller.endpoints.variables import check_room
from jupyter_modelserve.controller.endpoints.view import Desired, Key
from jupyter_modelserve.controller.engines.base import Capabilities, Engine
from jupyter_modelserve.controller.registry import reader, renames
from jupyter_modelserve.controller.signals import Signal
from jupyter_modelserve.controller.store import endpoints as store
from jupyter_modelserve.controller.store import events, secrets
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.endpoints import StoredEndpoint
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import Endpoint, EndpointSpec, EndpointStatus, SelectorKind, UpdateState

RECOVERY_BUDGET = 15.0
"""Seconds after which routes are published even if an endpoint could not contribute yet."""
Judge = Callable[[Connection, EndpointSpec | None], None]
"""Raises when what is stored (``None``: nothing) may not be changed. It runs in the transaction that writes."""
Expect = Callable[[StoredEndpoint | None], None]
"""Raises when what is stored is not what the caller saw. It runs after the judge, in the same transaction."""
Edit = Callable[[EndpointSpec | None], EndpointSpec]
"""From what is stored to what is wanted."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked of an endpoint, and by whom. ``values``: of secrets. ``rehearse``: only look what it would do."""

    name: str
    edit: Edit
    principal: str
    actor: Actor | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    judge: Judge | None = None
    expect: Expect | None = None
    rehearse: bool = False


class Endpoints:
    """Creates, changes, shows and ends endpoints."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        preparer: Preparer,
        publication: Publication,
        settings: Settings,
        url: str,
    ) -> None:
        self._database = database
        self._engine = engine
        self._preparer = preparer
        self._publication = publication
        self._settings = settings
        self._url = url
        self._sizes = table(settings.workload_sizes)
        self._reconcilers: dict[str, EndpointReconciler] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do, isolation above all."""
        return self._engine.capabilities

    async def start(self) -> None:
        """Take up every stored endpoint: start-up is recovery, there is no other path."""
        await self._database.run(renames.begin)
        await self._database.run(renames.follow)
        stored = await self._database.run(store.listing)
        await self._publication.load(each.spec.name for each in stored)
        for each in stored:
            self._take_up(each.spec.name)
        self._tasks[""] = asyncio.create_task(self._open_late())

    async def _open_late(self) -> None:
        await asyncio.sleep(RECOVERY_BUDGET)
        await self._publication.open()

    async def close(self) -> None:
        """Stop reconciling; what runs keeps running."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def wake_all(self) -> None:
        """Something that concerns every endpoint happened."""
        for each in self._reconcilers.values():
            each.wake()

    def wake_models(self, changed: frozenset[str] | None) -> None:
        """These models changed in the registry; ``None`` means that any may have."""
        for each in self._reconcilers.values():
            if changed is None or each.models & changed:
                each.wake()

    def wake_workers(self, workers: set[str]) -> None:
        """Something is wrong with these workers."""
        for name, each in self._reconcilers.items():
            routed = self._publication.routed(name).workers.values()
            if any(worker in workers for group in routed for worker in group):
                each.wake()

    def hear(self, targets: Mapping[str, Load], held: Mapping[Key, int]) -> None:
        """What the gateway says is asked: of targets by id, and how many requests wait for which version at zero."""
        for each in self._reconcilers.values():
            each.hear(targets, held)

    async def put(
        self,
        spec: EndpointSpec,
        principal: str,
        actor: Actor | None = None,
        secret_values: Mapping[str, str] | None = None,
        *,
        judge: Judge | None = None,
        expect: Expect | None = None,
        keep_secrets: bool = False,
        rehearse: bool = False,
    ) -> Endpoint:
        """Create or change an endpoint; asking again after a failure is another attempt.

        *secret_values* are new values of secrets; the others that *spec* names keep theirs (REQ-140), and with
        *keep_secrets* also those that it does not name. With *rehearse* nothing is stored: the answer is what it
        would be.

        Raises:
            InvalidParameter: a field of *spec* is not usable.
            NotFound: a model, version or alias that it names does not exist, or the change would leave an endpoint
                that serves with nothing to serve.
            Conflict: the endpoint is being stopped, or is not what *expect* asks for.
        """
        values = dict(secret_values or {})
        # What is wrong in itself is said without a look at the database.
        complete(replace(spec, secrets=(*spec.secrets, *values)))

        def edit(before: EndpointSpec | None) -> EndpointSpec:
            kept = before.secrets if keep_secrets and before is not None else ()
            return replace(spec, secrets=(*spec.secrets, *kept))

        return await self.change(Change(spec.name, edit, principal, actor, values, judge, expect, rehearse))

    async def change(self, asked: Change) -> Endpoint:
        """Change an endpoint as it is at the moment of writing, so that nothing that others changed is lost.

        Raises:
            What the change's judge and edit raise, and as :meth:`put`.
        """

        async def write() -> tuple[StoredEndpoint, int]:
            known = self._reconcilers.get(asked.name)
            serving = known is not None and any(each.serving for each in known.status.versions)
            retry = known is not None and known.status.update is UpdateState.UPDATE_FAILED
            return await self._database.run(_change, asked, serving, retry)

        stored, before = await reader.when_ready(write, self._settings.hold)
        if asked.rehearse:
            return self._show(stored, before)
        reconciler = self._take_up(asked.name)
        if reconciler.status.observed_generation != stored.generation:
            reconciler.wake()
        return self._show(stored)

    async def get(self, name: str) -> Endpoint:
        """One endpoint. Raises NotFound."""
        return self._show(await self._database.run(store.get, name))

    async def listing(self) -> tuple[Endpoint, ...]:
        """Every endpoint, by name."""
        return tuple(self._show(each) for each in await self._database.run(store.listing))

    async def names(self) -> frozenset[str]:
        """Of every endpoint that is stored, those that are being deleted included."""
        return frozenset(each.spec.name for each in await self._database.run(store.listing))

    async def delete(
        self,
        name: str,
        principal: str,
        actor: Actor | None = None,
        *,
        judge: Judge | None = None,
        expect: Expect | None = None,
    ) -> Endpoint:
        """End an endpoint: its routes first, then its replicas. Raises NotFound and what *judge* and *expect* raise."""
        stored = await self._database.run(_delete, name, principal, actor, judge, expect)
        self._take_up(name).wake()
        return self._show(stored)

    async def log(self, name: str, wish: LogWish) -> Log:
        """Last lines that versions printed, merged by time. Raises NotFound."""
        await self.get(name)
        return await self._reconcilers[name].log(wish)

    def signal(self, name: str) -> Signal:
        """Notified when the status of *name* changed."""
        return self._take_up(name).changed

    def _take_up(self, name: str) -> EndpointReconciler:
        task = self._tasks.get(name)
        if name in self._reconcilers and not self._reconcilers[name].gone and task is not None and not task.done():
            return self._reconcilers[name]
        reconciler = EndpointReconciler(
            name,
            Observer(name, self._engine),
            Effects(self._engine, self._settings),
            Parts(
                preparer=self._preparer,
                publication=self._publication,
                settings=self._settings,
                url=self._url,
                read=lambda: self._read(name),
                emit=self._emitter(name),
                forget=lambda: self._database.run(store.remove, name),
            ),
        )
        self._reconcilers[name] = reconciler
        self._tasks[name] = asyncio.create_task(self._run(name, reconciler), name=f"endpoint {name}")
        return reconciler

    async def _run(self, name: str, reconciler: EndpointReconciler) -> None:
        await reconciler.run()
        if self._reconcilers.get(name) is reconciler:
            del self._reconcilers[name]
            self._tasks.pop(name, None)
        reconciler.changed.notify()

    async def _read(self, name: str) -> Desired | None:
        found, renamed = await self._database.run(_read_desired, name)
        if renamed is not None:
            await self._publication.rename(renamed)
            self.wake_all()
        return found

    def _emitter(self, name: str) -> EventSink:
        async def emit(kind: str, message: str, key: Key | None, data: dict[str, object]) -> None:
            model, version = key or ("", "")
            await self._database.run(events.append, name, kind, message, model, version, data)
            log.info("endpoint %s: %s", name, message)

        return emit

    def _show(self, stored: StoredEndpoint, now: int | None = None) -> Endpoint:
        """*now*: the generation that the status is about when *stored* is what would be; 0 when there is none yet."""
        reconciler = self._reconcilers.get(stored.spec.name)
        status = reconciler.status if reconciler and now != 0 else EndpointStatus()
        generation = stored.generation if now is None else now
        return Endpoint(
            spec=stored.spec,
            generation=stored.generation,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
            created_by=stored.created_by,
            status=_honest(status, generation),
            deleting=stored.deleting,
            compute=shown(stored.spec, self._sizes, status.versions),
        )


def _honest(status: EndpointStatus, generation: int) -> EndpointStatus:
    """A specification that the reconciler has not read yet is a change under way, whatever the last pass said."""
    if generation == 0:
        return replace(status, update=UpdateState.NOT_UPDATING, service_message="there is no such endpoint yet")
    if status.observed_generation == generation:
        return status
    return replace(status, update=UpdateState.IN_PROGRESS, update_message="the change was accepted")


def _read_desired(connection: Connection, name: str) -> tuple[Desired | None, dict[str, str] | None]:
    """The endpoint read against the registry, and the old names of models when they changed.

    What was renamed is looked at last: a model that is missing because it has another name now must not be taken for
    one that is gone.
    """
    renamed: dict[str, str] | None = None
    while True:
        try:
            stored = store.get(connection, name)
        except NotFound:
            return None, renamed
        models = reader.read_models(connection, (entity.model for entity in stored.spec.entities))
        found = renames.follow(connection)
        renamed = renamed if found is None else found
        if found is None:
            hidden = secrets.of(connection, name)
            return Desired(stored.spec, stored.generation, stored.deleting, models, hidden), renamed


def _change(connection: Connection, asked: Change, serving: bool, retry: bool) -> tuple[StoredEndpoint, int]:
    """Read, judge, edit and store in one transaction: all writers of endpoints share the one database thread.

    The one way to know what a change would do is to do it: a rehearsal's transaction is given up. Returns what is
    stored (or would be) and the generation that was (0: none).
    """
    _follow(connection)
    stored = next((each for each in store.listing(connection) if each.spec.name == asked.name), None)
    before = None if stored is None else stored.spec
    if asked.judge is not None:
        asked.judge(connection, before)
    if asked.expect is not None:
        asked.expect(stored)
    wanted = asked.edit(before)
    spec = complete(replace(wanted, secrets=(*wanted.secrets, *asked.values)))
    _check_exists(connection, spec, serving)
    done = _put(connection, spec, asked.principal, retry, asked.actor, asked.values, rehearse=asked.rehearse)
    if asked.rehearse:
        connection.rollback()
    return done, 0 if stored is None else stored.generation


def _follow(connection: Connection) -> None:
    while renames.follow(connection) is not None:
        continue


def _put(
    connection: Connection,
    spec: EndpointSpec,
    principal: str,
    retry: bool,
    actor: Actor | None = None,
    values: Mapping[str, str] | None = None,
    *,
    rehearse: bool = False,
) -> StoredEndpoint:
    """Store *spec*; what was renamed before concerns what is stored already, not what is asked for now."""
    _follow(connection)
    before = next((each.generation for each in store.listing(connection) if each.spec.name == spec.name), 0)
    _check_secrets(connection, spec, values or {})
    if rehearse:
        touched = secrets.rehearse(connection, spec.name, values or {}, spec.secrets)
    else:
        touched = secrets.put(connection, spec.name, values or {}, spec.secrets, actor or Actor(principal))
    stored = store.put(connection, spec, principal, retry, actor, touched=touched)
    if stored.generation != before:
        what = "changed" if before else "created"
        data = {"by": principal, "generation": stored.generation}
        events.append(connection, spec.name, events.REQUEST, f"{principal} {what} the endpoint", data=data)
    return stored


def _check_secrets(connection: Connection, spec: EndpointSpec, values: Mapping[str, str]) -> None:
    """See that each secret has a value, and that all have room. Raises InvalidParameter."""
    present = secrets.of(connection, spec.name)
    missing = [name for name in spec.secrets if name not in present and name not in values]
    if missing:
        advice = (
            f"`%serve --secret {missing[0]}`, `jupyter modelserve apply --secret-from-env {missing[0]}`, "
            f"`jupyter modelserve secret set {spec.name} {missing[0]}` (when the endpoint exists), "
            "or secret_values in the API"
        )
        problem = f"secrets: {missing[0]} has no value yet; give one: {advice}"
        raise InvalidParameter(problem, details={"field": "secrets"})
    # One that cannot be read stays as it is: whatever else is changed must not wait for its key.
    known = {name: each.value for name, each in present.items() if not each.problem} | dict(values)
    check_room(spec.environment_vars, {name: known[name] for name in spec.secrets if name in known})


def _delete(
    connection: Connection,
    name: str,
    principal: str,
    actor: Actor | None = None,
    judge: Judge | None = None,
    expect: Expect | None = None,
) -> StoredEndpoint:
    before = store.get(connection, name)
    if judge is not None:
        judge(connection, before.spec)
    if expect is not None:
        expect(before)
    stored = store.mark_deleting(connection, name, actor or Actor(principal))
    if not before.deleting:
        data = {"by": principal, "generation": stored.generation}
        events.append(connection, name, events.REQUEST, f"{principal} removed the endpoint", data=data)
    return stored


def _check_exists(connection: Connection, spec: EndpointSpec, serving: bool) -> None:
    models = reader.read_models(connection, (entity.model for entity in spec.entities))
    # A stage may be empty beside another one that serves (REQ-182); only nothing at all would be a gap.
    serving = serving and not any(versions(models.get(each.model), each.selector) for each in spec.entities)
    for entity in spec.entities:
        model = models.get(entity.model)
        must = serving or entity.selector.kind in {SelectorKind.ALIAS, SelectorKind.VERSION}
        if model is None or (must and not versions(model, entity.selector)):
            similar = "" if model else _now_called(connection, entity.model)
            raise NotFound(explain_nothing(entity, model) + similar, details={"model": entity.model})


def _now_called(connection: Connection, wanted: str) -> str:
    name = renames.known(connection).get(wanted)
    return f"; it was renamed to {name}" if name else _similar(connection, wanted)


def _similar(connection: Connection, wanted: str) -> str:
    known = [name for name in reader.read_models(connection) if name.lower()[:3] == wanted.lower()[:3]]
    return f"; did you mean {', '.join(sorted(known)[:3])}?" if known else "; `%models` lists what is"
