"""The controller's parts, put together once and handed to the API."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field

from jupyter_modelserve.controller.checking.service import Checks
from jupyter_modelserve.controller.endpoints.manager import Endpoints
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.mlflow_child import MlflowChild
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.local_user import local_user
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import DaemonStatus, Instance


@dataclass(slots=True)
class Controller:
    """Everything that one controller holds. ``stopping`` is set to end it; ``stop_replicas`` says how."""

    instance: Instance
    paths: Paths
    settings: Settings
    database: Database
    publication: Publication
    endpoints: Endpoints
    mlflow: MlflowChild
    governance: Governance
    checks: Checks
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stop_replicas: bool = False
    started_at: int = field(default_factory=lambda: int(time.time() * 1000))

    @property
    def local_user(self) -> str:
        """Principal of the local user, who administers a single-user instance."""
        return local_user()

    def itself(self) -> DaemonStatus:
        """The controller as part of the instance's status."""
        return DaemonStatus("running", os.getpid(), self.started_at)
