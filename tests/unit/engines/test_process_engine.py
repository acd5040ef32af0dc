"""The process engine against parents that hang, lie, die or were never ours (real processes, stand-in program)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines import identity, process
from jupyter_modelserve.controller.engines.base import EngineRejected, ObservedReplica, ReplicaSpec
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState

PROGRAM = Path(__file__).parents[2] / "support" / "stand_in_parent.py"
ID = "0123456789ab"


def spec(mode: str = "", name: str = ID) -> ReplicaSpec:
    return ReplicaSpec(name, "iris", "e1", sys.executable, labels={"mode": mode} if mode else {})


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
async def engine(paths: Paths) -> AsyncIterator[ProcessEngine]:
    made = ProcessEngine(paths, "instance", program=PROGRAM)
    yield made
    for each in await made.observe():
        await made.stop(each.id, 0.0)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True) as process:
        yield process
        process.kill()


async def until(
    engine: ProcessEngine, state: ReplicaState, extra: Callable[[ObservedReplica], bool] = lambda _: True
) -> ObservedReplica:
    deadline = time.monotonic() + 20
    while True:
        (found,) = await engine.observe()
        if found.state is state and extra(found):
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


def pid_of(found: ObservedReplica) -> int:
    assert found.pid is not None
    return found.pid


def is_zombie_or_gone(pid: int) -> bool:
    return identity.identify(pid) is None


async def test_files_are_private(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec())
    directory = paths.replicas / ID
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (paths.replica_sockets / ID).stat().st_mode & 0o777 == 0o700
    for name in ("replica.json", "parent.json", "parent.log"):
        assert (directory / name).stat().st_mode & 0o777 == 0o600
    found = await until(engine, ReplicaState.READY)
    command = Path(f"/proc/{found.pid}/cmdline").read_bytes()
    assert found.key.encode() not in command


async def test_leads_a_session_of_its_own(engine: ProcessEngine) -> None:
    await engine.ensure(spec())
    pid = pid_of(await until(engine, ReplicaState.READY))
    assert os.getsid(pid) == pid


async def test_starting_until_the_socket_answers(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec("late"))
    (found,) = await engine.observe()
    assert found.state is ReplicaState.STARTING
    (paths.replicas / ID / "go").touch()
    await until(engine, ReplicaState.READY)


async def test_hung_socket_is_unknown_within_two_seconds(engine: ProcessEngine) -> None:
    await engine.ensure(spec("hung"))
    await until(engine, ReplicaState.UNKNOWN)
    began = time.monotonic()
    (found,) = await engine.observe()
    assert found.state is ReplicaState.UNKNOWN
    assert time.monotonic() - began < 4
    await engine.stop(ID, 0.0)
    assert await engine.observe() == ()


async def test_lost_socket_is_not_ready(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec())
    await until(engine, ReplicaState.READY)
    record = paths.replicas / ID / "replica.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "created_at": time.time() - 3600}))
    (paths.replica_sockets / ID / "control.sock").unlink()
    (found,) = await engine.observe()
    assert found.state is ReplicaState.NOT_READY


async def test_another_nonce_is_not_taken_for_ours(engine: ProcessEngine) -> None:
    await engine.ensure(spec("foreign"))
    found = await until(engine, ReplicaState.UNKNOWN)
    assert "another process" in found.reason


async def test_another_key_is_not_taken_for_ours(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec())
    await until(engine, ReplicaState.READY)
    record = paths.replicas / ID / "replica.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "key": "forged"}))
    (found,) = await engine.observe()
    assert found.state is ReplicaState.UNKNOWN


async def test_killed_parent_is_failed_and_leaves_no_zombie(engine: ProcessEngine) -> None:
    await engine.ensure(spec())
    pid = pid_of(await until(engine, ReplicaState.READY))
    os.kill(pid, signal.SIGKILL)
    found = await until(engine, ReplicaState.FAILED)
    assert found.exit_code == -9
    assert not Path(f"/proc/{pid}").exists()


async def test_early_end_tells_code_and_last_words(engine: ProcessEngine) -> None:
    await engine.ensure(spec("exit"))
    found = await until(engine, ReplicaState.FAILED)
    assert found.exit_code == 3
    assert "cannot start: the reason" in found.reason
    assert [line async for line in engine.logs(ID, 5)] == ["cannot start: the reason"]


async def test_dead_one_is_replaced(engine: ProcessEngine) -> None:
    await engine.ensure(spec())
    first = await until(engine, ReplicaState.READY)
    os.kill(pid_of(first), signal.SIGKILL)
    await until(engine, ReplicaState.FAILED)
    await engine.ensure(spec())
    second = await until(engine, ReplicaState.READY)
    assert second.pid != first.pid
    assert second.nonce != first.nonce


async def test_second_engine_adopts_and_stops(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec())
    first = await until(engine, ReplicaState.READY)
    second = ProcessEngine(paths, "instance", program=PROGRAM)
    await second.ensure(spec())
    assert await second.observe() == (first,)
    await second.stop(ID, 1.0)
    assert await engine.observe() == ()
    assert is_zombie_or_gone(pid_of(first))


async def test_survives_the_process_that_started_it(paths: Paths) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from jupyter_modelserve.controller.engines.base import ReplicaSpec\n"
        "from jupyter_modelserve.controller.engines.process import ProcessEngine\n"
        "from jupyter_modelserve.settings import Paths\n"
        "engine = ProcessEngine(Paths(pathlib.Path(sys.argv[1])), 'instance', program=pathlib.Path(sys.argv[2]))\n"
        f"asyncio.run(engine.ensure(ReplicaSpec({ID!r}, 'iris', 'e1', sys.executable)))\n"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code, str(paths.home), str(PROGRAM)], check=True, timeout=60, cwd=root)
    engine = ProcessEngine(paths, "instance", program=PROGRAM)
    found = await until(engine, ReplicaState.READY)
    os.kill(pid_of(found), signal.SIGKILL)
    found = await until(engine, ReplicaState.FAILED)
    assert found.exit_code is None
    await engine.stop(ID, 0.0)
    assert await engine.observe() == ()


async def test_recycled_pid_is_neither_adopted_nor_killed(
    engine: ProcessEngine, paths: Paths, stranger: subprocess.Popen[bytes]
) -> None:
    await engine.ensure(spec())
    parent = pid_of(await until(engine, ReplicaState.READY))
    os.kill(parent, signal.SIGKILL)
    await until(engine, ReplicaState.FAILED)
    real = identity.identify(stranger.pid)
    assert real is not None
    for start_time in ("1", real.start_time):
        forged = {"pid": stranger.pid, "start_time": start_time}
        (paths.replicas / ID / "parent.json").write_text(json.dumps(forged))
        (found,) = await engine.observe()
        assert (found.state, found.pid) == (ReplicaState.FAILED, None)
    await engine.stop(ID, 0.0)
    assert await engine.observe() == ()
    assert identity.identify(stranger.pid) == real


async def test_deaf_parent_is_killed(engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_TERM_PATIENCE", 0.3)
    await engine.ensure(spec("deaf"))
    pid = pid_of(await until(engine, ReplicaState.READY))
    await engine.stop(ID, 0.0)
    assert is_zombie_or_gone(pid)
    assert await engine.observe() == ()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_workers_left_by_a_killed_parent_are_killed(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec("orphan"))
    parent = pid_of(await until(engine, ReplicaState.READY))
    orphan = int((paths.replicas / ID / "orphan").read_text())
    os.kill(parent, signal.SIGKILL)
    await until(engine, ReplicaState.FAILED)
    assert identity.identify(orphan) is not None
    await engine.stop(ID, 0.0)
    deadline = time.monotonic() + 5
    while identity.identify(orphan) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_one_damaged_directory_does_not_hide_the_others(engine: ProcessEngine, paths: Paths) -> None:
    await engine.ensure(spec())
    await until(engine, ReplicaState.READY)
    for name, text in (("broken1", "{"), ("broken2", '{"replica_id": 5}'), ("broken3", "[]")):
        (paths.replicas / name).mkdir()
        (paths.replicas / name / "replica.json").write_text(text)
        (paths.replicas / name / "parent.json").write_text('{"pid": "x"}')
    (paths.replicas / "empty").mkdir()
    found = {each.id: each for each in await engine.observe()}
    assert found[ID].state is ReplicaState.READY
    for name in ("broken1", "broken2", "broken3", "empty"):
        assert found[name].state is ReplicaState.FAILED
        await engine.stop(name, 0.0)
    assert [each.id for each in await engine.observe()] == [ID]


async def test_looking_while_it_is_made_and_ended_never_shows_a_failure(engine: ProcessEngine) -> None:
    seen: set[ReplicaState] = set()
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            seen.update(each.state for each in await engine.observe())

    watcher = asyncio.create_task(watch())
    for _ in range(3):
        await engine.ensure(spec())
        await until(engine, ReplicaState.READY)
        await engine.stop(ID, 0.0)
    done.set()
    await watcher
    assert ReplicaState.READY in seen
    # UNKNOWN: its socket broke while it was being asked.
    assert not seen & {ReplicaState.FAILED, ReplicaState.STOPPED, ReplicaState.NOT_READY}


async def test_engine_that_died_between_start_and_note_is_followed_by_adoption(
    engine: ProcessEngine, paths: Paths
) -> None:
    await engine.ensure(spec())
    first = await until(engine, ReplicaState.READY)
    note = (paths.replicas / ID / "parent.json").read_text()
    (paths.replicas / ID / "parent.json").unlink()
    second = ProcessEngine(paths, "instance", program=PROGRAM)
    (found,) = await second.observe()
    assert found.state is ReplicaState.STARTING
    await second.ensure(spec())
    (paths.replicas / ID / "parent.json").write_text(note)
    assert (await until(second, ReplicaState.READY)).pid == first.pid


async def test_file_that_is_no_program_is_rejected(engine: ProcessEngine, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_bytes(b"\x7fnonsense")
    program.chmod(0o700)
    with pytest.raises(EngineRejected, match="cannot be executed"):
        await engine.ensure(ReplicaSpec(ID, "iris", "e1", str(program)))
    program.chmod(0o600)
    if os.getuid() != 0 or not os.access(program, os.X_OK):
        with pytest.raises(EngineRejected, match="cannot be executed"):
            await engine.ensure(ReplicaSpec(ID, "iris", "e1", str(program)))
    assert await engine.observe() == ()


async def test_secrets_do_not_reach_the_model(engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELSERVE_HOME", "MLFLOW_TRACKING_URI", "DATABRICKS_HOST", "MY_TOKEN", "a_password", "PYTHONPATH"):
        monkeypatch.setenv(name, "should-not-be-there")
    monkeypatch.setenv("SSL_CERT_FILE", "kept")
    await engine.ensure(spec())
    pid = pid_of(await until(engine, ReplicaState.READY))
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"should-not-be-there" not in environ
    assert b"SSL_CERT_FILE=kept" in environ
