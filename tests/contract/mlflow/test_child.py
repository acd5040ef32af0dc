"""The supervisor: keeps the child running, and never leaves one behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from jupyter_modelserve.controller import mlflow_child
from jupyter_modelserve.controller.mlflow_child import MlflowChild
from jupyter_modelserve.launcher import private, spawning
from jupyter_modelserve.settings import Paths, Settings
from tests.contract.mlflow.conftest import gateway_client, prepare, spawn


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until *condition* holds; fails after *seconds*."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def supervised(paths: Paths, argv: list[str] | None = None) -> AsyncIterator[MlflowChild]:
    """A child under supervision; the supervisor is cancelled at the end."""
    paths.create()
    child = MlflowChild(paths, Settings(), argv=argv)
    assert (child.state, child.pid) == ("stopped", None)
    task = asyncio.create_task(child.run())
    try:
        yield child
    except BaseException as error:
        error.add_note("\n".join(spawning.tail(spawning.log_file(paths, "mlflow"), 30)))
        raise
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_it_runs_answers_is_restarted_and_ends(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_child, "_BACKOFF_S", (0.05,))
    paths.create()
    await prepare(paths)
    async with supervised(paths) as child:
        await until(lambda: child.state == "running")
        first = child.pid
        assert first is not None
        with gateway_client(paths) as http:
            assert http.get("/version").status_code == 200
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.state == "running" and child.pid not in {None, first})
        with gateway_client(paths) as http:
            assert http.get("/api/2.0/mlflow/experiments/get?experiment_id=0").status_code == 200
        last = child.pid
    assert (child.state, child.pid) == ("stopped", None)
    assert last is not None
    assert not psutil.pid_exists(last)


async def test_back_off_grows(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def record(seconds: float) -> None:
        if seconds >= 1:
            pauses.append(seconds)
        await real(0)

    monkeypatch.setattr("jupyter_modelserve.controller.mlflow_child.asyncio.sleep", record)
    async with supervised(paths, argv=[sys.executable, "-c", "raise SystemExit(1)"]) as child:
        async with asyncio.timeout(30):
            while len(pauses) < 6:
                await real(0.01)
        assert child.state == "starting"
    assert pauses[:6] == [1, 2, 5, 10, 30, 30]


_PARENT = """
import asyncio, sys
from pathlib import Path
from jupyter_modelserve.controller.mlflow_child import MlflowChild
from jupyter_modelserve.settings import Paths, Settings

async def main():
    child = MlflowChild(Paths(Path(sys.argv[1])), Settings())
    task = asyncio.create_task(child.run())
    while child.state != "running":
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await task

asyncio.run(main())
"""


async def test_an_orphan_ends_within_two_seconds_and_leaves_the_new_one_alone(paths: Paths) -> None:
    paths.create()
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(paths.home)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    orphan = psutil.Process(int(await asyncio.to_thread(parent.stdout.readline)))
    # Stopped, so that it is still there while the new child starts: the worst case.
    orphan.suspend()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    async with supervised(paths) as child:
        await until(lambda: child.state == "running")
        orphan.resume()
        begun = time.monotonic()
        await until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE, 5)
        assert time.monotonic() - begun < 2
        answer = private.request(paths.mlflow_socket, "GET", "/health")
        assert answer == (200, b"OK")


def test_a_child_killed_while_it_makes_the_database_leaves_a_usable_one(paths: Paths) -> None:
    paths.create()
    with contextlib.closing(sqlite3.connect(paths.database)) as ours:
        ours.execute("CREATE TABLE modelserve_meta (name TEXT)")
        ours.commit()
    for _ in range(3):
        process = spawn(paths)
        while process.poll() is None and not list(paths.home.glob("tmp/schema-*/new.db")):
            time.sleep(0.002)
        process.kill()
        process.communicate()
        with contextlib.closing(sqlite3.connect(paths.database)) as found:
            tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables == {"modelserve_meta"}
    process = spawn(paths)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.communicate(timeout=10)
    with contextlib.closing(sqlite3.connect(paths.database)) as found:
        tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"modelserve_meta", "registered_models", "alembic_version"} <= tables
    assert not list(paths.home.glob("tmp/schema-*"))
