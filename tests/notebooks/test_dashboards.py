"""The Voila dashboards in a real Voila and a real browser, in light and dark and as wide as a phone.

``DASHBOARD_PICTURES`` names where the screenshots go.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jupyter_modelserve as ms
from jupyter_modelserve.client import session
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.widgets import RegistryBrowser
from tests.notebooks.voila_server import DASHBOARDS, started_voila
from tests.support.instance import RunningInstance

nbformat: Any = import_module("nbformat")

PICTURES = Path(os.environ.get("DASHBOARD_PICTURES", "build/dashboards"))
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
WIDE = {"width": 1200, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 60_000

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def served(instance: RunningInstance) -> Iterator[None]:
    """A table model and one that takes no table, both served."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LinearRegression, LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ms.connect(instance.url, instance.token)
        data, target = load_iris(as_frame=True, return_X_y=True)
        ms.register(LogisticRegression(max_iter=500).fit(data, target), "iris", alias="Champion", input_example=data)
        ms.register(
            LinearRegression().fit([[0.0], [1.0]], [0, 2]), "line", alias="x", input_example=np.array([[1.0], [2.0]])
        )
        ms.serve("iris@Champion")
        ms.serve("line@x")
    yield
    for name in ("iris", "line"):
        ms.stop(name)
    session.use(None)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, headless=True, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module", params=["light", "dark"])
def voila(request: pytest.FixtureRequest, instance: RunningInstance, served: None) -> Iterator[tuple[str, str]]:
    """Address and theme of a Voila."""
    with started_voila(instance.home, request.param) as url:
        yield url, request.param


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport=WIDE)
    found = context.new_page()
    # Nothing of a dashboard may need the internet; what Voila's template asks for there stays without an answer.
    found.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
    found.set_default_timeout(PATIENCE)
    yield found
    context.close()


def picture(page: Any, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(PICTURES / f"{name}.png"), full_page=True)


def too_wide(page: Any) -> list[str]:
    """What reaches over the right edge, so that one would have to scroll to the side."""
    boxes = ".ms-view, .ms-tile, figure, figure svg, .widget-text input, select, button, nav, dl"
    look = """boxes => [...document.querySelectorAll(boxes)]
        .filter(each => each.getBoundingClientRect().right > innerWidth)
        .map(each => each.tagName + " " + each.getAttribute("class") + " " + each.getBoundingClientRect().right)"""
    return list(page.evaluate(look, boxes))


def count(page: Any) -> int:
    """The requests to iris that the monitor's table shows."""
    return int(page.locator("tr", has=page.get_by_role("cell", name="iris").first).locator("td").nth(5).inner_text())


@pytest.mark.req("REQ-013")
def test_the_monitor_is_live(voila: tuple[str, str], instance: RunningInstance, page: Any) -> None:
    url, theme = voila
    page.goto(f"{url}serving_monitor.ipynb")
    page.locator(".ms-tile").first.wait_for()
    page.locator(".ms-charts svg").nth(2).wait_for()
    assert page.locator(".ms-tile b").first.inner_text() == "2 of 2"
    assert page.locator("figure[role=img]").count() == 3
    before = count(page)
    with instance.client() as client:
        for _ in range(20):
            client.score("iris", [[5.1, 3.5, 1.4, 0.2]])
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('tbody tr')].some(row => row.cells[0].innerText === 'iris' "
        "&& Number(row.cells[5].innerText) === wanted)",
        arg=before + 20,
    )
    assert page.locator(".ms-tile b").last.inner_text().endswith("%")
    assert page.evaluate("getComputedStyle(document.querySelector('.ms-view figure')).color") == page.evaluate(
        "getComputedStyle(document.querySelector('.ms-view')).color"
    )
    page.wait_for_function(  # a few points, so that the picture shows lines
        "[...document.querySelectorAll('figure path')].some(each => each.getAttribute('d').split('L').length > 3 "
        "&& (each.getAttribute('style') || '').includes('1.6'))"
    )
    page.locator(".ms-view pre").wait_for()
    picture(page, f"monitor-{theme}")
    page.set_viewport_size(PHONE)
    picture(page, f"monitor-{theme}-phone")
    assert too_wide(page) == []


def test_the_form_scores_and_remembers(voila: tuple[str, str], page: Any) -> None:
    url, theme = voila
    page.goto(f"{url}scoring_form.ipynb?endpoint=iris")
    fields = page.locator(".ms-field input")
    fields.nth(3).wait_for()
    assert [fields.nth(each).input_value() for each in range(4)] == ["5.1", "3.5", "1.4", "0.2"]
    page.get_by_role("button", name="Score").click()
    assert page.locator(".ms-prediction").inner_text() == "[0]"
    fields.nth(2).fill("6.5")
    fields.nth(3).fill("2.4")
    page.get_by_role("button", name="Score").click()
    page.wait_for_function("document.querySelector('.ms-prediction').innerText === '[2]'")
    assert page.locator("tbody tr").count() == 2
    fields.nth(0).fill("much")
    page.get_by_role("button", name="Score").click()
    assert page.get_by_role("alert").inner_text() == "sepal length (cm) is 'much'; it takes a number"
    page.get_by_label("Use again").select_option(index=2)
    page.wait_for_function("document.querySelectorAll('.ms-field input')[2].value === '1.4'")
    picture(page, f"form-{theme}")
    page.set_viewport_size(PHONE)
    picture(page, f"form-{theme}-phone")
    assert too_wide(page) == []


def test_the_registry_is_browsed(voila: tuple[str, str], instance: RunningInstance, page: Any) -> None:
    url, theme = voila
    page.goto(f"{url}registry_browser.ipynb?model=line&theme={theme}")
    page.locator(".ms-main h3", has_text="line").wait_for()
    page.get_by_placeholder("search").fill("iri")
    page.locator(".ms-main h3", has_text="iris").wait_for()
    opened = page.locator(".widget-tab-contents")
    opened.get_by_role("cell", name="sepal length (cm)").wait_for()
    with instance.client() as client:
        client.set_alias("iris", f"Seen-{theme}", "1")
    page.locator(".ms-main .ms-chip", has_text=f"Seen-{theme}").first.wait_for()  # by itself
    page.get_by_role("tab", name="Lineage").click()
    page.locator(".ms-main svg text", has_text=f"Seen-{theme}").first.wait_for()
    opened.get_by_text("As a table").wait_for()
    picture(page, f"lineage-{theme}")
    for tab, text in (("Who may", "EXECUTE"), ("History", f"Seen-{theme}")):
        page.get_by_role("tab", name=tab).click()
        opened.get_by_role("cell", name=text).first.wait_for()
    page.get_by_role("tab", name="Version").click()
    opened.get_by_role("cell", name="sepal length (cm)").wait_for()
    picture(page, f"registry-{theme}")
    page.set_viewport_size(PHONE)
    picture(page, f"registry-{theme}-phone")
    assert too_wide(page) == []
    page.locator(".ms-main a", has_text="iris").first.click()
    page.locator(".ms-field input").nth(3).wait_for()
    assert page.get_by_label("Endpoint").input_value() == "iris"
    assert page.locator("nav a", has_text="Registry").count() == 1
    assert f"theme={theme}" in page.url


def test_a_viewer_browses_with_their_own_rights(instance: RunningInstance, served: None) -> None:
    with instance.client() as admin:
        admin.create_principal("viewer")
        secret, _ = admin.create_token(principal="viewer")
        admin.grant("FUNCTION", "iris", "viewer", "EXECUTE")
    with Client.discover(url=instance.url, token=secret) as client:
        browser = RegistryBrowser(interval=0, client=client)
        shown = texts(browser)
        assert any("what viewer may see" in each for each in shown)
        assert any("<h3>iris</h3>" in each for each in shown)
        assert not any("<h3>line</h3>" in each or ">line<" in each for each in shown)
        tabs = next(each for each in parts(browser) if type(each).__name__ == "Tab")
        tabs.selected_index = tabs.titles.index("Who may")
        assert any("Your own rights only" in each and "EXECUTE" in each for each in texts(browser))
        browser.close()


def parts(widget: Any) -> Iterator[Any]:
    """A widget and all inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def texts(widget: Any) -> list[str]:
    """The HTML that a widget shows, and the choices that it offers."""
    found = [each.value for each in parts(widget) if type(each).__name__ == "HTML"]
    return found + [f">{option}<" for each in parts(widget) for option in getattr(each, "options", ())]


def test_a_model_without_a_table_gets_a_body(voila: tuple[str, str], page: Any) -> None:
    page.goto(f"{voila[0]}scoring_form.ipynb?endpoint=line")
    page.locator("textarea").wait_for()
    assert "inputs" in page.locator("textarea").input_value()
    page.get_by_role("button", name="Score").click()
    page.locator(".ms-prediction").wait_for()
    page.get_by_label("Endpoint").select_option("iris")
    page.locator(".ms-field input").nth(3).wait_for()


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_dashboard_is_clean(path: Path) -> None:
    notebook = nbformat.read(str(path), 4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells)
