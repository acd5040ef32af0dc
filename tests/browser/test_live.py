"""The panel follows: notebooks, changes of compute, a controller that dies, a reload, the dark theme."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import command, open_panel
from tests.browser.lab import Lab
from tests.browser.pages import Pages
from tests.support.instance import RunningInstance

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

REGISTER = """\
%load_ext jupyter_modelserve
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
X, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=500).fit(X, y)
%register from_notebook model --example X
"""


@pytest.mark.req("REQ-047", "REQ-048", "REQ-049", "REQ-168")
def test_compute_and_tags_change_while_it_answers(
    served: str, page: Any, expect: Any, instance: RunningInstance, picture: Callable[[str], None]
) -> None:
    endpoint = Pages(page).open("Endpoint iris", "modelserve:open-endpoint", endpoint="iris", tab="compute")
    endpoint.get_by_label("Size of iris, all active versions").select_option("Medium")
    endpoint.get_by_label("Name of the tag").fill("team")
    endpoint.get_by_label("Value of the tag").fill("science")
    endpoint.get_by_role("button", name="Add").click()
    expect(endpoint.get_by_role("table", name="Tags of the endpoint")).to_contain_text("science")
    picture("compute")
    endpoint.get_by_role("button", name="Save").click()
    expect(endpoint).to_contain_text("Nothing to save.")
    with instance.client() as client:
        spec = client.endpoint("iris").spec
        assert (spec.entities[0].workload_size.value, spec.tags) == ("Medium", {"team": "science"})
        assert client.endpoint("iris").status.service.value == "READY", "the old replicas answer meanwhile"
    endpoint.get_by_role("button", name="Edit tag team").click()
    endpoint.get_by_label("Value of the tag").fill("operations")
    endpoint.get_by_role("button", name="Change").click()
    endpoint.get_by_role("button", name="Save").click()
    expect(endpoint).to_contain_text("Nothing to save.")
    endpoint.get_by_role("button", name="Delete tag team").click()
    endpoint.get_by_role("button", name="Save").click()
    expect(endpoint).to_contain_text("Nothing to save.")
    with instance.client() as client:
        assert client.endpoint("iris").spec.tags == {}


def test_a_model_registered_in_a_notebook_appears_and_its_cell_goes_back(page: Any, panel: Any, expect: Any) -> None:
    page.evaluate(
        "async () => { const app = window.jupyterapp;"
        " await app.commands.execute('notebook:create-new', {kernelName: 'modelserve-demo'}); }"
    )
    expect(page.get_by_text("modelserve demo | Idle")).to_be_visible()
    notebook = page.locator(".jp-Notebook:visible")
    notebook.locator(".cm-content").first.click()
    page.keyboard.insert_text(REGISTER)
    page.keyboard.press("Shift+Enter")
    expect(panel.get_by_role("treeitem", name="from_notebook")).to_be_visible(timeout=120_000)
    panel.get_by_role("treeitem", name="from_notebook").click(button="right")
    page.get_by_role("menuitem", name="Insert into Notebook").click()
    expect(notebook).to_contain_text("%serve from_notebook")


def test_a_controller_that_dies_is_seen_and_healed(
    served: str, page: Any, panel: Any, expect: Any, instance: RunningInstance
) -> None:
    before = instance.pid("controller")
    os.kill(before, signal.SIGKILL)
    panel.get_by_role("button", name="Refresh").click()
    expect(panel.get_by_role("list", name="Endpoints")).to_contain_text("Ready")
    until = time.monotonic() + 60
    while True:
        try:
            if instance.pid("controller") != before:
                break
        except AssertionError:
            pass
        assert time.monotonic() < until
        time.sleep(0.05)
    expect(panel.get_by_role("region", name="Instance")).to_contain_text("Running")
    expect(panel.get_by_role("treeitem", name="iris", exact=False).first).to_be_visible()


def test_a_reload_keeps_what_was_open(iris: str, page: Any, panel: Any, lab: Lab, expect: Any) -> None:
    panel.get_by_role("searchbox").fill("iris")
    Pages(page).model("iris", "versions")
    panel.get_by_role("button", name="Activity").click()
    page.evaluate("() => new Promise(done => setTimeout(done, 1500))")  # JupyterLab saves a layout a second later
    page.goto(lab.again())
    panel = open_panel(page)
    expect(panel.get_by_role("searchbox")).to_have_value("iris")
    expect(panel.get_by_role("button", name="Activity")).to_have_attribute("aria-expanded", "false")
    expect(Pages(page).of("iris").get_by_role("tab", name="Versions")).to_have_attribute("aria-selected", "true")


def test_the_dark_theme(served: str, page: Any, dark: None, expect: Any, picture: Callable[[str], None]) -> None:
    model = Pages(page).model("iris", "serving")
    model.get_by_role("button", name="Load example").click()
    model.get_by_role("button", name="Send request").click()
    expect(model).to_contain_text("200 OK")
    picture("serving-dark")
    colours = model.evaluate("node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]")
    assert contrast(*map(channels, colours)) > 7
    command(page, "modelserve:stop", endpoint="iris")
    Pages(page).dialog.wait_for()
    picture("dialog-dark")
    Pages(page).accept("Cancel")


def channels(colour: str) -> list[float]:
    """``rgb(1, 2, 3)`` or ``rgba(…)`` as three numbers; transparent black counts as text on nothing."""
    return [float(each) for each in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: list[float]) -> float:
        parts = [value / 255 for value in colour]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)
