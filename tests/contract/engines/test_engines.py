"""One suite for every engine: what the reconciler may rely on."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines.base import (
    Engine,
    EngineConflict,
    EngineRejected,
    ObservedReplica,
    ReplicaSpec,
    replica_id,
)
from jupyter_modelserve.controller.engines.docker.engine import DockerEngine
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.controller.engines.together import DOCKER, PROCESS, Engines
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState
from tests.support import docker_engine
from tests.support.fake_engine import FakeEngine

ID = replica_id("instance", "iris", "e1")
image = ""
"""What the engine under test runs: nothing but its interpreter, or an image."""


def spec(**changes: object) -> ReplicaSpec:
    values: dict[str, object] = {"id": ID, "endpoint": "iris", "environment_key": "e1", "interpreter": sys.executable}
    if image:
        values |= {"image": image, "interpreter": docker_engine.INTERPRETER}
    return ReplicaSpec(**{**values, **changes})  # type: ignore[arg-type]


async def only(engine: Engine) -> ObservedReplica:
    (found,) = await engine.observe()
    return found


async def until(engine: Engine, state: ReplicaState, seconds: float = 20.0) -> ObservedReplica:
    deadline = time.monotonic() + seconds
    while (found := await only(engine)).state is not state:
        assert time.monotonic() < deadline, f"{found.state}: {found.reason}"
        await asyncio.sleep(0.02)
    return found


@pytest.fixture(
    params=[
        "fake",
        "process",
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("together", marks=pytest.mark.docker),
    ]
)
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    if request.param == "fake":
        yield FakeEngine()
        return
    paths = Paths(tmp_path / "home")
    paths.create()
    real: Engine
    if request.param == "process":
        real = ProcessEngine(paths, "instance")
    else:
        monkeypatch.setitem(globals(), "image", request.getfixturevalue("replica_image"))
        real = DockerEngine(paths, f"test{request.getfixturevalue('unique')}", docker_engine.client())
    if request.param == "together":
        real = Engines({PROCESS: ProcessEngine(paths, "instance"), DOCKER: real})
    yield real
    for each in await real.observe():
        await real.stop(each.id, 0.0)
    await real.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    (directory / "data").mkdir(parents=True)
    (directory / "MLmodel").write_text("flavors: {}\n")
    (directory / "data" / "weights.bin").write_bytes(b"\0\1\2")
    return directory


async def test_becomes_ready_and_tells_how_to_reach_it(engine: Engine) -> None:
    await engine.ensure(spec())
    found = await until(engine, ReplicaState.READY)
    assert (found.id, found.endpoint, found.environment_key) == (ID, "iris", "e1")
    assert found.spec_hash == spec().spec_hash
    assert found.control.startswith(("unix:/", "tcp:"))
    assert len(found.key) > 10
    assert found.pid
    assert found.exit_code is None


async def test_ensure_again_changes_nothing(engine: Engine) -> None:
    await engine.ensure(spec())
    first = await until(engine, ReplicaState.READY)
    await engine.ensure(spec())
    assert await only(engine) == first


async def test_ensure_at_the_same_time_starts_one(engine: Engine) -> None:
    await asyncio.gather(*(engine.ensure(spec()) for _ in range(4)))
    first = await until(engine, ReplicaState.READY)
    await engine.ensure(spec())
    assert (await only(engine)).pid == first.pid


async def test_another_specification_under_the_same_id_is_a_conflict(engine: Engine) -> None:
    await engine.ensure(spec())
    with pytest.raises(EngineConflict, match="another specification"):
        await engine.ensure(spec(labels={"size": "Large"}))


async def test_missing_interpreter_or_image_is_rejected_for_good(engine: Engine, tmp_path: Path) -> None:
    missing = {"image": f"{ID}:missing"} if image else {"interpreter": str(tmp_path / "python")}
    with pytest.raises(EngineRejected, match=r"does not exist|No such image"):
        await engine.ensure(spec(**missing))
    assert await engine.observe() == ()


async def test_stop_removes_it_and_unknown_is_no_error(engine: Engine) -> None:
    await engine.ensure(spec())
    await until(engine, ReplicaState.READY)
    await engine.stop(ID, 1.0)
    assert await engine.observe() == ()
    await engine.stop(ID, 1.0)
    await engine.stop("0123456789ab", 1.0)


async def test_stop_while_it_starts(engine: Engine) -> None:
    await engine.ensure(spec())
    await engine.stop(ID, 0.0)
    assert await engine.observe() == ()


async def test_started_again_it_has_another_key(engine: Engine) -> None:
    await engine.ensure(spec())
    first = await until(engine, ReplicaState.READY)
    await engine.stop(ID, 0.0)
    await engine.ensure(spec())
    second = await until(engine, ReplicaState.READY)
    assert first.key != second.key
    assert first.nonce != second.nonce


async def test_push_gives_the_files_and_is_idempotent(engine: Engine, model: Path) -> None:
    await engine.ensure(spec())
    place = await engine.push(ID, "w1", model, "digest")
    assert docker_engine.read(image, engine, ID, f"{place}/data/weights.bin") == b"\0\1\2"
    assert await engine.push(ID, "w1", model, "digest") == place
    await engine.discard(ID, "w1")
    await engine.discard(ID, "w1")


async def test_push_refuses_links_that_leave_the_model(engine: Engine, model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (model / "inner").symlink_to(tmp_path / "secret")
    await engine.ensure(spec())
    with pytest.raises(EngineRejected, match=r"inner.*leaves"):
        await engine.push(ID, "w1", model, "digest")


@pytest.mark.parametrize("worker", ["../x", "a/b", "", ".hidden", "x" * 65])
async def test_push_refuses_names_that_leave_the_replica(engine: Engine, model: Path, worker: str) -> None:
    await engine.ensure(spec())
    with pytest.raises(EngineRejected, match="worker id"):
        await engine.push(ID, worker, model, "digest")


async def test_push_to_a_replica_that_is_not_there(engine: Engine, model: Path) -> None:
    with pytest.raises(EngineConflict):
        await engine.push(ID, "w1", model, "digest")


async def test_logs_of_a_quiet_or_unknown_replica_end(engine: Engine) -> None:
    assert [line async for line in engine.logs(ID, 10)] == []


def test_says_what_it_isolates(engine: Engine) -> None:
    assert engine.capabilities.isolation
