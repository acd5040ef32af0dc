"""Make the image of an environment: base → packages by uv, byte code compiled → our program.

The same requirements, the same uv and the same explanations as for an environment on this machine; only the place
differs. Nothing of the user's configuration stays in the image.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.docker.images import WORKSHOP, Bench, Builder, Image, Images
from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.build import STEPS, WORDS, find_uv
from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.controller.environments.explain import explain
from jupyter_modelserve.controller.environments.images_transfer import Transfer, in_model, transfer
from jupyter_modelserve.controller.environments.pipconfig import build_environ, no_index
from jupyter_modelserve.controller.environments.running import BuildLog
from jupyter_modelserve.settings import Settings, write_private
from jupyter_modelserve.types import Cause, Failure

REPOSITORY: Final = "modelserve/environment"
PLACE: Final = "/opt/modelserve/environment"
INTERPRETER: Final = f"{PLACE}/bin/python"
PYTHON: Final = "modelserve.python"
"""Label with the exact version of an image's Python."""
_UV: Final = f"{WORKSHOP}/bin/uv"
_REQUIREMENTS: Final = f"{WORKSHOP}/requirements"
_PATH: Final = f"{PLACE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIND_PYTHON: Final = "command -v python3 || command -v python"
_ASK_PYTHON: Final = "import platform; print(platform.python_version())"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One build: the base that is there, what is declared, the content key, the model's directory."""

    base: Image
    declared: Declared
    key: str
    root: Path
    environ: Mapping[str, str]


async def build(images: Images, settings: Settings, job: ImageJob, log: BuildLog, progress: Progress) -> Image:
    """Build the environment's image; *progress* gets one short line per step.

    Raises:
        EnvironmentFailed: one named cause.
        EngineError: the Docker engine does not answer or refuses.
    """
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="modelserve-build-")))
        uv_environ = await asyncio.to_thread(build_environ, settings, job.declared, job.environ)
        given = await asyncio.to_thread(transfer, uv_environ, job.declared, job.root)
        files = await asyncio.to_thread(_write_requirements, place, job)
        given.mounts[_REQUIREMENTS] = place
        uv = _uv(job.base, given)
        marks = {labels.KIND: "environment", labels.ENVIRONMENT: job.key}
        async with images.builder(Bench(job.base.id, settings.build_network, given.mounts)) as builder:
            steps = Steps(builder, given, log, progress)
            python, version = await steps.python(job.declared.minor)
            await steps.prepare(uv)
            await steps.install(python, job.declared, files)
            progress("writing the image")
            config = {
                "Env": [f"PATH={_PATH}", "LANG=C.UTF-8"],
                "Cmd": [INTERPRETER],
                "Entrypoint": [],
                "WorkingDir": "/",
                "Labels": {**marks, PYTHON: version},
            }
            return await builder.commit(REPOSITORY, job.key, config)


class Steps:
    """The commands of one build, each written to the log."""

    def __init__(self, builder: Builder, given: Transfer, log: BuildLog, progress: Progress) -> None:
        self._builder = builder
        self._given = given
        self._log = log
        self._progress = progress
        self._uv = [_UV]

    async def python(self, minor: str) -> tuple[str, str]:
        """Path and version of the base's Python.

        Raises:
            EnvironmentFailed: it has none, or another one than the model wants.
        """
        found: list[str] = []
        await self._builder.run(["sh", "-c", _FIND_PYTHON], found.append)
        path = found[-1].strip() if found else ""
        if path:
            await self._builder.run([path, "-c", _ASK_PYTHON], found.append)
        version = found[-1].strip() if path else "no Python"
        if not version.startswith(f"{minor}."):
            raise EnvironmentFailed(
                Failure(
                    Cause.PYTHON_MISSING,
                    f"the base image has {'Python ' if path else ''}{version}, and the model needs Python {minor}",
                    "Name a fitting image in the setting base_image; {python} in it stands for the model's version.",
                )
            )
        return path, version

    async def prepare(self, uv: bool) -> None:
        """Have uv in the builder: ours when it runs there, else the one that pip installs."""
        await self._builder.run(["mkdir", "-p", self._given.environ["HOME"], self._given.environ["TMPDIR"]], self._say)
        if not uv:
            target = f"{WORKSHOP}/home/uv"
            await self._step("installing uv", ["sh", "-c", f"$({_FIND_PYTHON}) -m pip install --target {target} uv"])
            self._uv = [f"{target}/bin/uv"]

    async def install(self, python: str, declared: Declared, files: list[str]) -> None:
        """Create the environment and put into it what is declared.

        Raises:
            EnvironmentFailed: what uv said, as one sentence.
        """
        await self._step(
            f"creating an environment with Python {declared.minor}",
            [*self._uv, "venv", "--no-project", "--python", python, PLACE],
        )
        install = [*self._uv, "pip", "install", *no_index(self._given.environ), "--python", INTERPRETER]
        await self._step(f"resolving {len(declared.entries)} requirements", [*install, *files])
        for extra in declared.build:
            code = f"import importlib.metadata as m; m.version({extra.name!r})"
            if await self._builder.run([INTERPRETER, "-c", code], lambda _: None):
                # Nothing fails for want of it: many models were logged with a setuptools that they never use.
                await self._run([*install, "--no-deps", extra.text])

    async def _step(self, what: str, command: list[str]) -> None:
        self._progress(what)
        if await self._run(command):
            raise EnvironmentFailed(explain(self._log.lines))

    async def _run(self, command: list[str]) -> int:
        self._log.write(f"$ {' '.join(command)}")
        return await self._builder.run(command, self._say, environ=self._given.environ)

    def _say(self, line: str) -> None:
        self._log.write(line)
        step = STEPS.match(line.strip())
        if step:
            self._progress(f"{WORDS.get(step[1], step[1].lower())} {step[2]}")


def _uv(base: Image, given: Transfer) -> bool:
    """Mount our uv, a program without dependencies, where the image runs the same kind of programs as this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if not sys.platform.startswith("linux") or base.architecture != machine:
        return False
    path = shutil.which(find_uv())
    if path is None or not os.access(path, os.X_OK):
        return False
    given.mounts[_UV] = Path(path).resolve()
    return True


def _write_requirements(place: Path, job: ImageJob) -> list[str]:
    options, declared = job.declared.options, job.declared
    lines = [in_model(each, job.root) for each in (*options.lines, *(entry.text for entry in declared.entries))]
    write_private(place / "requirements.txt", "".join(f"{line}\n" for line in lines))
    arguments = ["-r", f"{_REQUIREMENTS}/requirements.txt"]
    if declared.constraints:
        written = "".join(f"{in_model(each.text, job.root)}\n" for each in declared.constraints)
        write_private(place / "constraints.txt", written)
        arguments += ["-c", f"{_REQUIREMENTS}/constraints.txt"]
    return [*arguments, "--require-hashes"] if options.require_hashes else arguments
