"""The engines of an instance and the environments that go with them, put together once.

Docker is always there as a possibility and costs nothing until an endpoint asks for it: its SDK is imported, and its
engine is spoken to, by the first container.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from jupyter_modelserve.controller import orphans
from jupyter_modelserve.controller.engines.base import Engine, EngineError
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.engine import DockerEngine
from jupyter_modelserve.controller.engines.docker.images import Images
from jupyter_modelserve.controller.engines.docker.maker import Maker
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.controller.engines.together import DOCKER, PROCESS, Engines
from jupyter_modelserve.controller.environments.choice import ChosenEnvironments
from jupyter_modelserve.controller.environments.images import ImageEnvironments
from jupyter_modelserve.controller.environments.resolve import Environments
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import EngineChoice

_COLLECT_EVERY: Final = 6 * 3600.0
log = logging.getLogger(__name__)


class Machinery:
    """Engines as one, and environments for each of them."""

    def __init__(self, paths: Paths, settings: Settings, instance_id: str) -> None:
        self._docker = DockerEngine(paths, instance_id, DockerClient(settings.docker_host))
        # Builds and pulls are silent for minutes; the engine's own calls must not wait as long.
        self._builders = DockerClient(settings.docker_host, patience=settings.build_timeout)
        self._images = ImageEnvironments(paths, settings, Images(self._builders, Maker(instance_id, paths.home)))
        processes = ProcessEngine(paths, instance_id)
        # The first one is the default, whose isolation the instance's status shows.
        engines: dict[str, Engine] = {DOCKER: self._docker, PROCESS: processes}
        order = (DOCKER, PROCESS) if settings.engine == DOCKER else (PROCESS, DOCKER)
        self.engines = Engines({name: engines[name] for name in order})
        self.environments = ChosenEnvironments(
            EngineChoice(settings.engine),
            Environments(paths, settings),
            self._images,
            self._docker.machine,
            self._docker.serves,
        )
        # Checks must see what is missing, so they never borrow; what they build is there for serving afterwards.
        self.clean = ChosenEnvironments(
            EngineChoice(settings.engine),
            Environments(paths, replace(settings, borrow=False)),
            self._images,
            self._docker.machine,
            self._docker.serves,
        )

    async def keep(self, wake: Callable[[], None], known: orphans.Known) -> None:
        """Pass the engines' hints on to *wake*, and remove old images and what belongs to no endpoint (*known* are
        the names of all) now and then; until cancelled.
        """
        await asyncio.gather(self._listen(wake), self._collect(), orphans.keep(self.engines, self._docker, known))

    async def close(self) -> None:
        """Let go of everything; replicas keep running."""
        await self.environments.close()
        await self.clean.close()
        await self.engines.close()
        self._builders.close()

    async def _listen(self, wake: Callable[[], None]) -> None:
        while True:
            await self.engines.changed()
            wake()

    async def _collect(self) -> None:
        while True:
            if await self._docker.in_use():
                try:
                    used = frozenset(each.environment_key for each in await self._docker.observe())
                    for key in await self._images.collect(time.time(), used):
                        log.info("removed the image of environment %s: nothing has needed it for long", key)
                except EngineError as error:
                    log.info("images are not collected now: %s", error)
            await asyncio.sleep(_COLLECT_EVERY)
