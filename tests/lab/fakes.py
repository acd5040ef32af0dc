"""Stand-ins for the instance and for a Jupyter Server authorizer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from jupyter_server.auth.authorizer import Authorizer

from jupyter_modelserve.errors import ModelServeError, NotRunning
from jupyter_modelserve.traced import NotebookRun
from jupyter_modelserve.types import DaemonStatus, Endpoint, InstanceStatus
from tests.lab.samples import ENDPOINT, INSTANCE


class Answer:
    """Status, headers and JSON of a response, refusals included."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeInstance:
    """An instance that a test switches on and off; counts what was asked of it."""

    def __init__(self) -> None:
        self.running = False
        self.launches = 0
        self.connections = 0
        self.closed = 0
        self.error: ModelServeError | None = None
        self.state = "running"
        self.starts_when_launched = True

    async def connect(self) -> FakeInstance:
        self.connections += 1
        if not self.running:
            raise NotRunning("no instance runs here")
        return self

    def launch(self) -> None:
        self.launches += 1
        self.running = self.starts_when_launched

    async def status(self) -> InstanceStatus:
        if not self.running:
            raise NotRunning("no instance answers")
        if self.error:
            raise self.error
        return INSTANCE if self.state == "running" else _starting()

    async def endpoints(self) -> list[Endpoint]:
        if self.error:
            raise self.error
        return [ENDPOINT]

    async def notebook_runs(self, after: int = 0, limit: int = 50) -> list[NotebookRun]:
        return []

    async def close(self) -> None:
        self.closed += 1


def _starting() -> InstanceStatus:
    daemon = DaemonStatus("starting")
    return InstanceStatus(INSTANCE.url, INSTANCE.instance_id, INSTANCE.version, daemon, daemon, daemon)


class RecordingAuthorizer(Authorizer):
    """Notes what it was asked; refuses the actions in ``refused``."""

    asked: ClassVar[list[tuple[str, str]]] = []
    refused: ClassVar[set[str]] = set()

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action not in self.refused


Fetch = Callable[..., Answer]
