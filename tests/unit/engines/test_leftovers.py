"""What runs for nobody is ended; what only looks so is not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_modelserve.controller import orphans
from jupyter_modelserve.controller.engines.base import EngineUnavailable, ReplicaSpec
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.engine import DockerEngine
from jupyter_modelserve.controller.engines.docker.maker import Maker
from jupyter_modelserve.controller.engines.together import DOCKER, PROCESS, Engines
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState
from tests.support.fake_engine import FakeEngine


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    return found


async def test_replicas_of_endpoints_that_do_not_exist_are_ended(paths: Paths) -> None:
    fake = FakeEngine()
    engines = Engines({PROCESS: fake, DOCKER: FakeEngine()})
    docker = DockerEngine(paths, "instance", DockerClient(f"unix://{paths.home}/no.sock"))
    for replica, endpoint in (("a", "known"), ("b", "forgotten"), ("c", "check !"), ("d", "forgotten"), ("e", "")):
        await engines.ensure(ReplicaSpec(replica * 12, endpoint, "e1", sys.executable))
    fake.become("d" * 12, ReplicaState.CREATING)
    order: list[str] = []

    async def known() -> frozenset[str]:
        order.append("known")
        assert ("observe", "") in fake.calls, "what runs is looked at first"
        return frozenset({"known"})

    await orphans.sweep(engines, docker, known)
    assert sorted(fake.replicas) == [each * 12 for each in "acde"]
    assert order == ["known"]
    await docker.close()


async def test_an_engine_that_is_away_ends_nothing(paths: Paths) -> None:
    fake = FakeEngine()
    engines = Engines({PROCESS: fake})
    await engines.ensure(ReplicaSpec("b" * 12, "forgotten", "e1", sys.executable))
    fake.failures["observe"] = EngineUnavailable("away")

    async def known() -> frozenset[str]:
        return frozenset()

    docker = DockerEngine(paths, "instance", DockerClient(f"unix://{paths.home}/no.sock"))
    with pytest.raises(EngineUnavailable):
        await orphans.sweep(engines, docker, known)
    assert list(fake.replicas) == ["b" * 12]
    await docker.close()


async def test_the_sweep_goes_on_after_a_database_that_could_not_be_read(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "EVERY", 0.0)
    fake = FakeEngine()
    docker = DockerEngine(paths, "instance", DockerClient(f"unix://{paths.home}/no.sock"))
    again = asyncio.Event()
    asked: list[None] = []

    async def known() -> frozenset[str]:
        asked.append(None)
        if len(asked) == 1:
            raise OSError("the database is locked")
        again.set()
        return frozenset()

    task = asyncio.create_task(orphans.keep(Engines({PROCESS: fake}), docker, known))
    async with asyncio.timeout(10):
        await again.wait()
    task.cancel()
    await docker.close()


def test_a_builder_is_abandoned_when_the_process_that_made_it_is_gone(tmp_path: Path) -> None:
    maker = Maker("0123456789abcdef", tmp_path)
    code = (
        "import sys; from pathlib import Path; from jupyter_modelserve.controller.engines.docker.maker import Maker; "
        "print(Maker('0123456789abcdef', Path(sys.argv[1])).name(), flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert name.startswith(maker.prefix)
    assert not maker.orphaned(f"/{name}")
    process.communicate("\n", timeout=10)
    assert maker.orphaned(f"/{name}")
    assert not Maker("another-instance", tmp_path).orphaned(f"/{name}")
    # Our own command line does not name the home, so only the form of the name is judged here.
    assert not maker.orphaned(f"/modelserve-{maker.instance_id[:8]}-aaaaaaaaaaaa")
    assert not maker.orphaned(f"/somebodys-{os.getpid()}")
