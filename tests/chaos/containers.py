"""The Docker engine under the chaos scenarios: what a container is made of, found by the label of our own instance.

Processes are found and killed by their pids on this machine. A container's are this user's own, or this user is root,
so that this needs no more rights than the tests have; a container as a whole is killed by ``docker kill``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import psutil

from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.settings import Paths
from tests.chaos.substrate import Found, Replica, Substrate, ended, role_of
from tests.support import docker_engine, docker_serving

SETTINGS = 'engine = "docker"\nbase_image = "{base}"\nworkload_sizes = "Small=2:2 Medium=2:2 Large=2:4"\n'
"""Sizes that machines of continuous integration have."""


class DockerSubstrate(Substrate):
    """The Docker engine: a replica is a container, its ``parent`` the first process, which takes the others along."""

    name = "docker"
    requirements: ClassVar[list[str] | None] = docker_serving.requirements()

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths)
        import docker

        self._api = docker.APIClient(version="auto")

    def close(self) -> None:
        """Close the client."""
        self._api.close()

    @property
    def records(self) -> Path:
        """One directory per container."""
        return self.paths.containers

    # ------------------------------------------------------------------------------------------------ processes
    def processes(self) -> Iterator[Found]:
        """The daemons, and what runs in our containers."""
        yield from super().processes()
        for each in self._containers():
            with contextlib.suppress(psutil.NoSuchProcess):
                yield from _inside(each)

    def kill(self, process: psutil.Process) -> None:
        """``docker kill`` when it is the first process of a container of ours, else SIGKILL."""
        for each in self._containers():
            if each["State"]["Pid"] == process.pid:
                self._api.kill(each["Id"])
                return
        process.kill()

    def local_pids(self, replica: Replica, pids: Iterable[int]) -> set[int]:
        """A container has pids of its own; the kernel tells both."""
        wanted, found = set(pids), set()
        for each in self._containers():
            if each["Config"]["Labels"][labels.REPLICA] == replica.id:
                with contextlib.suppress(psutil.NoSuchProcess):
                    found |= {one.process.pid for one in _inside(each) if _inner_pid(one.process.pid) in wanted}
        return found

    # ------------------------------------------------------------------------------------------------ what is left
    def owners(self) -> dict[str, str]:
        """Endpoint by replica id, by record and by label."""
        marks = [each["Config"]["Labels"] for each in self._containers()]
        return {each[labels.REPLICA]: each[labels.ENDPOINT] for each in marks} | super().owners()

    def things(self) -> dict[str, list[str]]:
        """Containers in any state and volumes count as well."""
        volumes = self._api.volumes(filters=self._ours)["Volumes"] or []
        return super().things() | {
            "containers": [each["Config"]["Labels"][labels.REPLICA] for each in self._containers()],
            "volumes": [each["Labels"][labels.REPLICA] for each in volumes],
        }

    @cached_property
    def _ours(self) -> dict[str, Any]:
        return {"label": [f"{labels.INSTANCE}={docker_engine.instance_id(self.paths)}", labels.REPLICA]}

    def _containers(self) -> list[dict[str, Any]]:
        import docker

        found = []
        for each in self._api.containers(all=True, filters=self._ours):
            # One that is gone by now was being removed.
            with contextlib.suppress(docker.errors.NotFound):
                found.append(self._api.inspect_container(each["Id"]))
        return found


def _inside(container: dict[str, Any]) -> list[Found]:
    """The processes of a container, the first one as its ``parent``."""
    if not container["State"]["Pid"]:
        return []
    endpoint = container["Config"]["Labels"][labels.ENDPOINT]
    first = psutil.Process(container["State"]["Pid"])
    found = [] if ended(first) else [Found(first, "parent", endpoint)]
    for process in first.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            role = role_of(process, process.cmdline())
            if not ended(process):
                found.append(Found(process, "program" if role == "parent" else role, endpoint))
    return found


def _inner_pid(pid: int) -> int:
    """What the process *pid* is called in the innermost container that it is in; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0
