"""Keeps replicas as containers; see :class:`base.Engine` for the operations (architecture §6).

The container has no network: its parent and workers listen on unix sockets in a directory that it shares with us, and
nothing else. So scoring goes on while the Docker engine restarts, and nothing gets out. Model files are pushed into a
volume of the replica's own; the key lies in a file (0600) and never in what the engine shows.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.controller.engines import pushing
from jupyter_modelserve.controller.engines.base import (
    Capabilities,
    EngineConflict,
    EngineRejected,
    EngineUnavailable,
    ObservedReplica,
    ReplicaSpec,
)
from jupyter_modelserve.controller.engines.docker import archive, container, labels
from jupyter_modelserve.controller.engines.docker.client import DockerClient, Missing
from jupyter_modelserve.controller.engines.docker.container import Machine, Owner
from jupyter_modelserve.controller.engines.docker.events import Events
from jupyter_modelserve.controller.engines.docker.looking import Container, ask, look
from jupyter_modelserve.controller.engines.docker.surroundings import check
from jupyter_modelserve.controller.engines.records import Record, read_record
from jupyter_modelserve.controller.replicas import ReplicaClient
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState

_POLL: Final = 0.05
_PATIENCE: Final = 2.0
"""Seconds after which a listing that still runs counts as no answer; the endpoints of other engines must not wait."""
_STOP_PATIENCE: Final = 6
"""Seconds between SIGTERM and SIGKILL; the parent itself gives its workers 5."""
_CAPABILITIES: Final = Capabilities(
    name="docker",
    isolation="Containers: a model has no network, no rights and bounded memory; it sees its own files only.",
    limits=True,
)


class DockerEngine:
    """Replicas as containers of one Docker engine on this machine.

    Args:
        paths: where the instance keeps its files.
        instance_id: marks what is ours.
        client: speaks to the engine.
    """

    def __init__(self, paths: Paths, instance_id: str, client: DockerClient) -> None:
        self._paths = paths
        self._instance_id = instance_id
        self._client = client
        self._events = Events(client, instance_id)
        self._machine: Machine | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._underway: dict[str, ReplicaState] = {}
        self._looking: asyncio.Task[list[Container]] | None = None
        self._begun = 0.0
        self._used = asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        """Isolated and limited."""
        return _CAPABILITIES

    async def machine(self) -> Machine:
        """What the engine's machine has.

        Raises:
            EngineUnavailable: it does not answer. EngineRejected: an engine of a kind that cannot be used.
        """
        if self._machine is None:
            found = await self._client.call(lambda api: api.info())
            check(self._client.host, found)
            self._machine = Machine(float(found["NCPU"]), int(found["MemTotal"]))
        return self._machine

    async def ensure(self, spec: ReplicaSpec) -> None:
        """Start the container unless it runs; a dead one is replaced.

        Raises:
            EngineRejected: no image, or the engine refuses; a container that is not ours has its name.
            EngineConflict: it runs with another specification; stop it first.
            EngineUnavailable: the engine is away, or its disk is full.
        """
        pushing.check_name("replica", spec.id)
        if not spec.image:
            raise EngineRejected(f"replica {spec.id} names no image")
        async with self._lock(spec.id):
            machine = await self.machine()
            self._used.set()
            found = await self._sight(spec.id)
            if found is not None and found.running and found.record is not None:
                if found.spec_hash != spec.spec_hash:
                    raise EngineConflict(f"replica {spec.id} runs with another specification")
                return
            self._underway[spec.id] = ReplicaState.CREATING
            try:
                await self._remove(spec.id)
                await self._start(spec, machine)
            finally:
                self._underway.pop(spec.id, None)

    async def observe(self) -> tuple[ObservedReplica, ...]:
        """Every container of this instance, within about 2 seconds.

        Raises:
            EngineUnavailable: the engine is away; its containers may well run (:meth:`recall`).
        """
        if not await self.in_use():
            return ()
        now = time.monotonic()
        # Endpoints look at the same moment; one listing serves them all. One that takes long is not waited for twice.
        if self._looking is None or self._looking.done():
            self._looking, self._begun = asyncio.create_task(self._sightings()), now
            self._looking.add_done_callback(_heard)
        try:
            found = await asyncio.wait_for(asyncio.shield(self._looking), max(0.0, self._begun + _PATIENCE - now))
        except TimeoutError:
            raise EngineUnavailable("the Docker engine has not answered yet") from None
        return tuple(await asyncio.gather(*(look(each) for each in found)))

    async def in_use(self) -> bool:
        """Whether this instance has containers: without any, the engine is never asked (it may not even be there)."""
        if not self._used.is_set():
            recorded = await asyncio.to_thread(self._recorded)
            if recorded:
                self._used.set()
        return self._used.is_set()

    async def serves(self, endpoint: str) -> bool:
        """Whether containers of *endpoint* were started and not stopped, as far as we know without the engine."""
        known = await asyncio.to_thread(self._recorded)
        return any(each.record is not None and each.record.endpoint == endpoint for each in known)

    async def recall(self) -> tuple[ObservedReplica, ...]:
        """What can be known without the engine: who answers on the sockets that were written down, else UNKNOWN."""
        known = await asyncio.to_thread(self._recorded)
        return tuple(await asyncio.gather(*(ask(Container(each.id, {}, each.record, each.sockets)) for each in known)))

    async def stop(self, replica: str, grace: float) -> None:
        """Drain, then end by force after *grace* seconds; remove container, volume and files. Unknown id: nothing."""
        pushing.check_name("replica", replica)
        async with self._lock(replica):
            found = await self._sight(replica)
            self._underway[replica] = ReplicaState.DRAINING
            try:
                if found is not None and found.running:
                    await self._end(found, grace)
                await self._remove(replica)
            finally:
                self._underway.pop(replica, None)

    async def sweep(self, known: frozenset[str]) -> list[str]:
        """Remove volumes and records of containers that are gone; returns their names.

        Records of the endpoints *known* stay: they say that their containers were started and not stopped.
        """
        wanted = {"label": [f"{labels.INSTANCE}={self._instance_id}", labels.REPLICA]}
        volumes = await self._client.call(lambda api: api.volumes(filters=wanted).get("Volumes") or [])
        found = {str(each["Labels"][labels.REPLICA]) for each in volumes}
        recorded = await asyncio.to_thread(self._recorded)
        kept = {each.id for each in recorded if each.record is not None and each.record.endpoint in known}
        gone = []
        for replica in sorted(found | {each.id for each in recorded} - kept):
            async with self._lock(replica):
                # What is being started has a volume before it has a container; the lock says that nothing is.
                if await self._sight(replica) is None:
                    await self._remove(replica)
                    gone.append(self._name(replica))
        return gone

    async def push(self, replica: str, worker: str, directory: Path, digest: str) -> str:
        """Stream the model's files into the replica's volume; returns the directory inside the container.

        Raises:
            EngineConflict: there is no such replica (any more).
            EngineRejected: files that must not travel, or that are not those of *digest*.
            EngineUnavailable: no engine, no space.
        """
        pushing.check_name("replica", replica)
        pushing.check_name("worker", worker)
        async with self._lock(replica):
            if await self._sight(replica) is None:
                raise EngineConflict(f"replica {replica} does not exist")
            if await self._pushed(replica, worker) != digest:
                found = await asyncio.to_thread(archive.walk, directory)
                await self._upload(replica, worker, found, digest)
        return f"{container.MODELS}/{worker}"

    async def discard(self, replica: str, worker: str) -> None:
        """Remove pushed files of a worker that is gone; a container that is gone took them along."""
        pushing.check_name("worker", worker)
        async with self._lock(replica):
            found = await self._sight(replica)
            if found is None or not found.running:
                return
            # The files are root's, so that the model cannot change them; root without capabilities may remove them.
            # The mark goes first: files without a mark are pushed again, a mark without files would be trusted.
            places = [f"{container.MODELS}/{worker}.digest", f"{container.MODELS}/{worker}"]
            with suppress(EngineConflict):
                await self._client.call(lambda api: _run_as_root(api, self._name(replica), ["rm", "-rf", *places]))

    async def logs(self, replica: str, tail: int) -> AsyncIterator[str]:
        """The last *tail* lines of what the parent printed (normally nothing)."""
        try:
            data = await self._client.call(lambda api: api.logs(self._name(replica), tail=tail))
        except Missing:
            return
        for line in data.decode("utf-8", errors="replace").splitlines()[-tail:]:
            yield line

    async def changed(self) -> None:
        """Return when the engine told of a container of ours: started, ended, out of memory."""
        if not await self.in_use():
            await self._used.wait()
        await self._events.wait()

    async def close(self) -> None:
        """Let go of the engine; containers keep running."""
        self._events.close()
        if self._looking is not None:
            self._looking.cancel()
        self._client.close()

    # ------------------------------------------------------------------------------------------------ start
    async def _start(self, spec: ReplicaSpec, machine: Machine) -> None:
        owner, name = Owner.of_this_user(), self._name(spec.id)
        record = await asyncio.to_thread(self._write, spec, owner)
        config = container.arguments(
            spec,
            owner,
            machine,
            name=name,
            labels=labels.of_replica(self._instance_id, spec),
            record=record,
            sockets=self._sockets(spec.id),
        )
        volume = {**labels.of_instance(self._instance_id), labels.REPLICA: spec.id}

        def create(api: Any) -> None:
            api.create_volume(name, labels=volume)
            api.create_container_from_config(config, name)
            api.start(name)

        try:
            await self._client.call(create, deadline=120.0)
        except Missing as error:
            await self._remove(spec.id)
            raise EngineRejected(f"the image of the environment is gone: {error}") from None
        except EngineRejected:
            await self._remove(spec.id)
            raise

    def _write(self, spec: ReplicaSpec, owner: Owner) -> Path:
        directory, sockets = self._paths.containers / spec.id, self._sockets(spec.id)
        try:
            for each in (directory, sockets):
                each.mkdir(mode=0o700, parents=True)
            record = Record.new(spec, self._instance_id, Path(container.SOCKETS), time.time())
            replace(record, log_limit=min(spec.log_limit, container.LOG_LIMIT)).write(directory)
            owner.take(sockets)
            owner.take(directory / "replica.json")
        except OSError as error:
            raise EngineUnavailable(f"replica {spec.id} cannot be started: {error.strerror or error}") from None
        return directory / "replica.json"

    # ------------------------------------------------------------------------------------------------ look
    async def _sightings(self) -> list[Container]:
        wanted = {"label": [f"{labels.INSTANCE}={self._instance_id}", labels.REPLICA]}

        def inspect_all(api: Any) -> list[dict[str, Any]]:
            found = []
            for each in api.containers(all=True, filters=wanted):
                with suppress(Missing):
                    found.append(api.inspect_container(each["Id"]))
            return found

        inspected = await self._client.call(inspect_all)
        return await asyncio.to_thread(lambda: [self._container(_replica_of(each), each) for each in inspected])

    async def _sight(self, replica: str) -> Container | None:
        """The container of a replica; ``None`` when there is none.

        Raises:
            EngineRejected: one that is not ours has its name; it is never touched.
        """
        try:
            found = await self._client.call(lambda api: api.inspect_container(self._name(replica)))
        except Missing:
            return None
        if not labels.is_ours(found, self._instance_id, replica):
            raise EngineRejected(f"a container called {self._name(replica)} is there that is not ours; remove it")
        return await asyncio.to_thread(self._container, replica, found)

    def _container(self, replica: str, found: dict[str, Any]) -> Container:
        record = read_record(self._paths.containers / replica)
        return Container(replica, found, record, self._sockets(replica), self._underway.get(replica))

    def _recorded(self) -> list[Container]:
        known = sorted(self._paths.containers.iterdir()) if self._paths.containers.is_dir() else []
        found = [self._container(each.name, {}) for each in known]
        return [each for each in found if each.record is not None]

    # ------------------------------------------------------------------------------------------------ push
    async def _pushed(self, replica: str, worker: str) -> str:
        place = f"{container.MODELS}/{worker}.digest"

        def read(api: Any) -> str:
            chunks, _ = api.get_archive(self._name(replica), place)
            return archive.first_file(b"".join(chunks))

        try:
            return await self._client.call(read)
        except Missing:
            return ""

    async def _upload(self, replica: str, worker: str, found: list[tuple[str, Path]], digest: str) -> None:
        def upload(api: Any) -> None:
            api.put_archive(self._name(replica), container.MODELS, archive.stream(found, worker, digest))
            # The mark comes last: files without it are pushed again.
            api.put_archive(self._name(replica), container.MODELS, archive.text(f"{worker}.digest", digest))

        # Gigabytes take their time; a silent engine ends the call by the client's own patience.
        await self._client.call(upload, deadline=None)

    # ------------------------------------------------------------------------------------------------ end
    async def _end(self, found: Container, grace: float) -> None:
        name = self._name(found.id)
        if found.record is not None and grace > 0:
            with suppress(EngineUnavailable, EngineConflict, EngineRejected):
                async with ReplicaClient(found.control, found.record.key, deadline=2.0) as client:
                    await client.stop(grace)
                await self._gone(found.id, grace + 2.0)
        with suppress(Missing):
            patience = _STOP_PATIENCE if grace > 0 else 0
            await self._client.call(lambda api: api.stop(name, timeout=patience))

    async def _gone(self, replica: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = await self._sight(replica)
            if found is None or not found.running:
                return
            await asyncio.sleep(_POLL)

    async def _remove(self, replica: str) -> None:
        name = self._name(replica)

        def remove(api: Any) -> None:
            with suppress(Missing):
                if labels.is_ours(api.inspect_container(name), self._instance_id, replica):
                    api.remove_container(name, v=True, force=True)
            with suppress(Missing):
                if labels.is_ours(api.inspect_volume(name), self._instance_id, replica):
                    api.remove_volume(name)

        await self._client.call(remove, deadline=60.0)
        for each in (self._paths.containers / replica, self._sockets(replica)):
            await asyncio.to_thread(shutil.rmtree, each, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------ small things
    def _lock(self, replica: str) -> asyncio.Lock:
        return self._locks.setdefault(replica, asyncio.Lock())

    def _name(self, replica: str) -> str:
        return labels.name(self._instance_id, replica)

    def _sockets(self, replica: str) -> Path:
        return self._paths.replica_sockets / replica


def _heard(task: asyncio.Task[list[Container]]) -> None:
    """Nobody may be waiting any more when a listing fails."""
    if not task.cancelled():
        task.exception()


def _replica_of(inspected: dict[str, Any]) -> str:
    return str(inspected["Config"]["Labels"][labels.REPLICA])


def _run_as_root(api: Any, name: str, command: list[str]) -> None:
    started = api.exec_create(name, command, user="0:0", stdout=False, stderr=False)
    api.exec_start(started["Id"])
