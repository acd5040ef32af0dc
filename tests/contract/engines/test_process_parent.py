"""The process engine with the real parent: adoption, death, and the operations that the controller uses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines import identity
from jupyter_modelserve.controller.engines.base import EngineUnavailable, ObservedReplica, ReplicaSpec
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.controller.replicas import NotOurs, ReplicaClient, Silent
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState, VersionState

ID = "0123456789ab"
SPEC = ReplicaSpec(ID, "iris", "e1", sys.executable)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
async def engine(paths: Paths) -> AsyncIterator[ProcessEngine]:
    made = ProcessEngine(paths, "instance")
    yield made
    await made.stop(ID, 0.0)


async def until(engine: ProcessEngine, state: ReplicaState) -> ObservedReplica:
    deadline = time.monotonic() + 20
    while True:
        (found,) = await engine.observe()
        if found.state is state:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.01)


async def test_killed_parent_is_failed_then_replaced(engine: ProcessEngine) -> None:
    await engine.ensure(SPEC)
    first = await until(engine, ReplicaState.READY)
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    found = await until(engine, ReplicaState.FAILED)
    assert found.exit_code == -9
    await engine.ensure(SPEC)
    assert (await until(engine, ReplicaState.READY)).pid != first.pid


async def test_second_engine_adopts_the_real_parent(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(SPEC)
    first = await until(engine, ReplicaState.READY)
    second = ProcessEngine(paths, "instance")
    await second.ensure(SPEC)
    assert await second.observe() == (first,)


async def test_stop_is_graceful_and_leaves_nothing(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(SPEC)
    found = await until(engine, ReplicaState.READY)
    began = time.monotonic()
    await engine.stop(ID, 5.0)
    assert time.monotonic() - began < 4
    assert found.pid
    assert identity.identify(found.pid) is None
    assert not (paths.replicas / ID).exists()
    assert not (paths.replica_sockets / ID).exists()


async def test_a_start_that_is_given_up_is_still_ended_by_the_stop_after_it(
    engine: ProcessEngine, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, start = threading.Event(), engine._start

    def slow(spec: ReplicaSpec, directory: Path) -> None:
        begun.set()
        time.sleep(0.3)
        start(spec, directory)

    monkeypatch.setattr(engine, "_start", slow)
    starting = asyncio.create_task(engine.ensure(SPEC))
    await asyncio.to_thread(begun.wait)
    starting.cancel()
    await engine.stop(ID, 0.0)
    assert await engine.observe() == ()
    assert list(paths.replicas.iterdir()) == []
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_client_speaks_the_protocol(engine: ProcessEngine, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    await engine.ensure(SPEC)
    found = await until(engine, ReplicaState.READY)
    place = await engine.push(ID, "w1", model, "digest")
    worker = {
        "model": "iris", "version": "1", "directory": place, "unknown_columns": "warn", "timeout": 5.0,
        "kill_grace": 1.0, "startup_budget": 30.0, "body_limit": 1024, "json_depth": 64, "environ": {},
    }  # fmt: skip
    async with ReplicaClient(found.control, found.key) as client:
        status = await client.status()
        assert (status.replica_id, status.nonce, status.pid) == (ID, found.nonce, found.pid)
        assert status.workers == {}
        await client.put_worker("w1", worker)
        await client.put_worker("w1", worker)
        assert (await client.status()).workers["w1"].version == "1"
        deadline = time.monotonic() + 60
        while (await client.status()).workers["w1"].state is not VersionState.FAILED:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        failure = (await client.status()).workers["w1"].failure
        assert failure is not None
        assert failure.message
        assert isinstance(await client.log("w1", 10), str)
        assert await client.log("unknown", 10) == ""
        await client.delete_worker("w1", 0.0)
        await client.delete_worker("unknown", 0.0)
    async with ReplicaClient(found.control, "wrong") as client:
        with pytest.raises(NotOurs):
            await client.status()


async def test_nothing_at_the_address(tmp_path: Path) -> None:
    async with ReplicaClient(f"unix:{tmp_path}/control.sock", "key") as client:
        with pytest.raises(Silent):
            await client.status()


async def test_silence_has_a_deadline(tmp_path: Path) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A byte now and then would defeat a limit on each read.
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        hung_up.set()

    hung_up = asyncio.Event()
    began = time.monotonic()
    async with await asyncio.start_unix_server(drip, tmp_path / "s.sock"):
        async with ReplicaClient(f"unix:{tmp_path}/s.sock", "key", deadline=0.4) as client:
            with pytest.raises(EngineUnavailable):
                await client.status()
        assert time.monotonic() - began < 3
        await asyncio.wait_for(hung_up.wait(), 10)
