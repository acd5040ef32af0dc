"""What killed controllers leave behind in Docker goes: volumes, records, builders, and whole containers at ``down``."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines.base import EngineError, ReplicaSpec
from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.docker.engine import DockerEngine
from jupyter_modelserve.controller.engines.docker.images import Bench, Images
from jupyter_modelserve.controller.engines.docker.maker import Maker
from jupyter_modelserve.launcher.containers import stop_containers
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import ReplicaState
from tests.support import docker_engine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
ID = "0123456789ab"


@pytest.fixture
def paths(tmp_path: Path, unique: str) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    found.instance_file.write_text(json.dumps({"instance_id": unique, "port": 1, "nonce": "n"}))
    return found


@pytest.fixture
async def engine(paths: Paths, unique: str, replica_image: str) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(paths, unique, docker_engine.client())
    await made.ensure(ReplicaSpec(ID, "iris", "e1", docker_engine.INTERPRETER, image=replica_image))
    deadline = time.monotonic() + 30
    while (await made.observe())[0].state is not ReplicaState.READY:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    yield made
    with suppress(EngineError):
        await made.stop(ID, 0.0)
    await made.close()


async def test_volumes_and_records_without_a_container_go(engine: DockerEngine, paths: Paths, unique: str) -> None:
    name = labels.name(unique, ID)
    assert await engine.sweep(frozenset()) == [], "what runs is no leftover"
    assert [each.state for each in await engine.observe()] == [ReplicaState.READY]
    with docker_engine.api() as api:
        api.remove_container(name, force=True)
    assert await engine.sweep(frozenset({"iris"})) == [name]
    assert docker_engine.left_of(unique) == []
    (paths.containers / ID).mkdir()
    shutil.copy(_record(paths, unique), paths.containers / ID / "replica.json")
    assert await engine.sweep(frozenset({"iris"})) == [], "the record of an endpoint that exists stays"
    assert await engine.sweep(frozenset()) == [name]
    assert not (paths.containers / ID).exists()


def _record(paths: Paths, unique: str) -> Path:
    from jupyter_modelserve.controller.engines.records import Record

    spec = ReplicaSpec(ID, "iris", "e1", docker_engine.INTERPRETER, image="i")
    Record.new(spec, unique, paths.replica_sockets / ID, time.time()).write(paths.home)
    return paths.home / "replica.json"


async def test_down_ends_containers_whose_controller_was_killed(
    engine: DockerEngine, paths: Paths, unique: str
) -> None:
    began = time.monotonic()
    assert await asyncio.to_thread(stop_containers, paths, 2)
    assert docker_engine.left_of(unique) == []
    assert not (paths.containers / ID).exists()
    assert time.monotonic() - began < 20


async def test_an_abandoned_builder_is_removed_by_the_next_one(docker_base: str, tmp_path: Path, unique: str) -> None:
    code = (
        "import sys; from pathlib import Path; from jupyter_modelserve.controller.engines.docker.maker import Maker; "
        "print(Maker(sys.argv[1], Path(sys.argv[2])).name())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, unique, str(tmp_path)], capture_output=True, text=True, check=True
    )
    abandoned, base = done.stdout.strip(), docker_base.format(python="3.11")
    client = docker_engine.client()
    with docker_engine.api() as api:
        marks = {labels.KIND: "builder"}
        made = api.create_container(base, ["sleep", "600"], name=abandoned, labels=marks)["Id"]
        stranger = api.create_container(base, ["sleep", "600"], labels=marks)["Id"]
        try:
            images = Images(client, Maker(unique, tmp_path))
            async with images.builder(Bench(base, network="none")) as builder:
                assert await builder.run(["true"], lambda _: None) == 0
            there = {each["Id"] for each in api.containers(all=True)}
            assert made not in there
            assert stranger in there
        finally:
            for each in {made, stranger} & {found["Id"] for found in api.containers(all=True)}:
                api.remove_container(each, force=True)
            client.close()
