"""The embedded default: replicas as processes of the user, without Docker (architecture §6).

Each replica is a parent process in a session of its own that survives the controller. It is found again by its
directory and recognised by pid, start time, command line and the nonce that it answers over its socket; a recycled
pid or somebody else's socket is never taken for ours, and never killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import jupyter_modelserve
from jupyter_modelserve.controller.engines import children, identity, pushing, records
from jupyter_modelserve.controller.engines.base import (
    Capabilities,
    EngineConflict,
    EngineRejected,
    EngineUnavailable,
    ObservedReplica,
    ReplicaSpec,
)
from jupyter_modelserve.controller.engines.records import Record
from jupyter_modelserve.controller.engines.sighting import Sighting, look
from jupyter_modelserve.controller.replicas import ReplicaClient
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState

REPLICA_PACKAGE = Path(jupyter_modelserve.__file__).parent / "replica"
"""What runs in the model's interpreter; a directory that Python executes by path."""

_TERM_PATIENCE = 6.0
"""Seconds between SIGTERM and SIGKILL; the parent itself gives its workers 5."""
_POLL = 0.02
_CAPABILITIES = Capabilities(
    name="process",
    isolation="None: models run as processes with your own rights and can read and change all that you can. "
    "Serve only models that you trust.",
    shared_files=True,
)


class ProcessEngine:
    """Keeps replicas as processes below ``paths.replicas``; see :class:`base.Engine` for the operations.

    Args:
        paths: where the instance keeps its files.
        instance_id: written into each replica, for people who look at the directory.
        program: what the interpreter runs; tests put a stand-in here.
    """

    def __init__(self, paths: Paths, instance_id: str, *, program: Path = REPLICA_PACKAGE) -> None:
        self._paths = paths
        self._instance_id = instance_id
        self._program = program
        self._locks: dict[str, asyncio.Lock] = {}
        self._underway: dict[str, ReplicaState] = {}

    @property
    def capabilities(self) -> Capabilities:
        """No isolation, and it says so."""
        return _CAPABILITIES

    async def ensure(self, spec: ReplicaSpec) -> None:
        """Start the replica unless it lives; a dead one is replaced, whoever started it.

        Raises:
            EngineRejected: the interpreter is missing or cannot be executed, or the id is no file name.
            EngineConflict: it lives, but as something else; stop it first.
            EngineUnavailable: the disk or the process table refuses.
        """
        pushing.check_name("replica", spec.id)
        async with self._lock(spec.id):
            # To its end even when the caller gives up: the lock must cover the thread, or a stop would pass it.
            starting = asyncio.ensure_future(asyncio.to_thread(self._ensure, spec))
            try:
                await asyncio.shield(starting)
            except asyncio.CancelledError:
                await asyncio.wait({starting})
                raise

    async def observe(self) -> tuple[ObservedReplica, ...]:
        """All replicas with a directory here, within about 2 seconds; damaged ones are FAILED, silent ones UNKNOWN.

        Raises:
            EngineUnavailable: the directory of the replicas cannot be read.
        """
        sightings = await asyncio.to_thread(self._sightings)
        return tuple(await asyncio.gather(*(look(each) for each in sightings)))

    async def stop(self, replica: str, grace: float) -> None:
        """Drain, then end by force after *grace* seconds, and remove directory and sockets. Unknown id: nothing.

        Raises:
            EngineUnavailable: the process could not be ended, or its files not removed.
        """
        pushing.check_name("replica", replica)
        async with self._lock(replica):
            directory = self._paths.replicas / replica
            if not directory.exists():
                return
            self._underway[replica] = ReplicaState.DRAINING
            try:
                found = await asyncio.to_thread(self._sight, directory)
                if found.alive:
                    await self._end(found, grace)
                await asyncio.to_thread(self._remove, directory)
            finally:
                self._underway.pop(replica, None)

    async def push(self, replica: str, worker: str, directory: Path, digest: str) -> str:
        """Hard-link the model files; the caller vouches for *digest* being theirs (:mod:`controller.digests`).

        Raises:
            EngineConflict: there is no such replica (any more).
            EngineRejected: files that must not travel (links that leave the model, special files).
            EngineUnavailable: no space, no right.
        """
        home = self._directory(replica)
        if not home.is_dir():
            raise EngineConflict(f"replica {replica} does not exist")
        async with self._lock(replica):
            try:
                return str(await asyncio.to_thread(pushing.push, home / "models", worker, directory, digest))
            except OSError as error:
                raise EngineUnavailable(f"model files cannot be brought to the replica: {error.strerror}") from None

    async def discard(self, replica: str, worker: str) -> None:
        """Remove pushed files of a worker that is gone; nothing to remove is no error."""
        home = self._directory(replica)
        async with self._lock(replica):
            await asyncio.to_thread(pushing.discard, home / "models", worker)

    async def logs(self, replica: str, tail: int) -> AsyncIterator[str]:
        """The last *tail* lines of what the parent printed (normally nothing)."""
        for line in await asyncio.to_thread(_tail, self._directory(replica) / "parent.log", tail):
            yield line

    async def changed(self) -> None:
        """Never: the parents themselves tell what happens."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Replicas keep running; there is nothing to let go of."""

    # ------------------------------------------------------------------------------------------------ start
    def _ensure(self, spec: ReplicaSpec) -> None:
        directory = self._paths.replicas / spec.id
        found = self._sight(directory)
        if found.alive:
            if found.record is None or found.record.spec_hash != spec.spec_hash:
                raise EngineConflict(f"replica {spec.id} runs with another specification")
            return
        if found.unborn:
            return
        _check_interpreter(spec.interpreter)
        self._underway[spec.id] = ReplicaState.CREATING
        try:
            self._remove(directory)
            self._start(spec, directory)
        except OSError as error:
            raise EngineUnavailable(f"replica {spec.id} cannot be started: {error.strerror or error}") from None
        finally:
            self._underway.pop(spec.id, None)

    def _start(self, spec: ReplicaSpec, directory: Path) -> None:
        sockets = self._paths.replica_sockets / spec.id
        for each in (directory, sockets):
            each.mkdir(mode=0o700, parents=True)
        Record.new(spec, self._instance_id, sockets, time.time()).write(directory)
        command = [spec.interpreter, str(self._program), "parent", str(directory)]
        try:
            pid = children.spawn(command, directory / "parent.log")
        except OSError as error:
            self._remove(directory)
            raise EngineRejected(f"{spec.interpreter} cannot be executed: {error.strerror}") from None
        started = identity.identify(pid)
        if started is not None:
            records.write_identity(directory, started)
        else:
            # Already over: the pid still tells observe how it ended.
            records.write_identity(directory, identity.Identity(pid, ""))

    # ------------------------------------------------------------------------------------------------ look
    def _sightings(self) -> list[Sighting]:
        try:
            found = [self._sight(each) for each in sorted(self._paths.replicas.iterdir()) if each.is_dir()]
            # A directory that is gone by now was being removed.
            return [each for each in found if each.directory.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise EngineUnavailable(f"the replicas' directory cannot be read: {error.strerror}") from None

    def _sight(self, directory: Path) -> Sighting:
        before = self._underway.get(directory.name)
        process = records.read_identity(directory)
        alive = process is not None and identity.is_alive(process, str(directory))
        return Sighting(
            id=directory.name,
            directory=directory,
            record=records.read_record(directory),
            process=process,
            alive=alive,
            exit_code=None if process is None else children.exit_code(process.pid, ended=not alive),
            underway=self._underway.get(directory.name) or before,
        )

    # ------------------------------------------------------------------------------------------------ end
    async def _end(self, found: Sighting, grace: float) -> None:
        assert found.process is not None
        mark = str(found.directory)
        if found.record is not None:
            with suppress(EngineUnavailable, EngineConflict, EngineRejected):
                async with ReplicaClient(found.record.control, found.record.key, deadline=2.0) as client:
                    await client.stop(grace)
                if await _gone(found.process, mark, grace + 2.0):
                    return
        for number, patience in ((signal.SIGTERM, _TERM_PATIENCE), (signal.SIGKILL, 10.0)):
            identity.signal_group(found.process, mark, number)
            if await _gone(found.process, mark, patience):
                return
        raise EngineUnavailable(f"replica {found.id} does not end, not even by SIGKILL; its disk or device may hang")

    def _remove(self, directory: Path) -> None:
        process = records.read_identity(directory)
        if process is not None:
            identity.kill_orphans(process.pid, str(self._program))
            children.forget(process.pid)
        for each in (directory, self._paths.replica_sockets / directory.name):
            # A worker that is just ending may still write its log: try again before it is an error.
            for attempt in range(3):
                try:
                    shutil.rmtree(each)
                except FileNotFoundError:
                    break
                except OSError as error:
                    if attempt == 2:
                        raise EngineUnavailable(f"{each} cannot be removed: {error.strerror}") from None
                    time.sleep(0.1)

    # ------------------------------------------------------------------------------------------------ small things
    def _lock(self, replica: str) -> asyncio.Lock:
        return self._locks.setdefault(replica, asyncio.Lock())

    def _directory(self, replica: str) -> Path:
        return self._paths.replicas / pushing.check_name("replica", replica)


async def _gone(process: identity.Identity, mark: str, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while await asyncio.to_thread(identity.is_alive, process, mark):
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def _check_interpreter(interpreter: str) -> None:
    path = Path(interpreter)
    if not path.is_absolute():
        raise EngineRejected(f"interpreter {interpreter!r} is not an absolute path")
    if not path.is_file():
        raise EngineRejected(f"interpreter {interpreter} does not exist; was its environment removed?")
    if not os.access(path, os.X_OK):
        raise EngineRejected(f"interpreter {interpreter} cannot be executed by you")


def _tail(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 256 * 1024))
            lines = stream.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return lines[-count:] if count > 0 else []
