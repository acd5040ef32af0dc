"""One real instance whose models run in containers, and what its tests share.

Needs a Docker engine and a base image (``scripts/bootstrap.sh docker``): skipped without them, a failure where CI=true.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_modelserve.types import Endpoint
from tests.notebooks.conftest import kernel
from tests.support import docker_engine
from tests.support.docker_serving import SETTINGS, Serving
from tests.support.instance import RunningInstance, mlflow_of, started_instance

__all__ = ["kernel"]
FIGURES = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Figures are reported, not asserted: they depend on what else the machine does."""
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Report a figure at the end of the run."""
    lines = request.config.stash.setdefault(FIGURES, [])
    return lambda text: lines.extend(f"{request.node.name}: {line}" for line in text.splitlines())


@pytest.fixture(scope="session")
def instance(docker_base: str) -> Iterator[RunningInstance]:
    """An instance with engine = docker; nothing of it is left in the engine."""
    with started_instance("msd-", SETTINGS.format(engine="docker", base=docker_base)) as found:
        found.wait_for_mlflow()
        identifier = found.home
        yield found
        mark = docker_engine.instance_id(found.paths)
    assert docker_engine.left_of(mark) == [], identifier


@pytest.fixture(scope="module")
def mlflow(instance: RunningInstance) -> Iterator[Any]:
    """MLflow as a notebook of the user has it."""
    with mlflow_of(instance) as module:
        yield module


@pytest.fixture
def serving(instance: RunningInstance) -> Iterator[Serving]:
    """Puts endpoints, and takes them away at the end of the test."""
    with instance.client() as client:
        found = Serving(instance, client)
        yield found
        found.end()


def until(serving: Serving, name: str, state: str, seconds: float = 60.0) -> Endpoint:
    """Wait for a state of the change under way."""
    deadline = time.monotonic() + seconds
    while (found := serving.client.endpoint(name)).status.update.value != state:
        assert time.monotonic() < deadline, found.status
        time.sleep(0.05)
    return found
