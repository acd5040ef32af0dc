"""The panel follows: notebooks, changes of compute, a controller that dies, a reload, the dark theme."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.browser.conftest import command, open_panel, theme
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
    endpoint.get_by_label("Max replicas of iris, all active versions").fill("2")
    endpoint.get_by_label("Scale to zero of iris, all active versions").check()
    expect(endpoint.get_by_role("table", name="Compute settings")).to_contain_text("on-demand")
    expect(endpoint.get_by_label("Engine:")).to_contain_text("As the instance is set: process")
    endpoint.get_by_label("Name of the tag").fill("team")
    endpoint.get_by_label("Value of the tag").fill("science")
    endpoint.get_by_role("button", name="Add").click()
    expect(endpoint.get_by_role("table", name="Tags of the endpoint")).to_contain_text("science")
    picture("compute")
    endpoint.get_by_role("button", name="Save").click()
    expect(endpoint).to_contain_text("Nothing to save.")
    with instance.client() as client:
        spec = client.endpoint("iris").spec
        entity = spec.entities[0]
        assert (entity.workload_size.value, spec.tags) == ("Medium", {"team": "science"})
        assert (entity.min_replicas, entity.max_replicas, entity.scale_to_zero) == (1, 2, True)
        assert client.endpoint("iris").status.service.value == "READY", "the old replicas answer meanwhile"
    endpoint.get_by_role("button", name="Edit tag team").click()
    endpoint.get_by_label("Value of the tag").fill("operations")
    endpoint.get_by_role("button", name="Change").click()
    endpoint.get_by_role("button", name="Save").click()
    expect(endpoint).to_contain_text("Nothing to save.")
    endpoint.get_by_label("Max replicas of iris, all active versions").fill("1")
    endpoint.get_by_label("Scale to zero of iris, all active versions").uncheck()
    endpoint.get_by_role("button", name="Delete tag team").click()
    endpoint.get_by_role("button", name="Save").click()
    expect(endpoint).to_contain_text("Nothing to save.")
    with instance.client() as client:
        assert client.endpoint("iris").spec.tags == {}


@pytest.mark.req("REQ-168", "REQ-195")
def test_staging_and_production_have_compute_of_their_own(
    iris: str, page: Any, expect: Any, instance: RunningInstance
) -> None:
    def post(path: str, body: dict[str, str]) -> None:
        done = httpx.post(instance.url + path, json=body, headers=instance.headers, timeout=60)
        assert done.is_success, done.text

    post("/api/modelserve/v1/models/iris/versions/2/copy", {"to": "iris_staged"})
    post("/api/2.0/preview/mlflow/endpoints-v2/enable", {"registered_model_name": "iris_staged"})
    model = Pages(page).model("iris_staged", "serving")
    model.get_by_role("tab", name="Compute Settings").click()
    model.get_by_label("Size of iris_staged, stage Production").select_option("Large")
    model.get_by_label("Scale to zero of iris_staged, stage Production").check()
    model.get_by_role("button", name="Save").click()
    expect(model).to_contain_text("Nothing to save.")
    with instance.client() as client:
        (found,) = [each for each in client.endpoints() if each.spec.entities[0].model == "iris_staged"]
    told = {str(each.selector): (each.workload_size.value, each.scale_to_zero) for each in found.spec.entities}
    assert told == {"stage=Staging": ("Small", False), "stage=Production": ("Large", True)}
    post("/api/2.0/preview/mlflow/endpoints-v2/disable", {"registered_model_name": "iris_staged"})
    expect(model).to_contain_text("Not enabled.")


def test_a_model_registered_in_a_notebook_appears_and_its_cell_shows_a_live_card(
    page: Any, panel: Any, expect: Any, instance: RunningInstance, picture: Callable[[str], None]
) -> None:
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
    command(page, "notebook:run-cell-and-select-next")
    card = notebook.get_by_role("region", name="Live card of endpoint from_notebook")
    expect(card.get_by_role("status").first).to_contain_text("Ready")
    expect(card).to_contain_text("/serving-endpoints/from_notebook/invocations")
    command(page, "modelserve:insert", code="%models")
    expect(notebook).to_contain_text("%models")
    command(page, "notebook:run-cell-and-select-next")
    models = notebook.get_by_role("region", name="Live card of all models")
    expect(models.get_by_role("row", name="from_notebook")).to_contain_text("Ready")
    picture("card")
    theme(page, "Dark")
    picture("card-dark")
    colours = card.evaluate("node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]")
    assert contrast(*map(channels, colours)) > 7
    theme(page, "Light")
    with instance.client() as client:
        client.delete_endpoint("from_notebook")
    expect(card).to_contain_text("from_notebook is not served now.")
    expect(models.get_by_role("row", name="from_notebook")).to_contain_text("no")


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
    steps = Pages(page).model("iris", "serving").get_by_role("list", name="Steps")
    expect(steps.get_by_role("listitem").first).to_contain_text("Start process")
    expect(steps.locator("[data-done=false]")).to_have_count(0)


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
