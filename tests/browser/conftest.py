"""One instance, one JupyterLab and one Chromium for all browser tests; each test has a page of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import TOKEN, Lab, started_lab
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of, started_instance

PICTURES = Path(os.environ.get("PANEL_PICTURES", "build/panel"))
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
PANEL = "Model serving"
HARMLESS = (
    # The browser's own line for every refusal; what the panel makes of one is looked at by its test.
    "Failed to load resource",
)


@pytest.fixture(scope="session")
def instance() -> Iterator[RunningInstance]:
    """An instance of the browser tests' own."""
    with started_instance("ms-browser-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.fixture(scope="session")
def lab(instance: RunningInstance) -> Iterator[Lab]:
    """See lab.py."""
    with started_lab(instance.home) as found:
        yield found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A Chromium without a window. It ends with the file: until then an event loop runs, which asynchronous tests of
    other folders could not bear.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, headless=True, args=ARGUMENTS)
        yield found
        found.close()


class Console:
    """What a page wrote to the browser's console and should not have."""

    def __init__(self, page: Any) -> None:
        self.lines: list[str] = []
        page.on("console", self._line)
        page.on("pageerror", lambda error: self.lines.append(f"uncaught: {error}"))

    def _line(self, message: Any) -> None:
        if message.type == "error" and not any(each in message.text for each in HARMLESS):
            self.lines.append(message.text)


@pytest.fixture
def context(browser: Any, lab: Lab) -> Iterator[Any]:
    """A browser's memory of its own: cookies and nothing else."""
    found = browser.new_context(viewport={"width": 1500, "height": 950})
    found.grant_permissions(["clipboard-read", "clipboard-write"], origin=lab.url.split("/user/")[0])
    yield found
    found.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what failed: its fixtures take a last picture."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def page(context: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Any]:
    """JupyterLab with the panel open. At the end the console must be clean."""
    found = context.new_page()
    console = Console(found)
    found.goto(lab.address)
    open_panel(found)
    yield found
    if request.node.stash.get(FAILED, False):
        PICTURES.mkdir(parents=True, exist_ok=True)
        found.screenshot(path=str(PICTURES / f"failed-{request.node.name}.png"))
    assert console.lines == []


def open_panel(page: Any) -> Any:
    """The panel, shown."""
    page.get_by_role("tab", name=PANEL).wait_for(timeout=60_000)
    panel = page.get_by_role("region", name=PANEL)
    if not panel.is_visible():
        page.get_by_role("tab", name=PANEL).click()
    panel.wait_for()
    return panel


@pytest.fixture
def panel(page: Any) -> Any:
    """The panel in the side bar."""
    return page.get_by_role("region", name=PANEL)


@pytest.fixture
def picture(page: Any) -> Callable[[str], None]:
    """Take a picture of the whole window, for the documentation and for the eye."""

    def take(name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(PICTURES / f"{name}.png"))

    return take


@pytest.fixture
def dark(page: Any) -> Iterator[None]:
    """The dark theme, for one test: JupyterLab remembers it for the next page."""
    theme(page, "Dark")
    yield
    theme(page, "Light")


def theme(page: Any, name: str) -> None:
    """Change to JupyterLab's own theme ``Dark`` or ``Light``."""
    command(page, "apputils:change-theme", theme=f"JupyterLab {name}")
    page.wait_for_selector(f"body[data-jp-theme-light='{str(name == 'Light').lower()}']", state="attached")
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def command(page: Any, name: str, **arguments: str) -> None:
    """Execute a command of JupyterLab once its layout is restored; it may go on when this returns.

    What is opened before that can be put away by the layout that is restored over it.
    """
    page.evaluate(
        "async ([name, given]) => { const app = window.jupyterapp;"
        " await app.restored; void app.commands.execute(name, given); }",
        [name, arguments],
    )


@pytest.fixture
def expect() -> Any:
    """Playwright's expectations, patient enough for a machine that does other things as well."""
    from playwright.sync_api import expect as found

    found.set_options(timeout=60_000)
    return found


@pytest.fixture(scope="session")
def served(instance: RunningInstance, iris: str) -> str:
    """The endpoint iris, which serves every active version."""
    from jupyter_modelserve.client.verbs import specification

    with instance.client() as client:
        put = client.put_endpoint(specification(iris))
        client.wait_ready("iris", put.generation, timeout=120)
    return "iris"


@pytest.fixture(scope="session")
def iris(instance: RunningInstance) -> str:
    """A registered model with an example, two versions and an alias."""
    with mlflow_of(instance) as mlflow:
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        for alias in ("Champion", "Challenger"):
            with mlflow.start_run():
                mlflow.log_metric("accuracy", 0.9733)
                mlflow.log_param("max_iter", 1000)
                mlflow.log_input(mlflow.data.from_pandas(frame, name="flowers"), context="training")
                logged = mlflow.sklearn.log_model(
                    model, name="iris", registered_model_name="iris", input_example=frame.head(3),
                    pip_requirements=zoo.pins("scikit-learn", "pandas", "numpy"),
                )  # fmt: skip
            mlflow.MlflowClient().set_registered_model_alias("iris", alias, str(logged.registered_model_version))
    return "iris"


__all__ = ["PANEL", "TOKEN", "Console", "command", "open_panel", "theme"]
