"""What the process engine keeps on disk about a replica, so that the next controller finds it again.

``replica.json`` (0600) holds what was asked for and the key; ``parent.json`` which process answers for it. Both are
read with suspicion: a damaged directory must never keep the others from being seen.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jupyter_modelserve.controller.engines.base import ReplicaSpec
from jupyter_modelserve.controller.engines.identity import Identity
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import write_private
from jupyter_modelserve.types import from_json


@dataclass(frozen=True, slots=True)
class Record:
    """The content of ``replica.json``. ``created_at`` is seconds since 1970."""

    replica_id: str
    spec_hash: str
    nonce: str
    key: str
    sockets: str
    log_limit: int
    instance_id: str
    endpoint: str
    environment_key: str
    interpreter: str
    created_at: float
    labels: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, spec: ReplicaSpec, instance_id: str, sockets: Path, now: float) -> Record:
        """A record with a key and a nonce of its own."""
        return cls(
            replica_id=spec.id,
            spec_hash=spec.spec_hash,
            nonce=secrets.token_hex(16),
            key=secrets.token_urlsafe(32),
            sockets=str(sockets),
            log_limit=spec.log_limit,
            instance_id=instance_id,
            endpoint=spec.endpoint,
            environment_key=spec.environment_key,
            interpreter=spec.interpreter,
            created_at=now,
            labels=dict(spec.labels),
        )

    @property
    def control(self) -> str:
        """Address of the parent's control socket."""
        return f"unix:{self.sockets}/control.sock"

    def write(self, directory: Path) -> None:
        """Store it as ``replica.json``, readable by its owner only."""
        write_private(directory / "replica.json", json.dumps(asdict(self), indent=1))


def read_record(directory: Path) -> Record | None:
    """The record of a replica directory; ``None`` when it is missing, damaged or another replica's."""
    try:
        record = from_json(Record, json.loads((directory / "replica.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, InvalidParameter):
        return None
    return record if record.replica_id == directory.name else None


def read_identity(directory: Path) -> Identity | None:
    """The process that answers for a replica directory, as it was written down; it may long be gone."""
    try:
        found = json.loads((directory / "parent.json").read_text(encoding="utf-8"))
        return Identity(int(found["pid"]), str(found["start_time"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_identity(directory: Path, identity: Identity) -> None:
    """Write down which process answers, before it does so itself: nothing is lost if we die in between."""
    write_private(directory / "parent.json", json.dumps({"pid": identity.pid, "start_time": identity.start_time}))
