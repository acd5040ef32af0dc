"""The Docker engine when things die: containers, ourselves, its daemon with and without live-restore (R7, R8)."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines.base import (
    EngineError,
    EngineRejected,
    EngineUnavailable,
    ObservedReplica,
    ReplicaSpec,
)
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.engine import DockerEngine
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.controller.engines.together import DOCKER, PROCESS, Engines
from jupyter_modelserve.controller.replicas import ReplicaClient
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState
from tests.conftest import missing
from tests.support import docker_engine
from tests.support.second_dockerd import SecondEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
ID = "0123456789ab"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def spec(replica_image: str) -> ReplicaSpec:
    return ReplicaSpec(ID, "iris", "e1", docker_engine.INTERPRETER, image=replica_image)


@pytest.fixture
async def engine(paths: Paths, unique: str) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(paths, unique, docker_engine.client())
    yield made
    with suppress(EngineError):
        await made.stop(ID, 0.0)
    await made.close()


async def until(look: Callable[[], object], state: ReplicaState, seconds: float = 30.0) -> ObservedReplica:
    deadline = time.monotonic() + seconds
    while True:
        found = await look()  # type: ignore[misc]
        if found and found[0].state is state:
            return found[0]  # type: ignore[no-any-return]
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


async def test_a_killed_container_is_failed_then_replaced(engine: DockerEngine, spec: ReplicaSpec) -> None:
    await engine.ensure(spec)
    first = await until(engine.observe, ReplicaState.READY)
    assert first.pid
    changed = asyncio.create_task(engine.changed())
    os.kill(first.pid, signal.SIGKILL)
    found = await until(engine.observe, ReplicaState.FAILED)
    assert found.exit_code == 137
    assert "killed from outside" in found.reason
    await asyncio.wait_for(changed, 10)
    await engine.ensure(spec)
    second = await until(engine.observe, ReplicaState.READY)
    assert second.pid != first.pid
    assert second.key != first.key


async def test_another_controller_adopts_what_runs(
    engine: DockerEngine, spec: ReplicaSpec, paths: Paths, unique: str
) -> None:
    await engine.ensure(spec)
    first = await until(engine.observe, ReplicaState.READY)
    second = DockerEngine(paths, unique, docker_engine.client())
    await second.ensure(spec)
    assert await second.observe() == (first,)
    await second.close()


async def test_other_instances_and_foreign_containers_are_neither_seen_nor_touched(
    engine: DockerEngine, spec: ReplicaSpec, unique: str
) -> None:
    name = f"modelserve-{unique[:8]}-{ID}"
    with docker_engine.api() as api:
        foreign = api.create_container(docker_engine.BASE.format(python="3.11"), ["sleep", "600"], name=name)["Id"]
        try:
            api.start(foreign)
            with pytest.raises(EngineRejected, match="not ours"):
                await engine.ensure(spec)
            with pytest.raises(EngineRejected, match="not ours"):
                await engine.stop(ID, 0.0)
            assert await engine.observe() == ()
            assert api.inspect_container(foreign)["State"]["Running"]
        finally:
            api.remove_container(foreign, force=True)


async def test_a_container_that_somebody_removed_is_started_again(
    engine: DockerEngine, spec: ReplicaSpec, unique: str
) -> None:
    await engine.ensure(spec)
    await until(engine.observe, ReplicaState.READY)
    with docker_engine.api() as api:
        api.remove_container(f"modelserve-{unique[:8]}-{ID}", force=True)
    assert await engine.observe() == ()
    await engine.ensure(spec)
    await until(engine.observe, ReplicaState.READY)


async def test_a_paused_container_is_not_ready_and_not_replaced(
    engine: DockerEngine, spec: ReplicaSpec, unique: str
) -> None:
    await engine.ensure(spec)
    first = await until(engine.observe, ReplicaState.READY)
    with docker_engine.api() as api:
        api.pause(f"modelserve-{unique[:8]}-{ID}")
        found = await until(engine.observe, ReplicaState.NOT_READY)
        assert "paused" in found.reason
        await engine.ensure(spec)
        api.unpause(f"modelserve-{unique[:8]}-{ID}")
    assert (await until(engine.observe, ReplicaState.READY)).pid == first.pid


async def test_nothing_is_left_after_stop(engine: DockerEngine, spec: ReplicaSpec, paths: Paths, unique: str) -> None:
    await engine.ensure(spec)
    await until(engine.observe, ReplicaState.READY)
    began = time.monotonic()
    await engine.stop(ID, 5.0)
    assert time.monotonic() - began < 5
    assert docker_engine.left_of(unique) == []
    assert not (paths.containers / ID).exists()
    assert not (paths.replica_sockets / ID).exists()


async def test_an_engine_that_is_away_hurts_only_its_own(paths: Paths, tmp_path: Path, spec: ReplicaSpec) -> None:
    import sys

    away = DockerEngine(paths, "instance", DockerClient(f"unix://{tmp_path}/no.sock"))
    engines = Engines({PROCESS: ProcessEngine(paths, "instance"), DOCKER: away})
    with pytest.raises(EngineUnavailable, match="no Docker engine answers"):
        await engines.ensure(spec)
    own = ReplicaSpec("abcdef012345", "own", "e2", sys.executable)
    await engines.ensure(own)
    found = await until(engines.observe, ReplicaState.READY)
    assert found.id == own.id
    await engines.stop(own.id, 0.0)
    await engines.close()


@pytest.fixture(params=[True, False], ids=["live-restore", "no live-restore"])
def second(request: pytest.FixtureRequest, replica_image: str) -> object:
    lacking = [name for name in ("dockerd", "unshare") if shutil.which(name) is None]
    if lacking or os.getuid():
        missing(f"what starts a second engine ({', '.join(lacking) or 'root'})")
    made = SecondEngine(bool(request.param))
    try:
        made.start()
        made.load(replica_image)
        yield made
    finally:
        made.end()


# The SDK leaves the sockets of refused connections to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
async def test_kill_9_of_the_daemon(second: SecondEngine, spec: ReplicaSpec, paths: Paths) -> None:
    engine = DockerEngine(paths, "instance", DockerClient(second.host))
    engines = Engines({PROCESS: ProcessEngine(paths, "instance"), DOCKER: engine})
    await engines.ensure(spec)
    first = await until(engines.observe, ReplicaState.READY)
    answered, failed, stop = 0, 0, asyncio.Event()

    async def ask() -> None:
        nonlocal answered, failed
        async with ReplicaClient(first.control, first.key) as client:
            while not stop.is_set():
                try:
                    await client.status()
                    answered += 1
                except EngineError:
                    failed += 1
                await asyncio.sleep(0.005)

    asking = asyncio.create_task(ask())
    second.kill()
    with pytest.raises(EngineUnavailable):
        await engine.observe()
    # Away is not gone: what answers on its socket is READY, and nothing is started or stopped.
    (away,) = await engines.observe()
    assert (away.state, away.key, away.nonce) == (ReplicaState.READY, first.key, first.nonce)
    with pytest.raises(EngineUnavailable):
        await engines.stop(ID, 0.0)
    await asyncio.to_thread(second.start)
    if second.live_restore:
        found = await until(engines.observe, ReplicaState.READY)
        stop.set()
        await asking
        assert (found.pid, failed) == (first.pid, 0)
        assert answered > 10
    else:
        stop.set()
        await asking
        # The daemon ends them when it starts again: by SIGTERM, which the parent obeys, or by force.
        (ended,) = await engines.observe()
        assert ended.state in {ReplicaState.STOPPED, ReplicaState.FAILED}
        await engines.ensure(spec)
        found = await until(engines.observe, ReplicaState.READY)
        assert found.pid != first.pid
    await engines.stop(ID, 0.0)
    await engines.close()
    gc.collect()
