"""Checks of the instance: a few at a time, known by their id for a while, verdicts kept with the model's files.

One of each principal runs at a time, so that nobody can keep all others waiting.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from jupyter_modelserve.checked import Check, CheckState, Overrides, VersionChecks
from jupyter_modelserve.controller import digests
from jupyter_modelserve.controller.checking import overriding
from jupyter_modelserve.controller.checking.running import CheckFailed, Runner
from jupyter_modelserve.controller.checking.trial import Trial
from jupyter_modelserve.controller.registry import files
from jupyter_modelserve.controller.store import checks as store
from jupyter_modelserve.controller.store import knowledge
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import ModelServeError, NotFound, TooManyRequests
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Cause, Failure, ModelVersion

AT_ONCE: Final = 2
WAITING: Final = 20
OWN_AT_ONCE: Final = 1
OWN_WAITING: Final = 4
"""Of one principal; ``AT_ONCE`` and ``WAITING`` are of all together."""
_UNSURE: Final = frozenset({Cause.ENGINE_UNAVAILABLE, Cause.FILES_CHANGED})
"""Causes that say nothing about the files that the digest names."""
KEPT: Final = 100
log = logging.getLogger(__name__)


class Checks:
    """Starts, shows and cancels checks; one object per controller."""

    def __init__(self, database: Database, paths: Paths, runner: Runner) -> None:
        self._database = database
        self._paths = paths
        self._runner = runner
        self._trials: dict[str, Trial] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._own: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(OWN_AT_ONCE))

    async def sweep(self) -> None:
        """Remove what a killed controller left; in the background, for an engine may be away."""
        try:
            await self._runner.sweep()
        except Exception as error:  # noqa: BLE001 - leftovers must not keep the controller from starting
            log.warning("cannot clear away old checks now: %s", error)

    async def close(self) -> None:
        """End the checks under way, with their processes."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # ------------------------------------------------------------------------------------------------ start
    def of_version(self, owner: str, version: ModelVersion, overrides: Overrides) -> Check:
        """Check a registered version; the same check that runs already is returned.

        Raises:
            InvalidParameter: overrides that cannot be tried.
            TooManyRequests: too many wait already, of this principal or of all.
        """
        trial = Trial(_new(), version.model, version.version, version.source, overriding.checked(overrides), owner)
        return self._start(trial, lambda: self._registered(trial, version))

    def of_source(self, owner: str, model: str, source: str, address: str, overrides: Overrides) -> Check:
        """Check a logged model before it becomes a version of *model*; *address* is where *source* leads.

        Raises:
            as :meth:`of_version`.
        """
        trial = Trial(_new(), model, "", source, overriding.checked(overrides), owner)
        return self._start(trial, lambda: self._logged(trial, address))

    def _start(self, trial: Trial, find: Callable[[], Awaitable[Path]]) -> Check:
        running = [each for each in self._trials.values() if not each.ended.is_set()]
        for each in running:
            if _same(each, trial):
                return each.show()
        own = sum(each.owner == trial.owner for each in running)
        if own >= OWN_AT_ONCE + OWN_WAITING:
            raise TooManyRequests(
                f"{own} checks of {trial.owner} run or wait already, which is the most for one principal; "
                "try again when one has ended",
                retry_after_s=30,
            )
        if len(running) >= AT_ONCE + WAITING:
            raise TooManyRequests("too many checks wait already; try again when some have ended", retry_after_s=30)
        for old in [each for each in self._trials.values() if each.ended.is_set()][:-KEPT]:
            del self._trials[old.id]
        self._trials[trial.id] = trial
        task = asyncio.create_task(self._run(trial, find), name=f"check {trial.id}")
        self._tasks[trial.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(trial.id, None))
        return trial.show()

    async def _run(self, trial: Trial, find: Callable[[], Awaitable[Path]]) -> None:
        trial.enter("resolve")
        own = self._own[trial.owner]
        if own.locked() or self._turn.locked():
            trial.tell("waiting for other checks to end")
        try:
            # One's own turn comes first: who waits for it takes no place of the others.
            async with own, self._turn:
                await self._runner.run(trial, find)
            trial.settle()
            await self._keep(trial)
        except Exception as error:
            log.exception("check %s of %s failed inside the controller", trial.id, trial.model)
            trial.failed(Failure(Cause.ENGINE_UNAVAILABLE, f"the check itself failed: {type(error).__name__}"))
        finally:
            if trial.state is CheckState.RUNNING:
                trial.settle()
            trial.ended.set()

    async def _keep(self, trial: Trial) -> None:
        """Only what says something about these very files is kept."""
        known = trial.failure is None or trial.failure.cause not in _UNSURE
        if trial.digest and known:
            await self._database.run(store.save, trial.digest, bool(trial.overrides), trial.show())

    # ------------------------------------------------------------------------------------------------ files
    async def _registered(self, trial: Trial, version: ModelVersion) -> Path:
        address = await self._database.run(files.artifact_address, version)
        directory = await files.fetch(version, address, self._paths)
        trial.digest = await asyncio.to_thread(digests.digest, directory)
        if await self._database.run(knowledge.record_digest, version, trial.digest) != trial.digest:
            message = f"the files of {version.model} version {version.version} are not those that were registered"
            raise CheckFailed(Failure(Cause.FILES_CHANGED, message, "register the new files as a new version"))
        return directory

    async def _logged(self, trial: Trial, address: str) -> Path:
        directory = files.local_directory(address, self._paths)
        if directory is None or not await asyncio.to_thread((directory / "MLmodel").is_file):
            raise CheckFailed(
                Failure(Cause.ARTIFACTS_MISSING, f"{trial.source} has no MLmodel file", "log the model again")
            )
        trial.digest = await asyncio.to_thread(digests.digest, directory)
        return directory

    # ------------------------------------------------------------------------------------------------ look
    def find(self, check: str) -> Trial:
        """A check by its id. Raises NotFound."""
        try:
            return self._trials[check]
        except KeyError:
            raise NotFound(
                f"there is no check {check[:40]!r}: it is long over, or the controller started anew meanwhile; "
                "start it again",
                details={"check": check[:40]},
            ) from None

    def cancel(self, check: str) -> Check:
        """End a check; one that is over stays as it is. Raises NotFound."""
        trial = self.find(check)
        task = self._tasks.get(check)
        if task is not None:
            task.cancel()
        return trial.show()

    async def version(self, version: ModelVersion) -> VersionChecks:
        """What is known of a version: the checks that run, else the verdicts on its files."""
        found: dict[bool, Check] = {}
        digest = await self._digest(version)
        if digest:
            found = {
                each: _as(check, version) for each, check in (await self._database.run(store.find, digest)).items()
            }
        for each in self._trials.values():
            # One whose verdict is being written down is not among the kept ones yet.
            if not each.ended.is_set() and (each.model, each.version) == (version.model, version.version):
                found[bool(each.overrides)] = each.show()
        return VersionChecks(found.get(False), found.get(True))

    async def _digest(self, version: ModelVersion) -> str | None:
        known = await self._database.run(knowledge.digest_of, version)
        if known is not None:
            return known
        try:
            address = await self._database.run(files.artifact_address, version)
            directory = files.local_directory(address, self._paths)
            return None if directory is None else await asyncio.to_thread(digests.digest, directory)
        except (files.FilesMissing, ModelServeError, OSError, ValueError):
            return None


def _new() -> str:
    return secrets.token_hex(8)


def _same(one: Trial, other: Trial) -> bool:
    def key(each: Trial) -> tuple[str, str, str, Overrides, str]:
        return each.model, each.version, each.source, each.overrides, each.owner

    return key(one) == key(other)


def _as(check: Check, version: ModelVersion) -> Check:
    from dataclasses import replace

    return replace(check, model=version.model, version=version.version, source=version.source)
