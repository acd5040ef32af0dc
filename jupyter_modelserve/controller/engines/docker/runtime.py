"""Our program as the last and smallest layer of an image: so a new version of ours rebuilds no environment."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import jupyter_modelserve
from jupyter_modelserve.controller.engines.base import EngineUnavailable
from jupyter_modelserve.controller.engines.docker import archive, labels
from jupyter_modelserve.controller.engines.docker.container import MODELS, PROGRAM, ROOTS_UID, STATE
from jupyter_modelserve.controller.engines.docker.images import Bench, Image, Images

REPOSITORY: Final = "modelserve/replica"
_PACKAGE: Final = Path(jupyter_modelserve.__file__).parent / "replica"


async def with_runtime(images: Images, environment: Image, key: str, interpreter: str) -> Image:
    """The image that replicas run: *environment* with our program; made when it is not there.

    Args:
        images: of the engine.
        environment: the image below.
        key: content key of the environment; part of the tag.
        interpreter: path of its Python, which compiles the program.
    """
    tag = f"{key}-{version()}"
    found = await images.find(f"{REPOSITORY}:{tag}")
    if found is not None and found.labels.get(_BASE) == environment.id:
        return found
    lines: list[str] = []
    async with images.builder(Bench(environment.id, network="none")) as builder:
        parent = str(Path(PROGRAM).parent)
        places = [STATE, MODELS, parent]
        codes = [await builder.run(["mkdir", "-p", *places], lines.append)]
        await builder.upload(parent, archive.stream(program_files(), "replica"))
        codes.append(await builder.run([interpreter, "-m", "compileall", "-q", PROGRAM], lines.append))
        if any(codes):
            raise EngineUnavailable(f"our program cannot be put into the image: {' '.join(lines[-3:])}")
        marks = {labels.KIND: "replica", labels.ENVIRONMENT: key, _BASE: environment.id}
        config = {"Cmd": [interpreter], "Entrypoint": [], "User": f"{ROOTS_UID}:{ROOTS_UID}", "Labels": marks}
        return await builder.commit(REPOSITORY, tag, config)


@cache
def version() -> str:
    """12 hexadecimal digits of what our program is."""
    total = hashlib.sha256()
    for name, path in program_files():
        total.update(f"{name}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


_BASE: Final = "modelserve.base"


def program_files() -> list[tuple[str, Path]]:
    """Every source file of our program with its path below the package. Blocking."""
    return [(name, path) for name, path in archive.walk(_PACKAGE) if name.endswith(".py")]
