"""The launcher against stand-in daemons: one pair, found again, clear errors."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_modelserve import locks
from jupyter_modelserve.errors import Conflict, InvalidParameter, NotRunning
from jupyter_modelserve.launcher import ensure, find, identity, stop
from jupyter_modelserve.settings import Paths
from tests.unit.launcher.conftest import StandIns


def test_a_fresh_home_gets_identity_token_and_both_daemons(paths: Paths, stand_ins: StandIns) -> None:
    assert find(paths) is None
    instance = ensure(paths, spawn=stand_ins, timeout=20)
    assert find(paths) == instance
    assert 20000 <= instance.port <= 29999
    assert instance.url == f"http://127.0.0.1:{instance.port}"
    assert re.fullmatch(r"ms_[A-Za-z0-9_-]{43}\n", paths.token_file.read_text())
    for private_file in (paths.token_file, paths.instance_file):
        assert stat.S_IMODE(private_file.stat().st_mode) == 0o600
    for directory in (paths.home, paths.run):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sorted(stand_ins.starts()) == ["controller", "gateway"]


def test_a_second_call_starts_nothing_and_is_fast(paths: Paths, stand_ins: StandIns) -> None:
    instance = ensure(paths, spawn=stand_ins, timeout=20)
    begun = time.perf_counter()
    for _ in range(20):
        assert ensure(paths, spawn=stand_ins) == instance
    # 5 ms is the aim; four times that is allowed, because test machines are shared.
    assert (time.perf_counter() - begun) / 20 < 0.02
    assert len(stand_ins.starts()) == 2


def test_only_the_missing_daemon_is_started(paths: Paths, stand_ins: StandIns) -> None:
    instance = ensure(paths, spawn=stand_ins, timeout=20)
    pid = locks.owner(paths.lock("controller"))
    assert pid is not None
    os.kill(pid, 9)
    while locks.is_held(paths.lock("controller")):
        time.sleep(0.005)
    assert find(paths) is None
    assert ensure(paths, spawn=stand_ins, timeout=20) == instance
    assert sorted(stand_ins.starts()) == ["controller", "controller", "gateway"]


def _race(home: Path, go: multiprocessing.synchronize.Event, out: multiprocessing.Queue[object]) -> None:
    paths = Paths(home)
    go.wait()
    try:
        out.put(ensure(paths, spawn=StandIns(paths), timeout=60))
    except Exception as error:
        out.put(error)


def test_sixteen_processes_end_with_one_pair(paths: Paths, stand_ins: StandIns) -> None:
    context = multiprocessing.get_context("spawn")
    go, out = context.Event(), context.Queue()
    racers = [context.Process(target=_race, args=(paths.home, go, out)) for _ in range(16)]
    for racer in racers:
        racer.start()
    go.set()
    found = [out.get(timeout=90) for _ in racers]
    for racer in racers:
        racer.join(30)
    assert len({str(each) for each in found}) == 1, found
    assert found[0] == find(paths)
    assert sorted(stand_ins.starts()) == ["controller", "gateway"]


def test_the_port_is_chosen_once_and_kept(paths: Paths, stand_ins: StandIns) -> None:
    first = ensure(paths, spawn=stand_ins, timeout=20)
    assert stop(paths)
    assert find(paths) is None
    assert ensure(paths, spawn=stand_ins, timeout=20) == first


def test_a_taken_port_is_passed_over(paths: Paths) -> None:
    paths.create()
    first = identity.settle(paths, None)
    paths.instance_file.unlink()
    with socket.create_server(("127.0.0.1", first.port)):
        assert identity.settle(paths, None).port != first.port


def test_port_argument_changes_a_stopped_instance_only(paths: Paths, stand_ins: StandIns) -> None:
    first = ensure(paths, spawn=stand_ins, timeout=20)
    with pytest.raises(Conflict, match="down"):
        ensure(paths, spawn=stand_ins, port=first.port + 1)
    stop(paths)
    second = ensure(paths, spawn=stand_ins, port=first.port + 1, timeout=20)
    assert (second.port, second.instance_id) == (first.port + 1, first.instance_id)


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_refused(paths: Paths, stand_ins: StandIns, port: int) -> None:
    with pytest.raises(InvalidParameter, match="65535"):
        ensure(paths, spawn=stand_ins, port=port)


def test_a_daemon_that_dies_at_start_is_reported_with_its_log(paths: Paths, stand_ins: StandIns) -> None:
    stand_ins.modes["gateway"] = "broken"
    with pytest.raises(NotRunning, match="exit code 3") as caught:
        ensure(paths, spawn=stand_ins, timeout=20)
    assert "the engine fell off" in caught.value.message
    assert "gateway.log" in caught.value.message


def test_old_log_lines_are_not_blamed(paths: Paths, stand_ins: StandIns) -> None:
    paths.create()
    (paths.logs / "gateway.log").write_text("an old complaint\n")
    stand_ins.modes["gateway"] = "broken"
    with pytest.raises(NotRunning) as caught:
        ensure(paths, spawn=stand_ins, timeout=20)
    assert "an old complaint" not in caught.value.message


def test_a_daemon_of_another_instance_is_not_taken_for_ours(paths: Paths, stand_ins: StandIns) -> None:
    stand_ins.modes["controller"] = "foreign"
    with pytest.raises(NotRunning, match=r"earlier instance\.json"):
        ensure(paths, spawn=stand_ins, timeout=20)


def test_a_damaged_instance_file_is_named(paths: Paths) -> None:
    paths.create()
    paths.instance_file.write_text("{")
    with pytest.raises(InvalidParameter, match=r"instance\.json is damaged"):
        find(paths)


def test_a_home_that_is_a_file_is_a_clear_error(paths: Paths) -> None:
    blocked = Paths(paths.home / "file" / "home")
    (paths.home / "file").write_text("")
    with pytest.raises(InvalidParameter, match="MODELSERVE_HOME"):
        ensure(blocked)


def test_a_home_without_file_locks_is_a_clear_error(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InvalidParameter, match="without file locks"):
        ensure(paths)


def test_windows_is_refused_in_one_line(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InvalidParameter, match="WSL2"):
        ensure(paths)


def test_importing_the_launcher_is_light() -> None:
    code = (
        "import sys; import jupyter_modelserve.launcher; "
        "print(sorted({'pydantic','httpx','fastapi','mlflow','pandas','sqlalchemy','jupyter_core'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []
