"""What actions do in the world. Every effect is idempotent: names are deterministic, "already there" means adopt."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_modelserve.controller.endpoints.observation import Observer, Sight
from jupyter_modelserve.controller.endpoints.preparation import PreparationFailed, check_again
from jupyter_modelserve.controller.endpoints.view import Key, Prepared, place
from jupyter_modelserve.controller.engines.base import Engine, ReplicaSpec
from jupyter_modelserve.controller.replicas import worker_spec
from jupyter_modelserve.controller.store.secrets import Secret
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import Cause, EndpointSpec, Failure

STOP_GRACE = 10.0
CHECKED = 60.0
"""Seconds for which a check of a model's files counts: a first load comes right after one, a wake does not."""


class Effects:
    """Carries out the planner's actions on one engine.

    Every method raises EngineUnavailable, EngineRejected or EngineConflict, :meth:`load` PreparationFailed as well; the
    reconciler deals with them.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._leaving: set[tuple[str, str]] = set()
        self._longest = settings.request_timeout
        self._checked: dict[str, float] = {}

    def allow(self, spec: EndpointSpec) -> None:
        """Take note of how long a request may take; what began when it might take longer is waited for, too."""
        self._longest = max(self._longest, self._timeout(spec))

    async def ensure(self, endpoint: str, prepared: Prepared, replica: str) -> None:
        """Have a replica for an environment running."""
        spec = ReplicaSpec(
            id=replica,
            endpoint=endpoint,
            environment_key=prepared.environment.key,
            interpreter=prepared.environment.interpreter,
            log_limit=self._settings.log_limit,
            image=prepared.environment.image,
            compute=prepared.compute,
            labels=dict(prepared.tags),
        )
        await self._engine.ensure(spec)

    async def why_ended(self, replica: str, attempts: int) -> Failure:
        """The cause shown to the user when a replica does not stay up."""
        seen = {each.id: each for each in await self._engine.observe()}.get(replica)
        reason = (seen.reason if seen else "") or "it gave no reason"
        tail = tuple([line async for line in self._engine.logs(replica, 20)])
        message = f"the process that runs the model ended {attempts} times in a row: {reason}"
        return Failure(Cause.CRASHED, message, "read the last log lines; it is tried again in a minute", tail)

    async def load(
        self,
        observer: Observer,
        key: Key,
        prepared: Prepared,
        replica: str,
        spec: EndpointSpec,
        secrets: Mapping[str, Secret],
    ) -> None:
        """Push the model's files and have the version loaded. This is the one place that secrets go to."""
        _check_readable(secrets)
        client = observer.client(replica)
        await self._check(key, prepared)
        directory = await self._engine.push(replica, prepared.worker, Path(prepared.directory), prepared.digest)
        wanted = self._worker_spec(key, directory, spec)
        if secrets:
            wanted["secrets"] = {name: each.value for name, each in secrets.items()}
        await client.put_worker(prepared.worker, wanted)

    def settings_key(self, spec: EndpointSpec, secrets: Mapping[str, Secret]) -> str:
        """Everything that the versions of an endpoint are started with; when it changes, so do their workers.

        Of secrets it knows which setting of them it is, never the value.
        """
        found = self._worker_spec(("", ""), "", spec)
        if secrets:
            found["secrets"] = {name: each.revision for name, each in secrets.items()}
        return json.dumps(found, sort_keys=True)

    async def unload(self, observer: Observer, worker: str, replica: str) -> None:
        """Drain a worker and end it. Its files stay until it is gone (:meth:`sweep`)."""
        self._leaving.add((replica, worker))
        await observer.client(replica).delete_worker(worker, self._longest)

    async def sweep(self, sight: Sight) -> None:
        """Remove the files of workers that have gone."""
        for replica, worker in sorted(self._leaving):
            if place(replica, worker) not in sight.workers and sight.known:
                self._leaving.discard((replica, worker))
                await self._engine.discard(replica, worker)

    async def stop(self, replica: str) -> None:
        """End a replica that holds nothing any more."""
        await self._engine.stop(replica, STOP_GRACE)

    async def _check(self, key: Key, prepared: Prepared) -> None:
        # What goes into a container is checked while it is sent.
        now = time.monotonic()
        last = max(prepared.checked, self._checked.get(prepared.worker, prepared.checked))
        if prepared.environment.image or now - last < CHECKED:
            return
        await check_again(key, prepared)
        self._checked = {worker: at for worker, at in self._checked.items() if now - at < CHECKED}
        self._checked[prepared.worker] = now

    def _timeout(self, spec: EndpointSpec) -> float:
        return spec.request_timeout or self._settings.request_timeout

    def _worker_spec(self, key: Key, directory: str, spec: EndpointSpec) -> dict[str, Any]:
        columns = str(spec.unknown_columns or self._settings.unknown_columns)
        common = worker_spec(self._settings, *key, directory, timeout=self._timeout(spec), unknown_columns=columns)
        return common | {
            "concurrency": max((each.workload_size.concurrency for each in spec.entities), default=1),
            "environ": dict(spec.environment_vars),
        }


def _check_readable(secrets: Mapping[str, Secret]) -> None:
    """A model must not start without a secret that it counts on; what runs already has it and goes on."""
    lost = {name: each.problem for name, each in secrets.items() if each.problem}
    if lost:
        hint = (
            f"put the key file back, or set {', '.join(lost)} again: `jupyter modelserve secret set`, `%serve --secret`"
        )
        raise PreparationFailed(Failure(Cause.SECRET_UNREADABLE, next(iter(lost.values())), hint))
