"""The way of a new user through the panel alone: from a logged run to a scored endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.pages import Pages
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def logged(instance: RunningInstance) -> str:
    """A model that a run logged and nobody registered."""
    with mlflow_of(instance) as mlflow, mlflow.start_run():
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        pins = zoo.pins("scikit-learn", "pandas", "numpy")
        mlflow.sklearn.log_model(model, name="flowers", input_example=frame.head(2), pip_requirements=pins)
    return "flowers"


@pytest.mark.req("REQ-025", "REQ-026", "REQ-027", "REQ-028", "REQ-029", "REQ-030", "REQ-069")
@pytest.mark.req("REQ-165", "REQ-179", "REQ-196")
def test_from_a_logged_run_to_a_scored_endpoint(
    logged: str, panel: Any, page: Any, expect: Any, picture: Callable[[str], None]
) -> None:
    pages = Pages(page)
    started = time.monotonic()
    panel.get_by_role("button", name="Register a model").click()
    expect(pages.dialog).to_contain_text("%register flowers models:/m-")
    picture("register")
    pages.accept("Register")
    model = pages.of("flowers")
    expect(model).to_contain_text("Not enabled.")
    model.get_by_role("tabpanel").get_by_role("button", name="Enable serving").click()
    expect(pages.dialog).to_contain_text("%serve flowers")
    picture("serve")
    pages.accept("Enable serving")
    status = model.get_by_role("status").filter(has_text="Status:")
    expect(status).to_contain_text("Starting")
    expect(status).to_contain_text("Ready")
    request = model.get_by_role("textbox", name="Request")
    model.get_by_role("button", name="Load example").click()
    expect(request).not_to_have_value("")
    model.get_by_role("button", name="Send request").click()
    expect(model).to_contain_text("200 OK")
    expect(model.get_by_label("Response")).to_contain_text('"predictions": [0, 0]')
    elapsed = time.monotonic() - started
    picture("serving-light")
    model.get_by_role("button", name="Stop", exact=True).click()
    expect(pages.dialog).to_contain_text("%stop flowers")
    pages.accept("Stop")
    expect(model).to_contain_text("Not enabled.")
    assert elapsed < 180, "a minute on a machine that does nothing else"


@pytest.mark.req("REQ-017", "REQ-044", "REQ-045", "REQ-046", "REQ-173", "REQ-194", "REQ-197")
def test_serving_shows_addresses_states_logs_and_events(served: str, panel: Any, page: Any, expect: Any) -> None:
    endpoints = panel.get_by_role("list", name="Endpoints")
    expect(endpoints).to_contain_text("iris")
    expect(endpoints).to_contain_text("requests/s")
    assert "Ready" not in [text.strip() for text in endpoints.locator("p").all_inner_texts()]
    model = Pages(page).model("iris", "serving")
    urls = model.get_by_role("list", name="Model URLs")
    for address in ("/model/iris/1/invocations", "/model/iris/Champion/invocations", "/serving-endpoints/iris/"):
        expect(urls).to_contain_text(address)
    expect(model.get_by_role("tab", name="Version 2 Challenger Ready")).to_be_visible()
    model.get_by_role("tab", name="Version 1").click()
    expect(model.get_by_role("tabpanel", name="Details")).to_contain_text("passed")
    model.get_by_role("tab", name="Logs").click()
    expect(model.get_by_label("Log of version 1")).to_be_visible()
    expect(model.get_by_role("checkbox", name="Follow")).to_be_checked()
    replicas = model.get_by_label("Log of which replica")
    expect(replicas).to_have_value("")
    expect(replicas.get_by_role("option").first).to_have_text("All replicas")
    model.get_by_role("tab", name="Version Events").click()
    events = model.get_by_role("table", name="Version Events")
    expect(events).to_contain_text("iris version 1 is READY")
    assert "version 2" not in events.inner_text()
    model.get_by_role("tab", name="Model Events").click()
    expect(model.get_by_role("table", name="Model Events")).to_contain_text("created the endpoint")


@pytest.mark.req("REQ-042")
def test_a_request_becomes_a_form_and_clients_in_other_languages(
    served: str, page: Any, expect: Any, picture: Callable[[str], None]
) -> None:
    pages = Pages(page)
    query = pages.open("Request to iris", "modelserve:query", endpoint="iris")
    query.get_by_role("button", name="Fill in a form").click()
    query.get_by_role("textbox", name="sepal_length").fill("6.3")
    query.get_by_role("button", name="Send request").click()
    expect(query.get_by_label("Response")).to_contain_text("predictions")
    query.get_by_role("button", name="Edit as text").click()
    query.get_by_label("Format:").select_option("csv")
    expect(query.get_by_role("textbox", name="Request")).to_have_value(
        "sepal_length,sepal_width,petal_length,petal_width\n6.3,3.5,1.4,0.2"
    )
    query.get_by_role("button", name="Send request").click()
    expect(query).to_contain_text("200 OK")
    for language, words in (("curl", "curl -sS"), ("python", "urllib.request"), ("powerbi", "Advanced Editor")):
        query.get_by_label("Copy as:").select_option(language)
        expect(pages.dialog).to_contain_text(words)
        if language == "powerbi":
            picture("powerbi")
        pages.accept("Close")
    query.get_by_role("textbox", name="Request").fill('{"dataframe_records": [{"x": 1}]}')
    query.get_by_label("Format:").select_option("dataframe_records")
    query.get_by_role("button", name="Send request").click()
    expect(query).to_contain_text("400")
    expect(query.get_by_label("Response")).to_contain_text("error_code")
