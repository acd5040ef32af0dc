"""Keeps MLflow's server running beside the controller (architecture §8).

It is a process of its own because MLflow's handlers set process-wide state. It dies with the controller: the pipe on
its standard input closes when the controller ends, whatever ended it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from typing import Final

from jupyter_modelserve.launcher import spawning
from jupyter_modelserve.settings import Paths, Settings

_BACKOFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_S: Final = 60.0
_GRACE_S: Final = 5.0
log = logging.getLogger(__name__)


class MlflowChild:
    """The supervisor of one MLflow child; :meth:`run` is the only thing to call."""

    def __init__(self, paths: Paths, settings: Settings, *, argv: list[str] | None = None) -> None:
        self._paths = paths
        self._settings = settings
        self._argv = argv or [
            sys.executable,
            "-m",
            "jupyter_modelserve.plugins.mlflow_app",
            "--home",
            str(paths.home),
        ]
        self._process: asyncio.subprocess.Process | None = None
        self._state = "stopped"
        self.started_at = 0
        """When the running child was started, milliseconds since 1970; 0 when none runs."""

    @property
    def state(self) -> str:
        """``starting`` (also between two attempts), ``running`` (it answers) or ``stopped``."""
        return self._state

    @property
    def pid(self) -> int | None:
        """Process id of the child, ``None`` when none runs."""
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        """Keep the child running until cancelled; then it is ended before this returns."""
        failures = 0
        try:
            while True:
                self._state = "starting"
                begun = time.monotonic()
                try:
                    await self._live()
                except OSError as error:
                    log.error("MLflow cannot be started: %s", error)
                failures = 0 if time.monotonic() - begun > _STEADY_S else failures
                pause = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                failures += 1
                self._state = "starting"
                log.warning("MLflow ended; starting it again in %.0f s (log: %s)", pause, self._log_file)
                await asyncio.sleep(pause)
        finally:
            self._state = "stopped"

    @property
    def _log_file(self) -> str:
        return str(spawning.log_file(self._paths, "mlflow"))

    async def _live(self) -> None:
        """One life of the child, from start to end."""
        process = await self._spawn()
        self._process = process
        self.started_at = int(time.time() * 1000)
        try:
            assert process.stdout is not None
            if await process.stdout.readline() == b"ready\n":
                self._state = "running"
            await process.wait()
        finally:
            # Shielded: a second cancellation must not leave the child behind.
            await asyncio.shield(self._end(process))
            self._process = None
            self.started_at = 0

    async def _spawn(self) -> asyncio.subprocess.Process:
        path = spawning.log_file(self._paths, "mlflow")
        spawning.rotate(path, self._settings.log_limit)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=descriptor,
                cwd=self._paths.home,
                env=spawning.environment(self._paths),
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _GRACE_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
