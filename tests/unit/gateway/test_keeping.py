"""What the gateway keeps: metrics, log, token use and its partner."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jupyter_modelserve.gateway.log import AccessLog
from jupyter_modelserve.gateway.metrics import Metrics, escape
from jupyter_modelserve.gateway.request import Request
from jupyter_modelserve.gateway.usage import Usage
from jupyter_modelserve.launcher.partner import Partner, ended, is_alive
from jupyter_modelserve.locks import is_held
from jupyter_modelserve.settings import Paths


def done(**changes: Any) -> Request:
    values = {
        "id": "r1", "method": "POST", "raw_path": b"/model/iris/1/invocations", "status": 200, "sent": 3,
        "grant_id": "t1", "version": "1", "owner": "worker", "endpoint": "", "model": "iris", **changes,
    }  # fmt: skip
    return cast(Request, SimpleNamespace(**values))


def test_every_metric_line_is_well_formed_and_buckets_add_up() -> None:
    metrics = Metrics(1.0)
    for seconds in (0.0005, 0.003, 0.003, 500.0):
        metrics.observe(done(model='we"ird\\\nname'), seconds)
    text = metrics.render([], {"modelserve_route_table": ("Number.", 3)}).decode()
    line = re.compile(r'^(#.*|[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+-]+)$')
    assert all(line.match(each) for each in text.splitlines())
    assert 'le="0.001"} 1' in text
    assert 'le="0.005"} 3' in text
    assert 'le="120.0"} 3' in text
    assert 'le="+Inf"} 4' in text
    assert 'status="200"} 4' in text
    assert escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


def test_metrics_of_models_that_are_not_shown_stay_out() -> None:
    metrics = Metrics(1.0)
    metrics.observe(done(model="prod.ml.fraud", endpoint="fraud"), 0.1)
    metrics.observe(done(model="churn", endpoint="churn-ep"), 0.1)
    metrics.observe(done(model="", endpoint="secret-ep"), 0.1)
    metrics.observe(done(owner="controller", model="", version=""), 0.1)
    workers: Any = [
        SimpleNamespace(target=SimpleNamespace(model=name, version="1", id="w"), in_flight=0, waiting=0)
        for name in ("prod.ml.fraud", "churn")
    ]
    text = metrics.render(workers, {}, lambda model: model == "churn").decode()
    assert "fraud" not in text
    assert "secret-ep" not in text
    assert text.count('model="churn"') == 1 + 17 + 2 + 2
    assert 'owner="controller"' in text
    assert "fraud" in metrics.render(workers, {}).decode()


def test_the_number_of_series_is_bounded() -> None:
    metrics = Metrics(1.0)
    for number in range(6000):
        metrics.observe(done(version=str(number)), 0.1)
    text = metrics.render([], {}).decode()
    assert text.count("modelserve_requests_total{") == 5001
    assert 'owner="other",endpoint="",model="",version="",status="200"} 1000' in text


def test_the_log_rotates_and_keeps_three_old_files(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", 500)
    for number in range(40):
        log.add(done(id=f"r{number}"), 0.001)
        log.flush()
    files = sorted(each.name for each in tmp_path.iterdir())
    assert files in (
        ["access.log", "access.log.1", "access.log.2", "access.log.3"],
        ["access.log.1", "access.log.2", "access.log.3"],
    )
    assert all(each.stat().st_size < 1000 for each in tmp_path.iterdir())
    newest = (tmp_path / files[0]).read_text().splitlines()[-1]
    assert json.loads(newest)["id"] == "r39"


def test_a_log_line_is_json_whatever_the_caller_sends(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log", 10**6)
    log.add(done(id='a"b\\', raw_path=b'/"\\\xff\n'), 0.0)
    log.flush()
    assert json.loads((tmp_path / "access.log").read_text())["path"] == '/"\\ÿ\n'


def test_a_log_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "missing" / "access.log", 100)
    log.add(done(), 0.0)
    log.flush()
    assert not (tmp_path / "missing").exists()


async def test_token_use_that_cannot_be_reported_is_kept(tmp_path: Path) -> None:
    usage = Usage(str(tmp_path / "nobody.sock"))
    usage.note("t1")
    await usage.report()
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        got.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "nobody.sock")):
        await usage.report()
        await usage.report()  # nothing new: nothing sent
    assert len(got) == 1
    assert time.time() * 1000 - json.loads(got[0])["tokens"]["t1"] < 60_000


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path)
    found.run.mkdir(parents=True, exist_ok=True)
    return found


async def test_a_free_lock_spawns_the_controller_and_back_off_grows(paths: Paths) -> None:
    spawned, clock = [], Time()

    def spawn(given: Paths) -> int:
        assert given == paths
        spawned.append(clock.now)
        return 0  # it ends at once

    partner = Partner(paths, "controller", spawn, clock)
    for _ in range(60):
        await partner.look()
        clock.now += 1.0
    assert [later - earlier for earlier, later in itertools.pairwise(spawned)] == [1, 2, 5, 10, 30]


async def test_a_daemon_that_lived_for_some_seconds_is_started_again_at_once(paths: Paths) -> None:
    spawned, clock = [], Time()

    def spawn(given: Paths) -> int:
        spawned.append(clock.now)
        return 0

    partner = Partner(paths, "controller", spawn, clock)
    for _ in range(4):
        await partner.look()
        handle = os.open(paths.lock("controller"), os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        clock.now += 6.0
        await partner.look()
        os.close(handle)
    await partner.look()
    assert [later - earlier for earlier, later in itertools.pairwise(spawned)] == [6, 6, 6, 6]


async def test_a_held_lock_or_the_stopping_file_spawns_nothing(paths: Paths) -> None:
    def spawn(given: Paths) -> int:
        raise AssertionError

    partner = Partner(paths, "controller", spawn)
    paths.stopping_file.touch()
    await partner.look()
    states = [partner.alive]
    paths.stopping_file.unlink()
    handle = os.open(paths.lock("controller"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    await partner.look()
    assert [*states, partner.alive] == [False, True]
    os.close(handle)
    assert not is_held(paths.lock("controller"))


async def test_a_controller_that_is_still_starting_is_not_started_twice(paths: Paths) -> None:
    clock, children = Time(), []

    def spawn(given: Paths) -> int:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        children.append(child)
        return child.pid

    partner = Partner(paths, "controller", spawn, clock)
    for _ in range(10):
        await partner.look()
        clock.now += 1.0
    assert len(children) == 1
    assert is_alive(children[0].pid)
    children[0].communicate(b"\n")
    assert not is_alive(children[0].pid)
    await partner.look()
    assert len(children) == 2
    children[1].communicate(b"\n")


async def test_a_failing_launcher_is_logged_and_tried_again(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    def spawn(given: Paths) -> int:
        raise OSError("no more processes")

    partner = Partner(paths, "controller", spawn)
    await partner.look()
    assert "could not be started" in caplog.text


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system does not tell the end of a process")
async def test_the_end_of_a_daemon_is_noticed_when_it_happens(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_modelserve.launcher.partner._PERIOD", 60.0)
    spawned, child = asyncio.Event(), _holder(paths)

    def spawn(given: Paths) -> int:
        loop.call_soon_threadsafe(spawned.set)
        return 0

    loop = asyncio.get_running_loop()
    watching = asyncio.create_task(Partner(paths, "controller", spawn).run())
    await asyncio.sleep(0.1)
    assert not spawned.is_set()
    child.kill()
    await asyncio.wait_for(spawned.wait(), 20)
    watching.cancel()
    child.communicate()


def _holder(paths: Paths) -> subprocess.Popen[bytes]:
    """A process that holds the controller's lock."""
    code = "import pathlib, sys; from jupyter_modelserve import locks; kept = locks.take(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", f"{code}; print(1, flush=True); input()", str(paths.lock("controller"))]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"1\n"
    return child


async def test_a_process_that_nothing_is_told_of_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await ended(0, 0.01)
    assert not await ended(os.getpid(), 0.01)
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert not await ended(os.getpid(), 0.01)


def test_no_process_has_the_id_zero() -> None:
    assert not is_alive(0)
