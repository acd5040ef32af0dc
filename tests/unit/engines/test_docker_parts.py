"""The pure parts of the Docker engine: errors, archives, surroundings, and several engines as one."""

from __future__ import annotations

import errno
import io
import sys
import tarfile
from pathlib import Path

import pytest

from jupyter_modelserve.controller.digests import digest
from jupyter_modelserve.controller.engines.base import (
    EngineConflict,
    EngineError,
    EngineRejected,
    EngineUnavailable,
    ReplicaSpec,
)
from jupyter_modelserve.controller.engines.docker import archive
from jupyter_modelserve.controller.engines.docker.client import DockerClient, Missing, translate
from jupyter_modelserve.controller.engines.docker.surroundings import check
from jupyter_modelserve.controller.engines.together import DOCKER, PROCESS, Engines
from tests.support.fake_engine import FakeEngine


class Refusal(Exception):
    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.response = type("Response", (), {"status_code": status})()
        self.explanation = explanation


@pytest.mark.parametrize(
    ("status", "text", "kind", "message"),
    [
        (404, "No such image: x", Missing, "No such image"),
        (409, "in use", EngineConflict, "in use"),
        (400, "bad", EngineRejected, "refuses: bad"),
        (500, "write: no space left on device", EngineUnavailable, "disk is full"),
        (500, "boom", EngineUnavailable, "failed: boom"),
    ],
)
def test_the_engines_words_become_ours(status: int, text: str, kind: type[EngineError], message: str) -> None:
    found = translate(Refusal(status, text))
    assert type(found) is kind
    assert message in str(found)


def test_who_may_not_is_told_what_to_do(tmp_path: Path) -> None:
    assert "group" in str(translate(PermissionError(13, "Permission denied")))
    client = DockerClient(f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineUnavailable, match="installed and started"):
        client.blocking(lambda api: api.info())
    client.close()


def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    (directory / "data").mkdir(parents=True)
    (directory / "MLmodel").write_text("flavors: {}\n")
    (directory / "data" / "weights.bin").write_bytes(b"\0" * 1500)
    (directory / ("long" * 40)).write_text("x")
    return directory


def test_an_archive_holds_the_files_for_everybody_to_read_as_roots(tmp_path: Path) -> None:
    directory = model(tmp_path)
    data = b"".join(archive.stream(archive.walk(directory), "w1", digest(directory)))
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        members = {each.name: each for each in opened.getmembers()}
        found = opened.extractfile("w1/data/weights.bin")
        assert found is not None
        assert found.read() == b"\0" * 1500
    assert set(members) == {"w1", "w1/MLmodel", "w1/data", "w1/data/weights.bin", f"w1/{'long' * 40}"}
    assert all((each.uid, each.gid) == (0, 0) for each in members.values())
    assert members["w1"].mode == 0o755
    assert members["w1/MLmodel"].mode == 0o644


def test_files_that_changed_meanwhile_are_refused(tmp_path: Path) -> None:
    directory = model(tmp_path)
    before = digest(directory)
    (directory / "MLmodel").write_text("other\n")
    with pytest.raises(EngineRejected, match="changed"):
        list(archive.stream(archive.walk(directory), "w1", before))


def test_what_cannot_be_read_is_refused_by_name_and_not_taken_for_a_silent_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = model(tmp_path)
    found = archive.walk(directory)
    (directory / "data" / "weights.bin").unlink()
    with pytest.raises(EngineRejected, match=r"model file 'w1/data/weights.bin' cannot be read: No such file"):
        list(archive.stream(found, "w1"))

    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(directory / "data"))

    monkeypatch.setattr(archive, "files", denied)
    with pytest.raises(EngineRejected, match=r"model file 'data' cannot be read: Permission denied"):
        archive.walk(directory)


def test_a_mark_is_read_back() -> None:
    assert archive.first_file(archive.text("w1.digest", "abc")) == "abc"


@pytest.mark.parametrize(
    ("host", "info", "message"),
    [
        ("tcp://far:2375", {"OSType": "linux"}, "must be on this machine"),
        ("unix:///x", {"OSType": "windows"}, "Linux only"),
        ("unix:///x", {"OSType": "linux", "OperatingSystem": "Docker Desktop"}, "Docker Desktop"),
        ("unix:///x", {"OSType": "linux", "SecurityOptions": ["name=seccomp", "name=rootless"]}, "shifts user ids"),
    ],
)
def test_engines_that_cannot_be_used_are_refused_with_a_sentence(
    host: str, info: dict[str, object], message: str
) -> None:
    with pytest.raises(EngineRejected, match=message):
        check(host, info)


class Forgetful(FakeEngine):
    """A Docker engine with a memory: what it remembers while it is away."""

    async def recall(self) -> tuple[object, ...]:
        return tuple(self.replicas.values())


async def test_each_replica_belongs_to_the_engine_of_its_specification() -> None:
    processes, containers = FakeEngine(), FakeEngine()
    engines = Engines({PROCESS: processes, DOCKER: containers})
    await engines.ensure(ReplicaSpec("aaaaaaaaaaaa", "one", "e1", sys.executable))
    await engines.ensure(ReplicaSpec("bbbbbbbbbbbb", "two", "e1", sys.executable, image="i"))
    assert (list(processes.replicas), list(containers.replicas)) == (["aaaaaaaaaaaa"], ["bbbbbbbbbbbb"])
    assert {each.id for each in await engines.observe()} == {"aaaaaaaaaaaa", "bbbbbbbbbbbb"}
    await engines.stop("bbbbbbbbbbbb", 0.0)
    assert (list(processes.replicas), list(containers.replicas)) == (["aaaaaaaaaaaa"], [])
    again = Engines({PROCESS: processes, DOCKER: containers})
    await again.observe()
    await again.stop("aaaaaaaaaaaa", 0.0)
    assert not processes.replicas


async def test_an_engine_that_is_away_answers_from_memory_or_not_at_all() -> None:
    processes, containers = FakeEngine(), Forgetful()
    engines = Engines({PROCESS: processes, DOCKER: containers})
    await engines.ensure(ReplicaSpec("bbbbbbbbbbbb", "two", "e1", sys.executable, image="i"))
    containers.failures["observe"] = EngineUnavailable("away")
    assert [(each.id, each.remembered) for each in await engines.observe()] == [("bbbbbbbbbbbb", True)]
    assert [each.remembered for each in await engines.observe()] == [False]
    containers.failures["observe"] = EngineUnavailable("away")
    processes.failures["observe"] = EngineUnavailable("away")
    with pytest.raises(EngineUnavailable):
        await engines.observe()
