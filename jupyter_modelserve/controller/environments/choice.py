"""Processes or containers: which engine a version is prepared for, said with the reason (architecture §6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from jupyter_modelserve.controller.engines.base import EngineError
from jupyter_modelserve.controller.environments.build import Progress
from jupyter_modelserve.controller.environments.images import ImageEnvironments
from jupyter_modelserve.controller.environments.resolve import Environments
from jupyter_modelserve.types import EngineChoice, Environment, EnvironmentKind


class ChosenEnvironments:
    """Environments of both kinds behind one door.

    Args:
        default: what counts where an endpoint names no engine.
        processes: environments on this machine.
        images: environments as images.
        usable: raises an engine's error when the Docker engine cannot be used.
        has_containers: whether an endpoint already runs containers.
    """

    def __init__(
        self,
        default: EngineChoice,
        processes: Environments,
        images: ImageEnvironments,
        usable: Callable[[], Awaitable[object]],
        has_containers: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._default = default
        self._processes = processes
        self._images = images
        self._usable = usable
        self._has_containers = has_containers

    async def resolve(
        self,
        directory: Path,
        *,
        progress: Progress,
        known: Sequence[str] = (),
        engine: EngineChoice | None = None,
        endpoint: str = "",
    ) -> Environment:
        """The environment for the model in *directory* on the engine that *engine* (or the setting) means.

        Raises:
            EnvironmentFailed: no environment can be had; one named cause.
        """
        asked = engine or self._default
        if asked is EngineChoice.AUTO:
            docker, reason = await self._judge(directory, endpoint)
            note = f"auto took {'docker' if docker else 'processes'}: {reason}"
            progress(note)
        else:
            docker, note = asked is EngineChoice.DOCKER, ""
        chosen = self._images if docker else self._processes
        return replace(await chosen.resolve(directory, progress=progress, known=known), chosen=note)

    async def still_valid(self, environment: Environment) -> bool:
        """Whether *environment* is what it was."""
        chosen = self._images if environment.kind is EnvironmentKind.IMAGE else self._processes
        return await chosen.still_valid(environment)

    async def close(self) -> None:
        """End the builds that are under way."""
        await self._processes.close()
        await self._images.close()

    async def _judge(self, directory: Path, endpoint: str) -> tuple[bool, str]:
        """Whether ``auto`` means containers, and why."""
        # What runs in containers stays there while the engine is away: away is not gone.
        if await self._has_containers(endpoint):
            return True, "the endpoint runs in containers already"
        try:
            await self._usable()
            missing = await self._images.base_missing(directory)
        except EngineError as error:
            return False, str(error)
        return (False, missing) if missing else (True, "the Docker engine answers and the base image is there")
