"""What tests of the Docker engine share: the engine, a base image, a replica's image, and a look into containers."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from jupyter_modelserve.controller.engines.base import Engine, EngineError
from jupyter_modelserve.controller.engines.docker import labels, runtime
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.images import Image, Images
from jupyter_modelserve.controller.engines.together import DOCKER, Engines
from jupyter_modelserve.settings import Paths

T = TypeVar("T")

BASE = "modelserve-base:{python}"
"""Made by ``scripts/bootstrap.sh docker``, because no test may need a registry."""
INTERPRETER = "/usr/bin/python3"


def client() -> DockerClient:
    """A client of the engine on this machine."""
    return DockerClient()


@contextmanager
def api(host: str = "") -> Iterator[Any]:
    """The SDK's own client, to look at what really is there; *host*: an engine other than this machine's."""
    import docker

    with closing(docker.APIClient(base_url=host or None, version="auto")) as found:
        yield found


def available() -> str:
    """Why the tests cannot run here; empty when they can."""
    try:
        with closing(client()) as found:
            found.blocking(lambda api: api.inspect_image(BASE.format(python="3.11")))
    except EngineError as error:
        return f"a Docker engine with the image {BASE.format(python='3.11')} ({error})"
    return ""


def in_a_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run *work* in an event loop of its own, also from where one runs already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


async def make_image() -> str:
    """An image with our program and nothing but the standard library; returns its id."""
    with closing(client()) as made:
        images = Images(made)
        base = await images.find(BASE.format(python="3.11"))
        assert isinstance(base, Image)
        return (await runtime.with_runtime(images, base, "bare", INTERPRETER)).id


def read(image: str, engine: Engine, replica: str, path: str) -> bytes:
    """The content of a file where a replica sees it: on this machine, or in its container."""
    if not image:
        return Path(path).read_bytes()
    if isinstance(engine, Engines):
        engine = engine.engine(DOCKER)
    with api() as found:
        chunks, _ = found.get_archive(engine._name(replica), path)  # type: ignore[attr-defined]
        data = b"".join(chunks)
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        member = opened.next()
        assert member is not None
        file = opened.extractfile(member)
        assert file is not None
        return file.read()


def unique() -> str:
    """A name that no other run on this engine uses at the moment."""
    return os.urandom(4).hex()


def instance_id(paths: Paths) -> str:
    """The id that an instance's containers carry."""
    return str(json.loads(paths.instance_file.read_text())["instance_id"])


def containers(instance: str, endpoint: str = "", host: str = "") -> list[dict[str, Any]]:
    """Inspected containers of an instance, or of one endpoint of it."""
    marks = [f"{labels.INSTANCE}={instance}", *([f"{labels.ENDPOINT}={endpoint}"] if endpoint else [])]
    with api(host) as found:
        return [found.inspect_container(each["Id"]) for each in found.containers(all=True, filters={"label": marks})]


def left_of(instance: str, host: str = "") -> list[str]:
    """Names of containers and volumes of an instance that are still there."""
    with api(host) as found:
        volumes = found.volumes(filters={"label": f"{labels.INSTANCE}={instance}"})["Volumes"] or []
    return [str(each["Name"]) for each in [*containers(instance, host=host), *volumes]]


def run_inside(container: str, *command: str) -> str:
    """Output of a command in a container, as the user that the model is."""
    with api() as found:
        made = found.exec_create(container, list(command))
        return str(found.exec_start(made["Id"]).decode())
