"""The configuration of a worker: the first line that its parent writes to its standard input."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Union

from ..hiding import Hider

Lane = Union[int, str]
"""Which process of the version: 0 decides READY, 1, 2, … are further ordinary ones, ``large`` takes large bodies."""


class Config:
    """Attributes are the fields of WorkerSpec that a worker needs, plus its socket, key and state descriptor.

    ``hider`` keeps the secrets out of what is said about the version.
    """

    __slots__ = (
        "batch_rows", "batching", "body_limit", "concurrency", "direct", "directory", "hider", "idle", "json_depth",
        "key", "kill_grace", "lane", "listen_fd", "model", "parent_pid", "secrets", "socket", "startup_budget",
        "state_fd", "timeout", "unknown_columns", "version",
    )  # fmt: skip

    def __init__(self, document: Mapping[str, Any]) -> None:
        spec = document["spec"]
        self.key = str(document["key"])
        self.socket = str(document["socket"])
        self.state_fd = int(document["state_fd"])
        self.parent_pid = int(document["parent_pid"])
        self.lane: Lane = document.get("lane", 0)
        self.listen_fd: Optional[int] = document.get("listen_fd")
        self.idle: Optional[float] = document.get("idle")
        self.model = str(spec["model"])
        self.version = str(spec["version"])
        self.directory = str(spec["directory"])
        self.unknown_columns = str(spec["unknown_columns"])
        self.timeout = float(spec["timeout"])
        self.kill_grace = float(spec["kill_grace"])
        self.startup_budget = float(spec["startup_budget"])
        self.body_limit = int(spec["body_limit"])
        self.json_depth = int(spec["json_depth"])
        self.concurrency = int(spec.get("concurrency", 1))
        self.batching: Optional[bool] = spec.get("batching")
        self.batch_rows = int(spec.get("batch_rows", 1024))
        self.direct = bool(spec.get("direct", True))
        self.secrets: Dict[str, str] = dict(spec.get("secrets") or {})
        self.hider = Hider(self.secrets.values())
