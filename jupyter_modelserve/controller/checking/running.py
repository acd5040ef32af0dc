"""Runs one check: environment, replica, load, probe, answer, and everything away again.

The replica is the engine's like any other (its own process or container, never this one) and belongs to an endpoint
whose name no endpoint can have, so that no reconciler takes it for its own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import httpx

from jupyter_modelserve.controller import digests
from jupyter_modelserve.controller.checking import answers, overriding
from jupyter_modelserve.controller.checking.trial import LINES, Trial
from jupyter_modelserve.controller.engines import pushing
from jupyter_modelserve.controller.engines.base import (
    Engine,
    EngineError,
    EngineRejected,
    ObservedReplica,
    ReplicaSpec,
    replica_id,
)
from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.registry.files import FilesMissing
from jupyter_modelserve.controller.replicas import ReplicaClient, WorkerStatus, worker_spec
from jupyter_modelserve.controller.sockets import over_unix
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Cause, Environment, Failure, ReplicaState, VersionState

T = TypeVar("T")
ENDPOINT: Final = "(check)"
_WORKER: Final = "check"
_LOOK: Final = 0.05
_WAIT: Final = 30.0
_EXAMPLE: Final = "serving_input_example.json"
_OVER: Final = frozenset({ReplicaState.STOPPED, ReplicaState.FAILED})


class Builder(Protocol):
    """What is needed of :class:`jupyter_modelserve.controller.environments.choice.ChosenEnvironments`."""

    async def resolve(
        self, directory: Path, *, progress: Callable[[str], None], known: Sequence[str] = ()
    ) -> Environment:
        """A clean environment for the model in *directory*; raises EnvironmentFailed."""
        ...


class CheckFailed(Exception):
    """The model would not serve; ``failure`` is the one named cause."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Runner:
    """Runs checks on an engine.

    Args:
        instance_id: part of the replicas' names.
        paths, settings: of the instance.
        engine: what runs the replicas.
        environments: builds; must never borrow, or the check would not see what is missing.
    """

    def __init__(
        self, instance_id: str, paths: Paths, settings: Settings, engine: Engine, environments: Builder
    ) -> None:
        self._instance_id = instance_id
        self._root = paths.home / "checks"
        self._settings = settings
        self._engine = engine
        self._environments = environments

    async def sweep(self) -> None:
        """Remove what a controller that was killed left of its checks."""
        await asyncio.to_thread(shutil.rmtree, self._root, True)
        for each in await self._engine.observe():
            if each.endpoint == ENDPOINT:
                await self._engine.stop(each.id, 0)

    async def run(self, trial: Trial, files: Callable[[], Any]) -> None:
        """Check the model whose directory ``await files()`` gives; the outcome is in *trial*. Never raises for it."""
        try:
            await self._try(trial, files)
            await self._compare(trial)
        finally:
            # A task of its own: whoever cancels the check must not leave a process behind.
            await asyncio.shield(asyncio.create_task(self._clear(trial)))

    async def _try(self, trial: Trial, files: Callable[[], Any]) -> None:
        limit = asyncio.timeout(self._settings.check_timeout)
        try:
            async with limit:
                await self._run(trial, files)
        except TimeoutError:
            trial.failed(self._too_long(trial) if limit.expired() else _unavailable("something did not answer in time"))
        except (CheckFailed, EnvironmentFailed, FilesMissing) as error:
            trial.failed(error.failure)
        except EngineRejected as error:
            trial.failed(Failure(Cause.ENGINE_REJECTED, str(error)))
        except EngineError as error:
            trial.failed(_unavailable(str(error)))
        except (ModelServeError, OSError, ValueError) as error:
            trial.failed(Failure(Cause.ARTIFACTS_MISSING, f"the model's files cannot be read: {error}"))

    async def _compare(self, trial: Trial) -> None:
        """Whatever came out is about the files that were tried: it is no verdict when these changed meanwhile."""
        if trial.pushed is not None:
            directory, digest = trial.pushed
            try:
                same = await asyncio.to_thread(digests.digest, directory) == digest
            except (ModelServeError, OSError):
                same = False
            if not same:
                trial.failed(_changed(trial))

    async def _run(self, trial: Trial, files: Callable[[], Any]) -> None:
        trial.enter("resolve")
        trial.pushed = await self._taken(trial, await files())
        directory, digest = trial.pushed
        trial.enter("environment")
        trial.environment = await self._environments.resolve(directory, progress=trial.tell)
        trial.warnings += trial.environment.warnings
        trial.enter("start")
        await _whole(self._engine.ensure(self._replica(trial, trial.environment)))
        seen = await self._started(trial)
        async with ReplicaClient(seen.control, seen.key) as client:
            pushed = await _whole(self._engine.push(seen.id, _WORKER, directory, digest))
            await client.put_worker(_WORKER, self._worker(trial, pushed))
            worker = await self._settled(client, trial)
            try:
                if worker.failure is not None:
                    raise CheckFailed(worker.failure)
                await self._answer(worker, seen.key, directory)
            finally:
                trial.write(await client.log(_WORKER, LINES // 2))
        trial.passed(worker.verdict)

    async def _taken(self, trial: Trial, source: Path) -> tuple[Path, str]:
        """A directory of the check's own with the files that ``trial.digest`` names, and the digest of what is in it.

        A logged model's files are copied, because its maker may write to them at any time; those of a registered
        version never change and are linked.
        """
        place = self._root / trial.id
        link = bool(trial.version)
        try:
            await asyncio.to_thread(place.mkdir, 0o700, True)
            taking = asyncio.to_thread(pushing.push, place, "model", source, trial.digest, link=link)
            directory = await _whole(taking)
        except (EngineRejected, FileNotFoundError) as error:
            # The digest was taken of these files a moment ago, by the same rules.
            raise CheckFailed(_changed(trial)) from error
        except OSError as error:
            raise CheckFailed(_unavailable(f"the model's files cannot be copied: {error.strerror}")) from error
        if await asyncio.to_thread(digests.digest, directory) != trial.digest:
            raise CheckFailed(_changed(trial))
        if not trial.overrides:
            return directory, trial.digest
        await _whole(asyncio.to_thread(overriding.apply, directory, trial.overrides))
        return directory, await asyncio.to_thread(digests.digest, directory)

    def _replica(self, trial: Trial, environment: Environment) -> ReplicaSpec:
        return ReplicaSpec(
            id=self._name(trial),
            endpoint=ENDPOINT,
            environment_key=environment.key,
            interpreter=environment.interpreter,
            image=environment.image,
        )

    def _name(self, trial: Trial) -> str:
        return replica_id(self._instance_id, ENDPOINT, trial.id)

    async def _started(self, trial: Trial) -> ObservedReplica:
        name = self._name(trial)
        while True:
            for each in await self._engine.observe():
                if each.id == name and each.state is ReplicaState.READY and each.control:
                    return each
                if each.id == name and each.state in _OVER:
                    tail = tuple([line async for line in self._engine.logs(name, 20)])
                    raise CheckFailed(Failure(Cause.CRASHED, f"the process ended: {each.reason}", log_tail=tail))
            await asyncio.sleep(_LOOK)

    def _worker(self, trial: Trial, directory: str) -> dict[str, Any]:
        settings = self._settings
        limit, columns = settings.request_timeout, str(settings.unknown_columns)
        version = trial.version or "0"
        return worker_spec(settings, trial.model, version, directory, timeout=limit, unknown_columns=columns)

    async def _settled(self, client: ReplicaClient, trial: Trial) -> WorkerStatus:
        """The worker once it is READY or FAILED; its own start-up budget ends it, and ours ends everything."""
        status = await client.status()
        while True:
            worker = status.workers.get(_WORKER)
            if worker is not None:
                trial.follow(worker)
                if worker.state is VersionState.READY or worker.failure is not None:
                    return worker
                if worker.state is VersionState.FAILED or worker.crashes:
                    raise CheckFailed(Failure(Cause.CRASHED, f"the model's process ended: {worker.last_exit}"))
            status = await client.changed(status.revision, _WAIT)

    async def _answer(self, worker: WorkerStatus, key: str, directory: Path) -> None:
        """Ask the loaded model for its own example once more, and hold the answer against the signature."""
        outputs = (worker.signature or {}).get("outputs") or []
        example = await asyncio.to_thread(_read, directory / _EXAMPLE, self._settings.body_limit)
        if not outputs or example is None or not worker.address.startswith("unix:"):
            return
        headers = {"x-modelserve-key": key, "content-type": "application/json", "x-request-id": "check"}
        transport = over_unix(worker.address.removeprefix("unix:"))
        deadline = self._settings.request_timeout
        try:
            async with httpx.AsyncClient(transport=transport, timeout=deadline, trust_env=False) as http:
                answer = await http.post("http://worker/invocations", content=example, headers=headers)
        except httpx.HTTPError as error:
            message = f"the model's process did not answer its example again: {type(error).__name__}"
            raise CheckFailed(Failure(Cause.PROBE_FAILED, message, "read the last log lines")) from error
        if answer.status_code != httpx.codes.OK:
            raise CheckFailed(Failure(Cause.PROBE_FAILED, _message(answer), "score the example in a notebook"))
        found = answers.misfit(outputs, _predictions(answer.content))
        if found:
            message = f"the model's answer to its example does not fit its signature: {found}"
            hint = "log the model again with signature=infer_signature(X, model.predict(X))"
            raise CheckFailed(Failure(Cause.PROBE_FAILED, message, hint))

    def _too_long(self, trial: Trial) -> Failure:
        phase = next((each.name for each in trial.timeline.phases() if not each.done), "resolve")
        message = f"the check did not end in {self._settings.check_timeout:g} s; it was in the phase {phase}"
        return Failure(Cause.STARTUP_TIMED_OUT, message, "read the log, or raise the setting check_timeout")

    async def _clear(self, trial: Trial) -> None:
        try:
            await self._engine.stop(self._name(trial), 0)
        except EngineError as error:
            trial.write(f"the check's process could not be ended now, it will be at the next start: {error}")
        await asyncio.to_thread(shutil.rmtree, self._root / trial.id, True)


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """*work* to its end, also when the check is cancelled meanwhile: what it makes must be there to be cleared away."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def _changed(trial: Trial) -> Failure:
    what = f"{trial.model} version {trial.version}" if trial.version else trial.source
    message = f"the files of {what} changed while they were checked, so there is no verdict"
    return Failure(Cause.FILES_CHANGED, message, "check again when nothing writes to them, the model itself included")


def _unavailable(message: str) -> Failure:
    return Failure(Cause.ENGINE_UNAVAILABLE, message, "check again; this says nothing about the model")


def _read(path: Path, limit: int) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= limit else None
    except OSError:
        return None


def _message(answer: httpx.Response) -> str:
    try:
        return f"the model did not answer its example: {answer.json()['message']}"
    except (ValueError, KeyError, TypeError):
        return f"the model answered its example with HTTP {answer.status_code}"


def _predictions(body: bytes) -> Any:
    found = json.loads(body)
    return found["predictions"] if isinstance(found, dict) and set(found) == {"predictions"} else found
