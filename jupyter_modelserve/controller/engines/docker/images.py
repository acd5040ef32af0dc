"""Images and the containers that make them: the bricks for environments/images.py, which knows what goes in.

A builder is a container with network in which commands run one by one; what it leaves behind becomes an image.
Addresses of indexes, which may carry credentials, are given to a command only: neither the container's configuration
nor the image's history ever holds them.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.controller.engines.base import EngineError
from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.docker.client import DockerClient, Missing
from jupyter_modelserve.controller.engines.docker.maker import Maker

CACHE_VOLUME: Final = "modelserve-cache"
"""Packages that were downloaded or built once; shared by all builds on the engine."""
WORKSHOP: Final = "/run/modelserve"
"""Everything that a build needs and an image must not keep lies below, in memory or mounted."""
CACHE: Final = f"{WORKSHOP}/cache"
_COMMIT_DEADLINE: Final = 1800.0
_PULL_DEADLINE: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there. ``created`` is the engine's text, ``size`` in bytes."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    size: int
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a builder is started with. ``mounts`` are files and directories of this machine, read-only, by place."""

    image: str
    network: str = "bridge"
    mounts: Mapping[str, Path] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)


class Images:
    """Finds, makes and removes images of one engine; with a *maker* its builders are told from abandoned ones."""

    def __init__(self, client: DockerClient, maker: Maker | None = None) -> None:
        self._client = client
        self._maker = maker
        self._swept = False

    async def find(self, reference: str) -> Image | None:
        """An image by name or id; ``None`` when it is not there. Raises EngineUnavailable."""
        try:
            return _image(await self._client.call(lambda api: api.inspect_image(reference)))
        except Missing:
            return None

    async def pull(self, reference: str, heard: Callable[[str], None]) -> None:
        """Fetch an image from its registry; *heard* gets a line per step, on the event loop.

        Raises:
            EngineError: it cannot be had; the message says why.
        """
        loop = asyncio.get_running_loop()
        repository, _, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (reference, "", "")

        def pull(api: Any) -> None:
            for step in api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                if "error" in step:
                    raise Missing(str(step["error"]))
                if step.get("status") and "progressDetail" not in step:
                    loop.call_soon_threadsafe(heard, str(step["status"]))

        await self._client.call(pull, deadline=_PULL_DEADLINE)

    async def listing(self, kind: str) -> list[Image]:
        """Our images of a kind (label ``modelserve.kind``)."""
        wanted = {"label": f"{labels.KIND}={kind}"}
        found = await self._client.call(
            lambda api: [api.inspect_image(each["Id"]) for each in api.images(filters=wanted)]
        )
        return [_image(each) for each in found]

    async def remove(self, reference: str) -> bool:
        """Remove an image; whether it is gone. One that a container uses stays."""
        try:
            await self._client.call(lambda api: api.remove_image(reference, noprune=False))
        except Missing:
            return True
        except EngineError:
            return False
        return True

    @asynccontextmanager
    async def builder(self, bench: Bench) -> AsyncIterator[Builder]:
        """A started builder; it is removed in any case, with whatever runs in it.

        Before the first one, those are removed that a killed process of this instance left behind.
        """
        await self.sweep()
        config = {
            "Image": bench.image,
            "Entrypoint": ["sleep", "infinity"],
            "Cmd": [],
            "User": "0:0",
            "WorkingDir": "/",
            "Labels": {labels.KIND: "builder"},
            "HostConfig": {
                "NetworkMode": bench.network,
                "Init": True,
                "SecurityOpt": ["no-new-privileges:true"],
                "Tmpfs": {WORKSHOP: "mode=0755,size=64m,exec"},
                "Binds": [
                    f"{CACHE_VOLUME}:{CACHE}:rw",
                    *(f"{source}:{place}:ro" for place, source in bench.mounts.items()),
                ],
            },
        }

        def start(api: Any) -> str:
            api.create_volume(CACHE_VOLUME, labels={labels.KIND: "cache"})
            name = self._maker.name() if self._maker else None
            made = str(api.create_container_from_config(config, name)["Id"])
            api.start(made)
            return made

        # A call cannot be taken back: who is cancelled meanwhile waits for what it made, to remove it.
        starting = asyncio.ensure_future(self._client.call(start, deadline=120.0))
        try:
            yield Builder(self._client, await asyncio.shield(starting), bench)
        finally:
            with suppress(EngineError):
                await asyncio.shield(self._removed(await starting))

    async def sweep(self) -> None:
        """Remove abandoned builders, once in the life of this object."""
        if self._maker is None or self._swept:
            return
        self._swept = True
        maker, wanted = self._maker, {"label": f"{labels.KIND}=builder", "name": self._maker.prefix}
        for each in await self._client.call(lambda api: api.containers(all=True, filters=wanted)):
            if any(maker.orphaned(name) for name in each["Names"]):
                with suppress(EngineError):
                    await self._removed(str(each["Id"]))

    async def _removed(self, container: str) -> None:
        await self._client.call(lambda api: api.remove_container(container, force=True), deadline=60.0)


class Builder:
    """A container in which an image comes to be."""

    def __init__(self, client: DockerClient, container: str, bench: Bench) -> None:
        self._client = client
        self._container = container
        self._bench = bench

    async def run(
        self, command: Sequence[str], heard: Callable[[str], None], *, environ: Mapping[str, str] | None = None
    ) -> int:
        """Run *command* as root to its end; returns its exit code. Each line of output goes to *heard*.

        *environ* is seen by this command only. When this call is cancelled, ending the builder ends the command.
        """
        loop = asyncio.get_running_loop()

        def work(api: Any) -> int:
            made = api.exec_create(self._container, list(command), environment=dict(environ or {}))["Id"]
            with _output(api.exec_start(made, socket=True)) as pieces:
                for line in _lines(pieces):
                    loop.call_soon_threadsafe(heard, line)
            return int(api.exec_inspect(made)["ExitCode"])

        code = await self._client.call(work, deadline=None)
        # What was heard is queued before the answer, but by another door.
        await asyncio.sleep(0)
        return code

    async def upload(self, place: str, pieces: Iterable[bytes]) -> None:
        """Unpack a tar stream at *place*, which must exist."""
        await self._client.call(lambda api: api.put_archive(self._container, place, pieces), deadline=None)

    async def commit(self, repository: str, tag: str, config: Mapping[str, Any]) -> Image:
        """Make an image of what the builder holds, with *config* (Env, Labels, …) instead of the builder's own."""

        def work(api: Any) -> str:
            return str(api.commit(self._container, repository, tag, conf=dict(config))["Id"])

        identifier = await self._client.call(work, deadline=_COMMIT_DEADLINE)
        return _image(await self._client.call(lambda api: api.inspect_image(identifier)))


@contextmanager
def _output(socket: Any) -> Iterator[Iterable[bytes]]:
    """What a command prints. The SDK's own iterator would leave the connection open."""
    from docker.utils.socket import frames_iter

    try:
        yield (piece for _, piece in frames_iter(socket, tty=False))
    finally:
        # A file over the connection; closing one leaves the other open.
        connection = socket._sock
        socket.close()
        connection.close()


def _lines(stream: Iterable[bytes]) -> Iterable[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    pending = ""
    for chunk in stream:
        *whole, pending = re.split(r"[\r\n]+", pending + decoder.decode(chunk))
        yield from filter(str.strip, whole)
    if pending.strip():
        yield pending


def _image(found: Mapping[str, Any]) -> Image:
    return Image(
        id=str(found["Id"]),
        tags=tuple(found.get("RepoTags") or ()),
        labels=dict((found.get("Config") or {}).get("Labels") or {}),
        size=int(found.get("Size", 0)),
        architecture=str(found.get("Architecture", "")),
    )
