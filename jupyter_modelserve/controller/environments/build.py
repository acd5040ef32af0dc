"""Build an environment with uv: in a temporary place, one builder per content, renamed when it is complete.

So an environment directory either is complete or does not exist, and two controllers, or two versions that need the
same thing at the same moment, share one build.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.controller.environments.explain import explain
from jupyter_modelserve.controller.environments.interpreters import find_python
from jupyter_modelserve.controller.environments.inventory import Inspector, Inventory
from jupyter_modelserve.controller.environments.pipconfig import build_environ, no_index
from jupyter_modelserve.controller.environments.running import BuildLog, run
from jupyter_modelserve.settings import Paths, Settings, write_private
from jupyter_modelserve.types import Cause, Failure

MARKER = "modelserve.json"
"""Lies in a complete environment: key, Python, what was installed."""
_LOCK_POLL = 0.1
STEPS = re.compile(r"^(Resolved|Prepared|Installed|Downloading|Building|Built) (.+?)( in [\d.]+\w+)?$")
WORDS = {"Resolved": "resolved", "Prepared": "downloaded", "Installed": "installed"}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One build: what is declared, its content key, and the model's directory (where relative paths begin)."""

    declared: Declared
    key: str
    root: Path


def built_interpreter(directory: Path, key: str) -> str | None:
    """The interpreter of a complete environment; ``None`` when it is not, or its base Python is gone."""
    try:
        marker = json.loads((directory / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    interpreter = directory / "bin" / "python"
    return str(interpreter) if marker.get("key") == key and interpreter.is_file() else None


class Builder:
    """Builds environments below ``paths.environments``."""

    def __init__(self, paths: Paths, settings: Settings, inspector: Inspector) -> None:
        self._paths = paths
        self._settings = settings
        self._inspector = inspector

    def log_path(self, key: str) -> Path:
        """Where the full output of a build is."""
        return self._paths.logs / f"environment-{key}.log"

    async def build(self, job: Job, progress: Progress) -> str:
        """Build (or wait for another builder of the same content); returns the interpreter's path.

        Raises:
            EnvironmentFailed: one named cause.
        """
        try:
            async with asyncio.timeout(self._settings.build_timeout), self._lock(job.key, progress):
                target = self._paths.environments / job.key
                found = await asyncio.to_thread(built_interpreter, target, job.key)
                return found or await self._build(job, target, progress)
        except TimeoutError:
            raise EnvironmentFailed(
                Failure(
                    Cause.BUILD_TIMED_OUT,
                    f"the environment was not built in {self._settings.build_timeout:g} s",
                    "Look at the log for the slow step, or raise the setting build_timeout.",
                    tuple(await asyncio.to_thread(_last_lines, self.log_path(job.key))),
                )
            ) from None
        except OSError as error:
            raise EnvironmentFailed(
                Failure(
                    Cause.BUILD_FAILED,
                    f"the environment could not be built: {error.strerror or error}",
                    f"Check free space and rights of {self._paths.environments}.",
                )
            ) from None

    async def _build(self, job: Job, target: Path, progress: Progress) -> str:
        prefix = f".building-{job.key}-"
        await asyncio.to_thread(_sweep, self._paths.environments, prefix)
        place = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=prefix, dir=self._paths.environments))
        log = BuildLog(self.log_path(job.key))
        try:
            installed = await self._install(job, place, log, progress)
            await asyncio.to_thread(_finish, job, place, target, installed)
        finally:
            log.close()
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        return str(target / "bin" / "python")

    async def _install(self, job: Job, place: Path, log: BuildLog, progress: Progress) -> Inventory:
        uv = find_uv()
        environ = await asyncio.to_thread(build_environ, self._settings, job.declared, os.environ)
        python = await find_python(job.declared.minor, self._settings, self._inspector, uv, environ)
        venv = place / "venv"

        def heard(line: str) -> None:
            step = STEPS.match(line.strip())
            if step:
                progress(f"{WORDS.get(step[1], step[1].lower())} {step[2]}")

        async def step(*arguments: str) -> bool:
            log.write(f"$ uv {' '.join(arguments)}")
            return await run([uv, *arguments], cwd=job.root, environ=environ, log=log, heard=heard) == 0

        progress(f"creating an environment with Python {job.declared.minor}")
        if not await step("venv", "--relocatable", "--no-project", "--python", python, str(venv)):
            raise EnvironmentFailed(explain(log.lines))
        files = await asyncio.to_thread(_write_requirements, place, job.declared)
        progress(f"resolving {len(job.declared.entries)} requirements")
        install = ("pip", "install", *no_index(environ), "--python", str(venv / "bin" / "python"))
        if not await step(*install, *files):
            raise EnvironmentFailed(explain(log.lines))
        installed = await self._inspector.inspect(str(venv / "bin" / "python"))
        for extra in job.declared.build:
            if installed and extra.name not in installed.distributions:
                # Nothing fails for want of it: many models were logged with a setuptools that they never use.
                await step(*install, "--no-deps", extra.text)
        installed = await self._inspector.inspect(str(venv / "bin" / "python"))
        if installed is None:
            log.write("error: the interpreter of the new environment does not run")
            raise EnvironmentFailed(explain(log.lines))
        return installed

    @asynccontextmanager
    async def _lock(self, key: str, progress: Progress) -> AsyncIterator[None]:
        descriptor = os.open(self._paths.environments / f".{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            told = False
            while not _try_lock(descriptor):
                if not told:
                    progress("waiting for another build of the same environment")
                    told = True
                await asyncio.sleep(_LOCK_POLL)
            yield
        finally:
            os.close(descriptor)


def find_uv() -> str:
    """Path of uv: the one installed with us, else the one on PATH.

    Raises:
        EnvironmentFailed: there is none.
    """
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found:
        return found
    raise EnvironmentFailed(
        Failure(
            Cause.BUILD_FAILED,
            "uv, which builds environments, is not installed",
            f"Install it: {sys.executable} -m pip install uv",
        )
    )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_requirements(place: Path, declared: Declared) -> list[str]:
    options = declared.options
    lines = [*options.lines, *(each.text for each in declared.entries)]
    write_private(place / "requirements.txt", "".join(f"{line}\n" for line in lines))
    arguments = ["-r", str(place / "requirements.txt")]
    if declared.constraints:
        write_private(place / "constraints.txt", "".join(f"{each.text}\n" for each in declared.constraints))
        arguments += ["-c", str(place / "constraints.txt")]
    return [*arguments, "--require-hashes"] if options.require_hashes else arguments


def _finish(job: Job, place: Path, target: Path, installed: Inventory) -> None:
    venv = place / "venv"
    marker = {
        "key": job.key,
        "python": installed.python_version,
        "created_at": int(time.time()),
        "requirements": sorted(each.normal for each in job.declared.entries),
        "freeze": sorted(f"{each.name}=={each.version}" for each in installed.distributions.values()),
    }
    write_private(venv / MARKER, json.dumps(marker, indent=1))
    venv.chmod(0o700)
    if target.exists():
        # Damaged (its base Python is gone, say): the lock is ours, and nothing can run from it.
        shutil.rmtree(target)
    venv.rename(target)


def _sweep(environments: Path, prefix: str) -> None:
    for left in environments.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)


def _last_lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()][-20:]
    except OSError:
        return []
