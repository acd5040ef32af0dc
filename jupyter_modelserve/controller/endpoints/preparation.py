"""Makes a selected version ready to be loaded: files, digest, environment."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from jupyter_modelserve.controller import digests
from jupyter_modelserve.controller.endpoints.view import Key, Prepared
from jupyter_modelserve.controller.engines.base import Compute, replica_id
from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.registry import files
from jupyter_modelserve.controller.store import knowledge
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Cause, EngineChoice, Environment, Failure, ModelVersion

Progress: TypeAlias = Callable[[str, str], None]
"""Called with a phase and one line about it."""


class PreparationFailed(Exception):
    """The version cannot be made ready; ``failure`` is the one named cause."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Wish:
    """How a version shall run: on which engine (``None``: as the setting says), with what compute and tags."""

    engine: EngineChoice | None = None
    compute: Compute = field(default_factory=Compute)
    tags: tuple[tuple[str, str], ...] = ()


class Resolver(Protocol):
    """What is needed of :class:`jupyter_modelserve.controller.environments.choice.ChosenEnvironments`."""

    async def resolve(
        self,
        directory: Path,
        *,
        progress: Callable[[str], None],
        known: Sequence[str] = (),
        engine: EngineChoice | None = None,
        endpoint: str = "",
    ) -> Environment:
        """An environment for the model in *directory*; raises EnvironmentFailed."""
        ...

    async def still_valid(self, environment: Environment) -> bool:
        """Whether *environment* is what it was."""
        ...


class Preparer:
    """Prepares versions; holds nothing of its own, so that preparing twice gives the same answer."""

    def __init__(self, instance_id: str, paths: Paths, database: Database, environments: Resolver) -> None:
        self._instance_id = instance_id
        self._paths = paths
        self._database = database
        self._environments = environments

    async def still_valid(self, prepared: Prepared) -> bool:
        """Whether the environment of *prepared* is what it was when it was resolved."""
        return await self._environments.still_valid(prepared.environment)

    async def prepare(
        self,
        endpoint: str,
        version: ModelVersion,
        settings_key: str,
        replicas: int,
        progress: Progress,
        wish: Wish = Wish(),
    ) -> Prepared:
        """Bring *version* to the point where a replica can load it.

        Args:
            endpoint: the endpoint that wants it; replicas are its own.
            version: as registered.
            settings_key: text of the endpoint's settings that a worker is started with; another text, another worker.
            replicas: how many replicas it shall run in.
            progress: told about the phases ``resolve`` and ``environment``.
            wish: engine, compute and tags; other compute or tags are another replica, on an engine that has them.

        Raises:
            PreparationFailed: with the one named cause.
        """
        progress("resolve", "finding the model's files")
        try:
            directory = await self._files(version)
            checked = time.monotonic()
            digest = await self._checked_digest(version, directory)
            progress("environment", "looking for an environment")
            environment = await self._environments.resolve(
                directory,
                progress=lambda line: progress("environment", line),
                known=await self._database.run(knowledge.known_interpreters),
                engine=wish.engine,
                endpoint=endpoint,
            )
        except (EnvironmentFailed, files.FilesMissing) as error:
            raise PreparationFailed(error.failure) from error
        except (ModelServeError, OSError, ValueError) as error:
            raise PreparationFailed(_unreadable(error)) from error
        text = f"{version.model}\0{version.version}\0{digest}\0{settings_key}\0{environment.key}"
        compute, tags = (wish.compute, wish.tags) if environment.image else (Compute(), ())
        group = f"{environment.key} {environment.image} {compute}" if environment.image else environment.key
        # What a container is labelled with cannot be changed, so other tags are another container.
        group = f"{group} {tags}" if tags else group
        return Prepared(
            worker=hashlib.sha256(text.encode()).hexdigest()[:12],
            replicas=tuple(replica_id(self._instance_id, endpoint, group, n) for n in range(replicas)),
            environment=environment,
            directory=str(directory),
            digest=digest,
            compute=compute,
            tags=tags,
            checked=checked,
        )

    async def _files(self, version: ModelVersion) -> Path:
        address = await self._database.run(files.artifact_address, version)
        return await files.fetch(version, address, self._paths)

    async def _checked_digest(self, version: ModelVersion, directory: Path) -> str:
        digest = await asyncio.to_thread(digests.digest, directory)
        if await self._database.run(knowledge.record_digest, version, digest) != digest:
            raise PreparationFailed(_changed((version.model, version.version)))
        return digest


async def check_again(key: Key, prepared: Prepared) -> None:
    """Before files travel once more, long after they were checked: they must still be what was prepared.

    Raises:
        PreparationFailed: they are not, or cannot be read.
    """
    try:
        digest = await asyncio.to_thread(digests.digest, Path(prepared.directory))
    except (ModelServeError, OSError) as error:
        raise PreparationFailed(_unreadable(error)) from error
    if digest != prepared.digest:
        raise PreparationFailed(_changed(key))


def _changed(key: Key) -> Failure:
    message = f"the files of {key[0]} version {key[1]} are not those that were registered"
    return Failure(
        Cause.FILES_CHANGED, message, "a registered version never changes: register the new files as a new version"
    )


def _unreadable(error: Exception) -> Failure:
    return Failure(Cause.ARTIFACTS_MISSING, f"the model's files cannot be read: {error}")
