"""``python -m jupyter_modelserve.controller.exporting``: a model as an image of its own, or as what builds one.

A program of its own, so that it needs no running daemon and the command line imports nothing of the controller. It
reads the registry with the rights of the user whose instance it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from jupyter_modelserve.controller.engines.base import EngineError
from jupyter_modelserve.controller.engines.docker import archive
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.container import PROGRAM, ROOTS_UID
from jupyter_modelserve.controller.engines.docker.images import Bench, Images
from jupyter_modelserve.controller.engines.docker.maker import Maker
from jupyter_modelserve.controller.engines.docker.runtime import program_files
from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.images import ImageEnvironments
from jupyter_modelserve.controller.environments.images_build import INTERPRETER
from jupyter_modelserve.controller.environments.resolve import read_declared
from jupyter_modelserve.controller.registry import files, reader
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import ModelServeError, NotFound
from jupyter_modelserve.launcher import identity
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import ModelVersion

PLACE: Final = "/opt/modelserve/model"
PORT: Final = 8080
_DOCKERFILE: Final = """\
FROM {base}
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/modelserve/environment \\
 && /opt/modelserve/environment/bin/python -m pip install --no-cache-dir -r /tmp/requirements.txt
COPY replica {program}
COPY model {place}
USER {uid}:{uid}
ENV HOME=/tmp
EXPOSE {port}
CMD {command}
"""


def main() -> None:
    """Parse, work, print what was made; one line on standard error when it fails."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_modelserve.controller.exporting", description=__doc__)
    parser.add_argument("what", choices=["export", "dockerfile"])
    parser.add_argument("model")
    parser.add_argument("version")
    parser.add_argument("target", help="tag of the image, or directory for the Dockerfile")
    parser.add_argument("--home", type=Path, required=True)
    found = parser.parse_args()
    try:
        sys.stdout.write(f"{asyncio.run(_run(found))}\n")
    except EnvironmentFailed as error:
        sys.exit(f"{error.failure.message}. {error.failure.hint}".rstrip())
    except files.FilesMissing as error:
        sys.exit(error.failure.message)
    except (ModelServeError, EngineError, OSError) as error:
        sys.exit(str(error))


async def _run(found: argparse.Namespace) -> str:
    paths = Paths(found.home)
    database = Database.of(paths)
    try:
        version = await _version(database, found.model, found.version)
        directory = await files.fetch(version, await database.run(files.artifact_address, version), paths)
    finally:
        await database.close()
    settings = Settings.load(paths.home)
    if found.what == "dockerfile":
        return await asyncio.to_thread(write_context, directory, settings, Path(found.target))
    with closing(DockerClient(settings.docker_host, patience=settings.build_timeout)) as client:
        instance = identity.read(paths)
        maker = Maker(instance.instance_id, paths.home) if instance else None
        return await export(Images(client, maker), paths, settings, directory, found.target)


async def _version(database: Database, model: str, number: str) -> ModelVersion:
    known = (await database.run(reader.read_models, [model])).get(model)
    for each in known.versions if known else ():
        if each.version == number or number in each.aliases:
            return each
    raise NotFound(f"{model} has no version {number}" if known else f"{model} is not registered")


async def export(images: Images, paths: Paths, settings: Settings, directory: Path, reference: str) -> str:
    """Make the image *reference* with the model in it; returns its name.

    Raises:
        EnvironmentFailed: its environment cannot be built.
        EngineError: the Docker engine does not answer or refuses.
    """
    environments = ImageEnvironments(paths, settings, images)

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    environment = await environments.resolve(directory, progress=say)
    say("putting the model into the image")
    found = await asyncio.to_thread(archive.walk, directory)
    repository, _, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (reference, "", "latest")
    config = {
        "Cmd": _command(),
        "Entrypoint": [],
        "Env": ["HOME=/tmp"],
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "User": f"{ROOTS_UID}:{ROOTS_UID}",
        # An image of the user's own: nothing of ours that would have it collected.
        "Labels": {"modelserve.kind": "exported"},
    }
    async with images.builder(Bench(environment.image, network="none")) as builder:
        await builder.upload(str(Path(PLACE).parent), archive.stream(found, Path(PLACE).name))
        await builder.commit(repository, tag, config)
    return f"{repository}:{tag}"


def write_context(directory: Path, settings: Settings, target: Path) -> str:
    """Write Dockerfile, requirements, model and program to *target*; returns its path. Blocking.

    Raises:
        FileExistsError: there is something already.
    """
    declared, _ = read_declared(directory)
    target.mkdir(parents=True)
    lines = [*declared.options.lines, *(each.text for each in (*declared.entries, *declared.build))]
    moved = [line.replace(str(directory.resolve()), PLACE) for line in lines]
    (target / "requirements.txt").write_text("".join(f"{line}\n" for line in moved), encoding="utf-8")
    for part, found in (("model", archive.walk(directory)), ("replica", program_files())):
        for name, path in found:
            place = target / part / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    text = _DOCKERFILE.format(
        base=settings.base_image.replace("{python}", declared.minor),
        program=PROGRAM,
        place=PLACE,
        uid=ROOTS_UID,
        port=PORT,
        command=json.dumps(_command()),
    )
    (target / "Dockerfile").write_text(text, encoding="utf-8")
    return str(target / "Dockerfile")


def _command() -> list[str]:
    return [INTERPRETER, PROGRAM, "serve", PLACE, "--port", str(PORT)]


if __name__ == "__main__":
    main()
