"""A model's directory in, an image that holds its environment out: what :mod:`resolve` is for containers.

Images are content-addressed: base image, Python, requirements. One is built once per engine, whoever needs it, and
shared by all versions and models that declare the same; model files never go in.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jupyter_modelserve.controller.engines.base import EngineError, EngineUnavailable
from jupyter_modelserve.controller.engines.docker import labels, runtime
from jupyter_modelserve.controller.engines.docker.images import Image, Images
from jupyter_modelserve.controller.environments import EnvironmentFailed, images_build
from jupyter_modelserve.controller.environments.images_build import INTERPRETER, ImageJob, Progress
from jupyter_modelserve.controller.environments.resolve import read_declared
from jupyter_modelserve.controller.environments.running import BuildLog
from jupyter_modelserve.controller.environments.sharing import Shared
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Cause, Environment, EnvironmentKind, Failure

_LAYOUT: Final = "1"
"""Grows when images are made in another way, so that old ones are not taken for new ones."""


class ImageEnvironments:
    """Finds or builds the image of a model's environment; one object per controller.

    Args:
        paths: logs of builds go there.
        settings: base image, network, certificates and the like.
        images: of the engine.
        environ: where pip's and uv's configuration is looked for.
    """

    def __init__(
        self, paths: Paths, settings: Settings, images: Images, environ: Mapping[str, str] | None = None
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._images = images
        self._environ = os.environ if environ is None else environ
        self._builds: Shared[Image] = Shared()
        self.wanted: dict[str, float] = {}

    async def resolve(self, directory: Path, *, progress: Progress, known: Sequence[str] = ()) -> Environment:
        """The image for the MLflow model in *directory*; *known* interpreters are of no use here.

        Raises:
            EnvironmentFailed: no image can be had; one named cause with the last log lines.
        """
        del known
        progress("reading requirements")
        declared, content = await asyncio.to_thread(read_declared, directory)
        try:
            base = await self._base(declared.minor, progress)
            key = hashlib.sha256(f"{_LAYOUT}\0{base.id}\0{content}".encode()).hexdigest()[:32]
            found = await self._images.find(f"{images_build.REPOSITORY}:{key}")
            if found is None:
                job = ImageJob(base, declared, key, directory, self._environ)
                found = await self._builds.run(key, lambda tell: self._build(job, tell), progress)
            ready = await self._builds.run(f"{key} runtime", lambda _: self._runtime(found, key), progress)
        except EngineError as error:
            raise EnvironmentFailed(_engine_failed(error)) from None
        self.wanted[key] = time.time()
        python = found.labels.get(images_build.PYTHON, declared.minor)
        return Environment(key, EnvironmentKind.IMAGE, INTERPRETER, python, declared.warnings, ready.tags[0])

    async def still_valid(self, environment: Environment) -> bool:
        """Whether the image is still there. An engine that is away says nothing about it."""
        try:
            return await self._images.find(environment.image) is not None
        except EngineError:
            return True

    async def base_missing(self, directory: Path) -> str:
        """Why the base image for a model is not to be had without a pull; empty when it is there.

        Raises:
            EngineUnavailable: the engine is away.
        """
        declared, _ = await asyncio.to_thread(read_declared, directory)
        reference = self._reference(declared.minor)
        return "" if await self._images.find(reference) else f"the base image {reference} is not there"

    def log_path(self, key: str) -> Path:
        """The full log of the build with that key."""
        return self._paths.logs / f"image-{key}.log"

    async def collect(self, now: float, used: frozenset[str]) -> list[str]:
        """Remove images that nothing has needed for the time of the setting ``image_keep``; returns their keys.

        *used* are keys of environments that run now. What a container holds on to stays in any case.
        """
        stamps = await asyncio.to_thread(_stamps, self._paths.logs)
        removed = []
        found = [*await self._images.listing("replica"), *await self._images.listing("environment")]
        for image in found:
            key = image.labels.get(labels.ENVIRONMENT, "")
            last = max(self.wanted.get(key, 0.0), stamps.get(key, 0.0))
            if key in used or not last or now - last < self._settings.image_keep:
                continue
            if await self._images.remove(image.tags[0] if image.tags else image.id):
                removed.append(key)
        return list(dict.fromkeys(removed))

    async def close(self) -> None:
        """End the builds that are under way, with their containers."""
        await self._builds.close()

    # ------------------------------------------------------------------------------------------------ base
    def _reference(self, minor: str) -> str:
        return self._settings.base_image.replace("{python}", minor)

    async def _base(self, minor: str, progress: Progress) -> Image:
        reference = self._reference(minor)
        found = await self._images.find(reference)
        if found is None:
            progress(f"fetching the base image {reference}")
            problem = ""
            try:
                await self._images.pull(reference, progress)
                found = await self._images.find(reference)
            except EngineError as error:
                problem = f": {error}"
            if found is None:
                raise EnvironmentFailed(
                    Failure(
                        Cause.PYTHON_MISSING,
                        f"the base image {reference} is not there and cannot be fetched{problem}",
                        "Load it (docker load, docker pull), or name another one in the setting base_image.",
                    )
                )
        return found

    # ------------------------------------------------------------------------------------------------ build
    async def _build(self, job: ImageJob, progress: Progress) -> Image:
        log = BuildLog(self.log_path(job.key))
        try:
            async with asyncio.timeout(self._settings.build_timeout):
                return await images_build.build(self._images, self._settings, job, log, progress)
        except TimeoutError:
            raise EnvironmentFailed(
                Failure(
                    Cause.BUILD_TIMED_OUT,
                    f"the environment was not built in {self._settings.build_timeout:g} s",
                    "Look at the log for the slow step, or raise the setting build_timeout.",
                    tuple(log.lines)[-20:],
                )
            ) from None
        finally:
            log.close()

    async def _runtime(self, environment: Image, key: str) -> Image:
        return await runtime.with_runtime(self._images, environment, key, INTERPRETER)


def _engine_failed(error: EngineError) -> Failure:
    if isinstance(error, EngineUnavailable):
        hint = "it is tried again by itself; `jupyter modelserve doctor` says more"
        return Failure(Cause.ENGINE_UNAVAILABLE, str(error), hint)
    return Failure(Cause.ENGINE_REJECTED, str(error))


def _stamps(logs: Path) -> dict[str, float]:
    """When an image was built here, by key: the time of its log."""
    return {each.stem.removeprefix("image-"): each.stat().st_mtime for each in logs.glob("image-*.log")}
