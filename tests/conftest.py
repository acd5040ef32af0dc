"""What every test may use, and the one plugin of ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests import requirements_table
from tests.support.instance import RunningInstance, started_instance


def pytest_configure(config: pytest.Config) -> None:
    """Write the table of requirements at the end of every run."""
    requirements_table.pytest_configure(config)


def missing(what: str) -> NoReturn:
    """Something that a test needs is not on this machine: a skip for a developer, a failure where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and nothing is skipped here")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium for browser tests; ``CHROMIUM_PATH`` names one that is not on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM_PATH") or next((path for name in names if (path := shutil.which(name))), None)
    return found or missing("Chromium")


@pytest.fixture(scope="session")
def docker_base() -> str:
    """Pattern of the base images on this machine's Docker engine."""
    from tests.support import docker_engine

    lacking = docker_engine.available()
    return missing(lacking) if lacking else docker_engine.BASE


@pytest.fixture(scope="session")
def replica_image(docker_base: str) -> str:
    """An image with nothing but a Python and our program."""
    from tests.support import docker_engine

    return docker_engine.in_a_loop(docker_engine.make_image)


@pytest.fixture
def unique() -> str:
    """A name that no other run uses."""
    from tests.support import docker_engine

    return docker_engine.unique()


@pytest.fixture(scope="session")
def instance() -> Iterator[RunningInstance]:
    """One real instance for all tests that do not break it: ``.url``, ``.token``, ``.home``, ``.client()``."""
    with started_instance() as found:
        found.wait_for_mlflow()
        yield found
