"""What the chaos scenarios need to know about an engine: which processes are a replica's, how one is killed, and what
else there is of it and so may be left over. The scenarios are the same on every engine.
"""

from __future__ import annotations

import contextlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

from jupyter_modelserve.launcher import private
from jupyter_modelserve.settings import Paths


@dataclass(frozen=True, slots=True)
class Found:
    """A process of the instance. ``role``: ``gateway``, ``controller``, ``mlflow``, ``parent``, ``zygote``, ``worker``
    or ``?``; ``endpoint`` is empty for daemons.
    """

    process: psutil.Process
    role: str
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as its record on disk says; ``sockets`` is the directory as this side sees it."""

    id: str
    endpoint: str
    key: str
    sockets: Path


class Substrate(ABC):
    """What carries the replicas of one instance."""

    name: ClassVar[str]
    requirements: ClassVar[list[str] | None] = None
    """Of the models; none: those that let this interpreter be borrowed."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    # ------------------------------------------------------------------------------------------------ processes
    def processes(self) -> Iterator[Found]:
        """Every process of the instance on this machine, replicas' included."""
        for process in psutil.process_iter(["cmdline"]):
            arguments = process.info["cmdline"] or []
            if str(self.paths.home) in " ".join(arguments) and not ended(process):
                yield Found(process, role_of(process, arguments), self._endpoint(arguments))

    @abstractmethod
    def kill(self, process: psutil.Process) -> None:
        """Kill one process without a warning, the way that it would die in life."""

    def local_pids(self, replica: Replica, pids: Iterable[int]) -> set[int]:
        """Pids here of what the replica's own processes call *pids*."""
        return set(pids)

    # ------------------------------------------------------------------------------------------------ replicas
    @property
    @abstractmethod
    def records(self) -> Path:
        """Directory with one directory per replica."""

    def replicas(self) -> list[Replica]:
        """Every replica with a readable record."""
        found = []
        for file in self.records.glob("*/replica.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                record = json.loads(file.read_text())
                sockets = self.paths.replica_sockets / file.parent.name
                found.append(Replica(file.parent.name, record["endpoint"], record["key"], sockets))
        return found

    def other_lanes(self) -> set[int]:
        """Pids of workers' lanes other than the first, as the parents tell."""
        found = set()
        for replica in self.replicas():
            with contextlib.suppress(OSError, ValueError):
                answer = private.request(replica.sockets / "control.sock", "GET", "/status", headers=key(replica))
                workers = json.loads(answer[1])["workers"].values() if answer is not None else ()
                pids = [each["pid"] for one in workers for each in one.get("processes", ()) if each["lane"] != 0]
                found |= self.local_pids(replica, pids)
        return found

    def ready(self, endpoint: str) -> int:
        """How many workers of an endpoint answer that they are ready; asked of themselves, so it is never stale."""
        count = 0
        for replica in self.replicas():
            sockets = replica.sockets.glob("*.sock") if replica.endpoint == endpoint else ()
            for socket in sockets:
                if socket.name != "control.sock" and "-" not in socket.stem:  # the first lane only
                    with contextlib.suppress(OSError, ValueError):
                        answer = private.request(socket, "GET", "/ping", headers=key(replica))
                        count += answer is not None and json.loads(answer[1]).get("ready") is True
        return count

    # ------------------------------------------------------------------------------------------------ what is left
    def things(self) -> dict[str, list[str]]:
        """Ids of replicas by each kind of thing that a replica has and that could be left over."""
        places = {"records": self.records, "sockets": self.paths.replica_sockets}
        return {kind: [each.name for each in place.iterdir()] for kind, place in places.items()}

    def owners(self) -> dict[str, str]:
        """Endpoint by replica id."""
        return {each.id: each.endpoint for each in self.replicas()}

    def things_of(self, endpoint: str) -> dict[str, list[str]]:
        """The same of one endpoint, and of replicas that nobody knows: those would be orphans."""
        owners = self.owners()
        return {
            kind: sorted(each for each in ids if owners.get(each, endpoint) == endpoint)
            for kind, ids in self.things().items()
        }

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened."""

    def _endpoint(self, arguments: list[str]) -> str:
        found = re.search(r"replicas/([^/ ]+)", " ".join(arguments))
        return self.owners().get(found[1], "?") if found else ""


class ProcessSubstrate(Substrate):
    """The process engine: a replica is a process and its children on this machine."""

    name = "process"

    @property
    def records(self) -> Path:
        """One directory per replica, with its model files."""
        return self.paths.replicas

    def kill(self, process: psutil.Process) -> None:
        """SIGKILL."""
        process.kill()

    def close(self) -> None:
        """Nothing was."""


def key(replica: Replica) -> dict[str, str]:
    """What the replica's sockets want to see."""
    return {"x-modelserve-key": replica.key}


def role_of(process: psutil.Process, arguments: list[str]) -> str:
    """What a process is, by its command line."""
    modules = {"jupyter_modelserve.gateway": "gateway", "jupyter_modelserve.controller": "controller"}
    for argument in arguments:
        if argument in modules:
            return modules[argument]
        if argument == "jupyter_modelserve.plugins.mlflow_app":
            return "mlflow"
        if argument == "zygote":
            # A fork of it keeps its command line and changes its name.
            return "worker" if process.name().startswith("worker ") else argument
        if argument in {"parent", "worker"}:
            return argument
    return "?"


def ended(process: psutil.Process) -> bool:
    """Whether it is over; a zombie is."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
