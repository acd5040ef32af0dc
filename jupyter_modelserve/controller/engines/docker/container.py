"""What a replica's container looks like: every default that keeps a hostile model to itself, in one place.

No network at all; read-only root; no capability; no new privilege; not root; bounded memory, CPU, processes, files and
logs. What it can write is /tmp and its own state (both in memory, bounded, counted as its own), and the directory with
its sockets. Model files are root's and cannot be changed by it. Nothing secret is in here: ``docker inspect`` shows it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.controller.engines.base import ReplicaSpec

SOCKETS: Final = "/run/modelserve"
"""Where the container sees the directory of its sockets."""
STATE: Final = "/replica"
MODELS: Final = "/models"
PROGRAM: Final = "/opt/modelserve/replica"
_MIB: Final = 1024 * 1024
_TMP_SIZE: Final = 1024 * _MIB
_STATE_SIZE: Final = 256 * _MIB
LOG_LIMIT: Final = 2 * _MIB
"""A version's log is in memory here, and four files of it are kept."""
_PIDS: Final = 512
"""Processes and threads: a Large replica has 64 workers with several threads each."""
_OPEN_FILES: Final = 8192
ROOTS_UID: Final = 10001
"""Who a model is when we are root."""
_ENVIRON: Final = {
    "HOME": "/tmp",  # noqa: S108 - inside the container
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """User and group of the processes in a container; never root."""

    uid: int
    gid: int

    @classmethod
    def of_this_user(cls) -> Owner:
        """This user, whose sockets the container's then are; some other uid when this user is root."""
        return cls(os.getuid(), os.getgid()) if os.getuid() else cls(ROOTS_UID, ROOTS_UID)

    def take(self, path: Path) -> None:
        """Make *path* the container's, where that is not given already."""
        if os.getuid() != self.uid:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Machine:
    """What an engine has to give, from its own information: CPU cores and bytes of memory."""

    cores: float
    memory: int


def arguments(
    spec: ReplicaSpec, owner: Owner, machine: Machine, *, name: str, labels: dict[str, str], record: Path, sockets: Path
) -> dict[str, Any]:
    """Keyword arguments for ``create_container_from_config``-like calls: plain JSON of the engine's API."""
    return {
        "Image": spec.image,
        "Entrypoint": [spec.interpreter, PROGRAM, "parent", STATE],
        "Cmd": [],
        "User": f"{owner.uid}:{owner.gid}",
        "Env": [f"{key}={value}" for key, value in _ENVIRON.items()],
        "WorkingDir": STATE,
        "Hostname": spec.id,
        "Labels": labels,
        "StopSignal": "SIGTERM",
        "HostConfig": _host(spec, owner, machine, name, record, sockets),
    }


def _host(spec: ReplicaSpec, owner: Owner, machine: Machine, name: str, record: Path, sockets: Path) -> dict[str, Any]:
    memory = min(spec.compute.memory or machine.memory, machine.memory)
    cores = min(spec.compute.cores or machine.cores, machine.cores)
    state = min(_STATE_SIZE, memory // 4)
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "Privileged": False,
        "IpcMode": "private",
        "Init": True,
        "PidsLimit": _PIDS,
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": int(cores * 1e9),
        "Ulimits": [
            {"Name": "nofile", "Soft": _OPEN_FILES, "Hard": _OPEN_FILES},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "RestartPolicy": {"Name": "no"},
        "Tmpfs": {
            "/tmp": f"size={min(_TMP_SIZE, memory // 2)},mode=1777,nosuid,nodev,noexec",  # noqa: S108
            STATE: f"size={state},mode=0700,uid={owner.uid},gid={owner.gid},nosuid,nodev,noexec",
        },
        "Binds": [
            f"{sockets}:{SOCKETS}:rw",
            f"{record}:{STATE}/replica.json:ro",
            f"{name}:{MODELS}:rw",
        ],
    }
