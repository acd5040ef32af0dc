"""An instance of the chaos tests' own on each engine, and a line of figures per scenario at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import containers, figures
from tests.chaos.substrate import ProcessSubstrate, Substrate
from tests.chaos.world import LONG, SETTINGS, World
from tests.support import docker_engine
from tests.support.instance import RunningInstance, mlflow_of, started_instance

FIGURES = pytest.StashKey[dict[str, list[str]]]()
OUTCOMES = pytest.StashKey[dict[str, str]]()
HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"


MARKS = (
    "any_engine: what a scenario proves is the same whatever carries models",
    "nearly_any_engine: likely the same on both engines, so that the short set need not run it on Docker",
)


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks of these tests mean."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each scenario runs on each engine, except where the engine makes no difference."""
    if "engine" in metafunc.fixturenames:
        marks = {each.name for each in metafunc.definition.iter_markers()}
        alone = "any_engine" in marks or ("nearly_any_engine" in marks and not LONG)
        docker = pytest.param("docker", marks=pytest.mark.docker)
        metafunc.parametrize("engine", ["process"] if alone else ["process", docker], indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All of these are slow, print third-party warnings, and may take long in the long set."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            item.add_marker(pytest.mark.timeout(1800 if LONG else 280))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The figures are reported, not asserted: they depend on what else the machine does."""
    for name, lines in config.stash.get(FIGURES, {}).items():
        for line in lines:
            terminalreporter.write_line(f"{name}: {line}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how each scenario ended."""
    report = yield
    if item.path.is_relative_to(HERE) and (report.when == "call" or report.outcome != "passed"):
        item.config.stash.setdefault(OUTCOMES, {})[item.name] = report.outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the figures for ``scripts/reliability.py``, which writes the page of a long run from them."""
    outcomes = session.config.stash.get(OUTCOMES, {})
    if outcomes:
        # A run that was interrupted must not look like a whole one.
        asked = [each for each in session.items if isinstance(each, pytest.Function) and each.path.is_relative_to(HERE)]
        outcomes = {each.name: "not run" for each in asked} | outcomes
        engines = {each.name: str(each.callspec.params["engine"]) for each in asked if hasattr(each, "callspec")}
        BUILD.mkdir(exist_ok=True)
        lines = session.config.stash.setdefault(FIGURES, {})
        figures.write(BUILD / f"reliability-{'long' if LONG else 'short'}.json", outcomes, lines, LONG, engines)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Report a figure at the end of the run."""
    lines = request.config.stash.setdefault(FIGURES, {}).setdefault(request.node.name, [])

    def add(text: str) -> None:
        lines.extend(text.splitlines())

    return add


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """``process`` or ``docker``."""
    return str(request.param)


@pytest.fixture(scope="session")
def settings(engine: str, request: pytest.FixtureRequest) -> str:
    """The text of settings.toml."""
    if engine == "process":
        return SETTINGS
    return SETTINGS + containers.SETTINGS.format(base=request.getfixturevalue("docker_base"))


@pytest.fixture(scope="session")
def broken_instance(engine: str, settings: str) -> Iterator[RunningInstance]:
    """An instance that is killed again and again; at the end nothing of it may be left."""
    with started_instance("mschaos-", settings) as found:
        found.wait_for_mlflow()
        mark = docker_engine.instance_id(found.paths)
        yield found
    if engine == "docker":
        assert docker_engine.left_of(mark) == []


@pytest.fixture(scope="session")
def substrate(engine: str, broken_instance: RunningInstance) -> Iterator[Substrate]:
    """What carries the instance's replicas."""
    made = (ProcessSubstrate if engine == "process" else containers.DockerSubstrate)(broken_instance.paths)
    with closing(made):
        yield made


@pytest.fixture(scope="module")
def notebook(broken_instance: RunningInstance) -> Iterator[Any]:
    """MLflow as a notebook of the user has it."""
    with mlflow_of(broken_instance) as mlflow:
        yield mlflow


@pytest.fixture
def world(broken_instance: RunningInstance, notebook: Any, substrate: Substrate, settings: str) -> Iterator[World]:
    """The instance with the test's own endpoints, which are removed again; what is left over fails the test."""
    made = World(broken_instance, notebook, substrate, settings)
    yield made
    made.remove_all()
