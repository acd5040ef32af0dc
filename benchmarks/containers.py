"""What containers cost beside processes: per request, from creation to READY, per image. Needs a Docker engine.

BENCH_BASE_IMAGE names the base image (default: the one that ``scripts/bootstrap.sh docker`` makes).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks import models, ours, servers
from benchmarks.ours import Ours
from jupyter_modelserve.client.verbs import specification
from jupyter_modelserve.controller.engines.docker import images
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.environments.images import ImageEnvironments
from jupyter_modelserve.settings import Paths, Settings

BASE = os.environ.get("BENCH_BASE_IMAGE", "modelserve-base:{python}")
TIMES = int(os.environ.get("BENCH_REPEATS", "3"))
REQUESTS = 500
_MIB = 1024 * 1024
Found = dict[str, list[float]]


def run(scratch: Path, trained: Mapping[str, models.Model]) -> Found:
    """Containers: request cost beside the process engine, start with a cached environment, image builds and sizes."""
    return {**_requests_and_starts(scratch, trained), **asyncio.run(_builds(scratch, trained["lr"]))}


# ---------------------------------------------------------------------------------------------------- serving
def _requests_and_starts(scratch: Path, trained: Mapping[str, models.Model]) -> Found:
    settings = f'engine = "docker"\nbase_image = "{BASE}"\n'
    model = trained["lr"]
    with ours.instance(scratch, "docker", settings) as contained, ours.instance(scratch, "process") as plain:
        for each in (contained, plain):
            ours.register(each, model, "lr")
            _serve(each)
        found: Found = {}
        for _ in range(TIMES):
            for name, each in (("process", plain), ("container", contained)):
                found.setdefault(f"one-row request to a {name}, p50, ms", []).append(_median_ms(each, model))
        started = found["container started → READY, image there"] = []
        again = found["process started → READY, environment there"] = []
        for _ in range(TIMES):
            started.append(_served_again(contained))
            again.append(_served_again(plain))
    return found


def _median_ms(where: Ours, model: models.Model) -> float:
    """Of :data:`REQUESTS` requests one after the other on one connection through the gateway."""
    server = where.server("lr")
    (body, *_) = models.bodies(model, models.ONE, server.encode)
    took = []
    with closing(servers.Plain(server.address)) as connection:
        for number in range(REQUESTS + 50):
            begun = time.perf_counter()
            status, text = connection.ask(server, body)
            if status != 200:
                raise RuntimeError(f"HTTP {status}: {text[:200]}")
            if number >= 50:
                took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000


def _served_again(where: Ours) -> float:
    """Seconds from asking for an endpoint, whose environment is there, until it is READY."""
    with where.client() as client:
        client.delete_endpoint("lr")
        client.wait_gone("lr", 60)
    begun = time.perf_counter()
    _serve(where)
    return time.perf_counter() - begun


def _serve(where: Ours) -> None:
    """As any endpoint, but with time for an image to be built first."""
    with where.client() as client:
        endpoint = client.put_endpoint(specification("lr/1", "lr"))
        client.wait_ready("lr", endpoint.generation, 900)


# ---------------------------------------------------------------------------------------------------- images
async def _builds(scratch: Path, model: models.Model) -> Found:
    """Images of an environment that nobody has yet, with an empty package cache and a full one, and their sizes."""
    found: Found = {"environment image, empty package cache": [], "environment image, full package cache": []}
    paths = Paths(scratch / "images")
    paths.create()
    with closing(DockerClient(patience=3600.0)) as client:
        bricks = images.Images(client)
        for repetition in range(TIMES):
            with _own_cache(client):
                for number, times in enumerate(found.values()):
                    # One more requirement that is there anyway makes it another environment.
                    directory = _variant(scratch, model, f"packaging>={20 + number}.{repetition}")
                    environments = ImageEnvironments(paths, Settings(base_image=BASE), bricks)
                    begun = time.perf_counter()
                    made = await environments.resolve(directory, progress=lambda _: None)
                    times.append(time.perf_counter() - begun)
                    size = await _forget(bricks, made.key, made.image)
        base = await bricks.find(BASE.format(python=made.python_version.rpartition(".")[0] or made.python_version))
    sizes = {"environment image, MiB": [size / _MIB]}
    return {**found, **sizes, **({"of which base image, MiB": [base.size / _MIB]} if base else {})}


@contextmanager
def _own_cache(client: DockerClient) -> Iterator[None]:
    """A package cache of this run's, so that the one that everybody shares is neither used nor lost."""
    shared, images.CACHE_VOLUME = images.CACHE_VOLUME, f"modelserve-bench-{secrets.token_hex(4)}"  # type: ignore[misc]
    try:
        yield
    finally:
        own, images.CACHE_VOLUME = images.CACHE_VOLUME, shared  # type: ignore[misc]
        client.blocking(lambda api: api.remove_volume(own))


def _variant(scratch: Path, model: models.Model, requirement: str) -> Path:
    directory = scratch / f"variant-{secrets.token_hex(4)}"
    shutil.copytree(model.directory, directory)
    with (directory / "requirements.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"\n{requirement}\n")
    return directory


async def _forget(bricks: images.Images, key: str, image: str) -> int:
    """Remove the images of an environment; returns the size of the larger one in bytes."""
    replica = await bricks.find(image)
    environment = await bricks.find(f"modelserve/environment:{key}")
    for each in (image, f"modelserve/environment:{key}"):
        await bricks.remove(each)
    return max((each.size for each in (replica, environment) if each is not None), default=0)
