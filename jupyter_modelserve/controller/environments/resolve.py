"""The one door of this package: a model's directory in, an interpreter that satisfies it out (architecture §6).

Candidates in order: the interpreters that registered the model, ours, those of the setting, environments already
built, a build.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.borrow import borrowed_key, needs_installer, unmet
from jupyter_modelserve.controller.environments.build import Builder, Job, Progress, built_interpreter
from jupyter_modelserve.controller.environments.declared import Declared, content_key
from jupyter_modelserve.controller.environments.interpreters import configured
from jupyter_modelserve.controller.environments.inventory import Inspector
from jupyter_modelserve.controller.environments.requirements import read_requirements
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Cause, Environment, EnvironmentKind, Failure


@dataclass
class _Shared:
    """A build with everybody who waits for it."""

    task: asyncio.Task[str]
    listeners: list[Progress] = field(default_factory=list)
    waiting: int = 0


class Environments:
    """Finds or builds the environment of a model; one object per controller."""

    def __init__(self, paths: Paths, settings: Settings) -> None:
        self._paths = paths
        self._settings = settings
        self._inspector = Inspector()
        self._builder = Builder(paths, settings, self._inspector)
        self._builds: dict[str, _Shared] = {}

    async def resolve(self, directory: Path, *, progress: Progress, known: Sequence[str] = ()) -> Environment:
        """The environment for the MLflow model in *directory*.

        Args:
            directory: model files; read only.
            progress: gets one short line per step, on the event loop.
            known: interpreters that registered the model, most recent first.

        Raises:
            EnvironmentFailed: no environment can be had; one named cause with the last log lines.
        """
        progress("reading requirements")
        declared, key = await asyncio.to_thread(read_declared, directory)
        found = await self._borrow(declared, known, progress) or await self._built(declared, key)
        if found is None:
            interpreter = await self._share(Job(declared, key, directory), progress)
            found = await self._environment(declared, key, interpreter)
        return found

    async def still_valid(self, environment: Environment) -> bool:
        """Whether *environment* is what it was: nothing installed in or removed from a borrowed one, a built one whole.

        Cheap (a few file stamps) while nothing changed; called before each start of a version.
        """
        if environment.kind is EnvironmentKind.BUILT:
            place = Path(environment.interpreter).parent.parent
            return await asyncio.to_thread(built_interpreter, place, environment.key) is not None
        offered = await self._inspector.inspect(environment.interpreter)
        return offered is not None and borrowed_key(offered) == environment.key

    def log_path(self, key: str) -> Path:
        """The full log of the build with that content key."""
        return self._builder.log_path(key)

    async def close(self) -> None:
        """End the builds that are under way, with their processes."""
        tasks = [each.task for each in self._builds.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------ borrow
    async def _borrow(self, declared: Declared, known: Sequence[str], progress: Progress) -> Environment | None:
        if not self._settings.borrow:
            return None
        reason = needs_installer(declared)
        candidates = () if reason else dict.fromkeys((*known, sys.executable, *configured(self._settings)))
        for interpreter in candidates:
            offered = await self._inspector.inspect(interpreter)
            why_not = "it cannot be used" if offered is None else unmet(declared, offered)
            if offered is not None and why_not is None:
                return Environment(
                    borrowed_key(offered),
                    EnvironmentKind.BORROWED,
                    interpreter,
                    offered.python_version,
                    declared.warnings,
                )
            reason = reason or why_not
        if reason:
            progress(f"no interpreter can be borrowed: {reason}")
        return None

    async def _built(self, declared: Declared, key: str) -> Environment | None:
        """An environment with exactly this content, else another built one that satisfies everything."""
        exact = await asyncio.to_thread(built_interpreter, self._paths.environments / key, key)
        if exact:
            return await self._environment(declared, key, exact)
        if not self._settings.borrow or needs_installer(declared):
            return None
        for other, interpreter in await asyncio.to_thread(_complete, self._paths.environments):
            offered = await self._inspector.inspect(interpreter)
            if offered is not None and unmet(declared, offered) is None:
                return await self._environment(declared, other, interpreter)
        return None

    async def _environment(self, declared: Declared, key: str, interpreter: str) -> Environment:
        offered = await self._inspector.inspect(interpreter)
        if offered is None:
            raise EnvironmentFailed(
                Failure(
                    Cause.BUILD_FAILED,
                    "the interpreter of the environment does not run",
                    f"Delete {Path(interpreter).parent.parent} and start again; it will be built anew.",
                )
            )
        return Environment(key, EnvironmentKind.BUILT, interpreter, offered.python_version, declared.warnings)

    # ------------------------------------------------------------------------------------------------ build
    async def _share(self, job: Job, progress: Progress) -> str:
        """Wait for the one build of this content; the last waiter that leaves ends it."""
        shared = self._builds.get(job.key)
        if shared is None:
            listeners: list[Progress] = []

            def tell(line: str) -> None:
                for listener in tuple(listeners):
                    listener(line)

            shared = _Shared(asyncio.create_task(self._builder.build(job, tell)), listeners)
            self._builds[job.key] = shared
            shared.task.add_done_callback(lambda _: self._forget(job.key, shared))
        shared.listeners.append(progress)
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        except asyncio.CancelledError:
            if shared.waiting == 1 and not shared.task.done():
                self._forget(job.key, shared)
                shared.task.cancel()
                await asyncio.gather(shared.task, return_exceptions=True)
            raise
        finally:
            shared.waiting -= 1
            shared.listeners.remove(progress)

    def _forget(self, key: str, shared: _Shared) -> None:
        # Whoever comes while a build is being ended starts a new one; the lock on disk puts them in order.
        if self._builds.get(key) is shared:
            del self._builds[key]


def read_declared(directory: Path) -> tuple[Declared, str]:
    """What the model in *directory* declares, with its content key. Blocking. Raises EnvironmentFailed."""
    declared = read_requirements(directory)
    try:
        return declared, content_key(declared)
    except OSError as error:
        name = Path(str(error.filename)).name
        message = f"{name} of the model cannot be read: {error.strerror}"
        raise EnvironmentFailed(Failure(Cause.ARTIFACTS_MISSING, message, "Log the model again.")) from None


def _complete(environments: Path) -> list[tuple[str, str]]:
    found = []
    for directory in sorted(environments.iterdir()) if environments.is_dir() else []:
        interpreter = built_interpreter(directory, directory.name)
        if interpreter:
            found.append((directory.name, interpreter))
    return found
