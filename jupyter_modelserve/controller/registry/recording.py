"""Records the digest of a version when it is registered, so that later nothing else can be served under its number.

Only what lies on this machine is read; the digest of other files is recorded when they are first fetched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from jupyter_modelserve.controller import digests
from jupyter_modelserve.controller.registry import files, reader
from jupyter_modelserve.controller.store import knowledge
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Paths

READY = "READY"
log = logging.getLogger(__name__)


class Recorder:
    """Told about new versions by the change watch."""

    def __init__(self, database: Database, paths: Paths) -> None:
        self._database = database
        self._paths = paths
        self._tasks: set[asyncio.Task[None]] = set()

    def created(self, versions: Iterable[tuple[str, str]]) -> None:
        """Record these (model, version) in the background."""
        task = asyncio.create_task(self.record(list(versions)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def record(self, versions: list[tuple[str, str]]) -> None:
        """Record the digests of these versions; what cannot be read now is left for the first serving."""
        models = await self._database.run(reader.read_models, {model for model, _ in versions})
        for model, number in versions:
            known = models[model].versions if model in models else ()
            found = next((each for each in known if each.version == number), None)
            if found is None or found.status != READY:
                continue  # one that is still being uploaded is looked at when it is finished
            try:
                address = await self._database.run(files.artifact_address, found)
                directory = files.local_directory(address, self._paths)
                if directory is not None:
                    digest = await asyncio.to_thread(digests.digest, directory)
                    await self._database.run(knowledge.record_digest, found, digest)
            except (files.FilesMissing, ModelServeError, OSError, ValueError) as error:
                log.info("no digest of %s version %s yet: %s", model, number, error)
