"""The configuration of a worker: the first line that its parent writes to its standard input."""

from __future__ import annotations

from typing import Any, Mapping


class Config:
    """Attributes are the fields of WorkerSpec that a worker needs, plus its socket, key and state descriptor."""

    __slots__ = (
        "body_limit", "directory", "json_depth", "key", "kill_grace", "model", "parent_pid", "socket", "startup_budget",
        "state_fd", "timeout", "unknown_columns", "version",
    )  # fmt: skip

    def __init__(self, document: Mapping[str, Any]) -> None:
        spec = document["spec"]
        self.key = str(document["key"])
        self.socket = str(document["socket"])
        self.state_fd = int(document["state_fd"])
        self.parent_pid = int(document["parent_pid"])
        self.model = str(spec["model"])
        self.version = str(spec["version"])
        self.directory = str(spec["directory"])
        self.unknown_columns = str(spec["unknown_columns"])
        self.timeout = float(spec["timeout"])
        self.kill_grace = float(spec["kill_grace"])
        self.startup_budget = float(spec["startup_budget"])
        self.body_limit = int(spec["body_limit"])
        self.json_depth = int(spec["json_depth"])
