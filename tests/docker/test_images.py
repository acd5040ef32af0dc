"""Images of environments: built once, nothing secret in them, one named cause when they cannot be built."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.images import Images
from jupyter_modelserve.controller.environments import EnvironmentFailed, images_build
from jupyter_modelserve.controller.environments.images import ImageEnvironments
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Cause, EnvironmentKind, Failure
from tests.support import docker_engine
from tests.unit.environments.factory import wheel

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]
SECRET = "hunter2-in-the-address"
ENVIRON = {"PATH": "/usr/bin", "PIP_NO_INDEX": "1"}
"""Nothing but the directory of wheels counts, whatever this machine's configuration names."""


@pytest.fixture
def client() -> Iterator[DockerClient]:
    """A client for builds."""
    made = DockerClient(patience=600)
    yield made
    made.close()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A directory with wheels: all that these builds may use."""
    directory = tmp_path / "links"
    directory.mkdir()
    for name, version in (("mlflow_skinny", "3.0"), ("pandas", "2.0"), ("setuptools", "80.0"), ("tiny", "1.0")):
        wheel(directory, name, version)
    return directory


def model(tmp_path: Path, *requirements: str, python: str = "3.11") -> Path:
    directory = tmp_path / "model"
    directory.mkdir(exist_ok=True)
    (directory / "MLmodel").write_text(f"flavors:\n  python_function:\n    python_version: {python}\n")
    (directory / "requirements.txt").write_text(
        "".join(f"{each}\n" for each in (*requirements, "mlflow-skinny==3.0", "pandas==2.0"))
    )
    return directory


def settings(base: str, links: Path, **changes: object) -> Settings:
    return Settings(base_image=base, offline=True, find_links=str(links), **changes)  # type: ignore[arg-type]


async def failure(environments: ImageEnvironments, directory: Path) -> Failure:
    with pytest.raises(EnvironmentFailed) as caught:
        await environments.resolve(directory, progress=lambda _: None)
    return caught.value.failure


@pytest.mark.req("REQ-143", "REQ-159")
async def test_built_offline_from_a_directory_of_wheels_and_found_again(
    docker_base: str, client: DockerClient, paths: Paths, links: Path, tmp_path: Path, unique: str
) -> None:
    images = Images(client)
    wheel(links, f"only_{unique}", "1.0")
    environ = {**ENVIRON, "UV_INDEX_URL": f"https://user:{SECRET}@index.invalid/simple"}
    environments = ImageEnvironments(paths, settings(docker_base, links), images, environ)
    directory = model(tmp_path, "tiny==1.0", f"only_{unique}==1.0")
    heard: list[str] = []
    first = await environments.resolve(directory, progress=heard.append)
    assert (first.kind, first.python_version[:4]) == (EnvironmentKind.IMAGE, "3.11")
    assert any("resolved" in line for line in heard)
    again: list[str] = []
    assert await environments.resolve(directory, progress=again.append) == first
    assert again == ["reading requirements"]
    found = await images.find(f"{images_build.REPOSITORY}:{first.key}")
    assert found is not None
    with docker_engine.api() as api:
        shown = json.dumps([api.inspect_image(found.id), api.history(found.id), api.inspect_image(first.image)])
    assert SECRET not in shown
    assert SECRET not in environments.log_path(first.key).read_text()
    assert str(links) not in shown
    assert await environments.still_valid(first)
    assert await images.remove(first.image)
    assert not await environments.still_valid(first)
    assert await images.remove(found.tags[0])


async def test_two_who_need_the_same_share_one_build(
    docker_base: str, client: DockerClient, paths: Paths, links: Path, tmp_path: Path, unique: str
) -> None:
    images = Images(client)
    wheel(links, f"shared_{unique}", "1.0")
    environments = ImageEnvironments(paths, settings(docker_base, links), images, ENVIRON)
    directory = model(tmp_path, f"shared_{unique}")
    first, second = await asyncio.gather(
        *(environments.resolve(directory, progress=lambda _: None) for _ in range(2)),
    )
    assert first == second
    log = environments.log_path(first.key).read_text()
    assert log.count("uv venv") == 1
    for reference in (first.image, f"{images_build.REPOSITORY}:{first.key}"):
        assert await images.remove(reference)


@pytest.mark.req("REQ-050")
async def test_what_cannot_be_resolved_is_named(
    docker_base: str, client: DockerClient, paths: Paths, links: Path, tmp_path: Path
) -> None:
    environments = ImageEnvironments(paths, settings(docker_base, links), Images(client), ENVIRON)
    found = await failure(environments, model(tmp_path, "tiny==9.9"))
    assert found.cause is Cause.REQUIREMENT_UNRESOLVABLE
    assert "tiny==9.9" in found.message
    assert found.log_tail


async def test_a_base_with_another_python_is_named(
    client: DockerClient, paths: Paths, links: Path, tmp_path: Path, docker_base: str
) -> None:
    wrong = settings(docker_base.format(python="3.11"), links)
    found = await failure(
        ImageEnvironments(paths, wrong, Images(client), ENVIRON), model(tmp_path, "tiny", python="3.9")
    )
    assert found.cause is Cause.PYTHON_MISSING
    assert "Python 3.11" in found.message
    assert "needs Python 3.9" in found.message


async def test_a_base_that_is_not_there_is_named(
    docker_base: str, client: DockerClient, paths: Paths, links: Path, tmp_path: Path, unique: str
) -> None:
    environments = ImageEnvironments(
        paths, settings(f"localhost:1/none-{unique}:{{python}}", links), Images(client), ENVIRON
    )
    found = await failure(environments, model(tmp_path, "tiny"))
    assert found.cause is Cause.PYTHON_MISSING
    assert f"none-{unique}:3.11 is not there" in found.message


async def test_an_engine_that_is_away_is_named_and_tried_again(paths: Paths, links: Path, tmp_path: Path) -> None:
    away = DockerClient(f"unix://{tmp_path}/no.sock")
    found = await failure(
        ImageEnvironments(paths, settings("x:{python}", links), Images(away), ENVIRON),
        model(tmp_path, "tiny"),
    )
    away.close()
    assert (found.cause, found.message) == (
        Cause.ENGINE_UNAVAILABLE,
        "no Docker engine answers; is it installed and started?",
    )


async def test_a_build_has_a_time_limit_and_leaves_no_builder(
    docker_base: str, client: DockerClient, paths: Paths, links: Path, tmp_path: Path, unique: str
) -> None:
    wheel(links, f"late_{unique}", "1.0")
    hasty = settings(docker_base, links, build_timeout=0.05)
    found = await failure(ImageEnvironments(paths, hasty, Images(client), ENVIRON), model(tmp_path, f"late_{unique}"))
    assert found.cause is Cause.BUILD_TIMED_OUT
    deadline = asyncio.get_running_loop().time() + 30
    while await builders(unique):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def builders(_: str) -> list[str]:
    def look() -> list[str]:
        with docker_engine.api() as api:
            return [each["Id"] for each in api.containers(all=True, filters={"label": f"{labels.KIND}=builder"})]

    return await asyncio.to_thread(look)


@pytest.mark.req("REQ-136")
async def test_old_images_are_collected(
    docker_base: str, client: DockerClient, paths: Paths, links: Path, tmp_path: Path, unique: str
) -> None:
    images = Images(client)
    wheel(links, f"old_{unique}", "1.0")
    environments = ImageEnvironments(paths, settings(docker_base, links, image_keep=100.0), images, ENVIRON)
    found = await environments.resolve(model(tmp_path, f"old_{unique}"), progress=lambda _: None)
    now = environments.wanted[found.key]
    assert await environments.collect(now + 99, frozenset()) == []
    assert await environments.collect(now + 1000, frozenset({found.key})) == []
    assert await environments.collect(now + 1000, frozenset()) == [found.key]
    assert not await environments.still_valid(found)
