"""An instance whose containers run in a Docker engine that a test may kill, with one endpoint that follows an alias."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_modelserve.controller.engines.docker import labels
from jupyter_modelserve.controller.engines.docker.client import DockerClient
from jupyter_modelserve.controller.engines.docker.images import Images
from jupyter_modelserve.controller.environments.images import ImageEnvironments
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import EndpointSpec, EndpointStatus, Event, Selector, SelectorKind, ServedEntity
from tests.chaos import models
from tests.support import docker_engine, docker_serving
from tests.support.docker_serving import SETTINGS
from tests.support.instance import RunningInstance, mlflow_of, started_instance
from tests.support.load import Load
from tests.support.second_dockerd import SecondEngine

T = TypeVar("T")
NAME = "steady"
_RATE = 100.0
_OWN = 'docker_host = "{host}"\nqueue_per_worker = 2000\nrestart_hold = 2.0\n'
"""A busy machine shall delay the load, not refuse it: back-pressure has tests of its own. Requests wait for what died
for a shorter time than a container takes to start, so that some are refused, which is what must be looked at.
"""


def until(what: str, check: Callable[[], T | None], seconds: float = 90.0) -> T:
    """Wait until *check* gives something true; what it gives."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"in {seconds:g} s never: {what} (last: {found!r})"
        time.sleep(0.05)
    return found


@dataclass
class Site:
    """The instance, its engine, and what a test looks at."""

    instance: RunningInstance
    engine: SecondEngine
    mlflow: Any

    def status(self) -> EndpointStatus:
        """What the user is shown of the endpoint."""
        with self.instance.client() as client:
            return client.endpoint(NAME).status

    def shown(self) -> str:
        """What the endpoint says in words."""
        found = self.status()
        return f"{found.service_message} {found.update_message}"

    def events(self, after: int = 0) -> list[Event]:
        """The endpoint's history above a number."""
        with self.instance.client() as client:
            return client.events(NAME, after)

    def move(self, version: str) -> None:
        """The alias that the endpoint follows means *version* from now on."""
        self.mlflow.MlflowClient().set_registered_model_alias(NAME, "Champion", version)

    def lives(self) -> set[tuple[str, str, int]]:
        """Which containers of the endpoint run: id, since when, pid."""
        found = docker_engine.containers(docker_engine.instance_id(self.instance.paths), NAME, self.engine.host)
        states = [(each["Id"], each["State"]) for each in found]
        return {(name, state["StartedAt"], state["Pid"]) for name, state in states if state["Running"]}

    def doctor(self) -> subprocess.CompletedProcess[str]:
        """What ``jupyter modelserve doctor`` says now."""
        environ = {**os.environ, "MODELSERVE_HOME": str(self.instance.home)}
        command = [sys.executable, "-m", "jupyter_modelserve.cli", "doctor"]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, check=False)

    def load(self) -> Load:
        """Open-loop load through the gateway."""
        path = f"/model/{NAME}/Champion/invocations"
        return Load(self.instance.url, self.instance.token, path, models.BODY, rate=_RATE)

    def whole(self, version: str) -> bool:
        """Whether exactly *version* is READY, the engine is there and nothing is under way."""
        found = self.status()
        states = {each.version: each.state.value for each in found.versions}
        tracks = (found.service.value, found.service_message, found.update.value)
        return (tracks, states) == (("READY", "Ready", "NOT_UPDATING"), {version: "READY"})

    def use(self, live_restore: bool) -> None:
        """Have an engine that keeps its containers, or one that does not, and the endpoint whole on it."""
        if self.engine.live_restore != live_restore:
            self.engine.stop()
            self.engine.live_restore = live_restore
            self.engine.start()
        until("the endpoint is whole", lambda: self.lives() and self.whole("1"))

    def left(self) -> tuple[int, int, int]:
        """How many containers and volumes, records and directories of sockets there are."""
        paths = self.instance.paths
        things = docker_engine.left_of(docker_engine.instance_id(paths), self.engine.host)
        return len(things), len(list(paths.containers.iterdir())), len(list(paths.replica_sockets.iterdir()))

    @contextmanager
    def watched(self) -> Iterator[list[EndpointStatus]]:
        """Every status that a user could have seen meanwhile."""
        seen, stop = list[EndpointStatus](), threading.Event()

        def look() -> None:
            with self.instance.client() as client:
                while not stop.wait(0.1):
                    seen.append(client.endpoint(NAME).status)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()


@contextmanager
def running(engine: SecondEngine, base: str) -> Iterator[Site]:
    """A :class:`Site` whose endpoint serves version 1 of 2; at the end nothing of it may be left in *engine*."""
    settings = SETTINGS.format(engine="docker", base=base) + _OWN.format(host=engine.host)
    with started_instance("msdd-", settings) as instance, mlflow_of(instance) as mlflow:
        instance.wait_for_mlflow()
        made = Site(instance, engine, mlflow)
        for tag in (1, 2):
            _register(mlflow, models.steady(mlflow, tag))
        _bring_environment(made, base)
        made.move("1")
        entity = ServedEntity(NAME, Selector(SelectorKind.ALIAS, "Champion"))
        with instance.client() as client:
            asked = client.put_endpoint(EndpointSpec(NAME, (entity,)))
            client.wait_ready(NAME, asked.generation, 120, None, None)
            yield made
            client.delete_endpoint(NAME)
            client.wait_gone(NAME)
        assert docker_engine.left_of(docker_engine.instance_id(instance.paths), engine.host) == []


def _register(mlflow: Any, model: Any) -> None:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]))
    docker_serving.register(mlflow, NAME, model, signature=signature)


def _bring_environment(site: Site, base: str) -> None:
    """Have the environment's image on the machine's engine, as the product makes it, and bring it over."""
    paths = site.instance.paths
    directory = next(paths.home.rglob("MLmodel")).parent

    async def work() -> str:
        with closing(DockerClient()) as client:
            environments = ImageEnvironments(paths, Settings.load(paths.home), Images(client))
            found = await environments.resolve(directory, progress=lambda _: None)
            await environments.close()
            return found.key

    key = docker_engine.in_a_loop(work)
    with docker_engine.api() as api:
        found = api.images(filters={"label": f"{labels.ENVIRONMENT}={key}"})
    site.engine.load(base.format(python="3.11"), *(tag for each in found for tag in each["RepoTags"] or ()))
