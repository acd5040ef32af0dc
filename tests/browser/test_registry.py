"""Versions, aliases, stages, descriptions, rights: what the panel shows of the registry and changes in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import command
from tests.browser.lab import Lab
from tests.browser.pages import Pages
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def pages(page: Any) -> Pages:
    return Pages(page)


def expand(panel: Any, name: str) -> None:
    """Open a model's row with the keyboard, which leaves the pages alone; models of other tests are in the tree."""
    panel.get_by_role("tree").focus()
    panel.page.keyboard.press("Home")
    for _ in range(panel.get_by_role("treeitem").count()):
        if panel.get_by_role("treeitem", selected=True, name=re.compile(rf"^{name}\b")).count():
            break
        panel.page.keyboard.press("ArrowDown")
    panel.page.keyboard.press("ArrowRight")


@pytest.mark.req("REQ-073")
def test_an_alias_is_set_moved_and_removed(
    iris: str, pages: Pages, panel: Any, expect: Any, instance: RunningInstance
) -> None:
    model = pages.model("iris", "versions")
    row = model.get_by_role("row", name="Version 1")
    row.get_by_role("button", name="Set an alias of version 1").click()
    pages.dialog.get_by_label("Alias", exact=True).fill("Staging")
    expect(pages.dialog).to_contain_text("Staging cannot be an alias of this model.")
    expect(pages.dialog.get_by_role("button", name="Set alias")).to_be_disabled()
    pages.dialog.get_by_label("Alias", exact=True).fill("Canary")
    expect(pages.dialog).to_contain_text('set_registered_model_alias("iris", "Canary", "1")')
    pages.accept("Set alias")
    expect(row).to_contain_text("Canary")
    version = pages.version("iris", "2")
    version.get_by_role("button", name="Set alias").click()
    pages.dialog.get_by_label("Alias", exact=True).fill("Canary")
    pages.accept("Set alias")
    expect(version).to_contain_text("Canary")
    expand(panel, "iris")
    expect(panel.get_by_role("treeitem", name="Version 2")).to_contain_text("Canary")
    version.get_by_role("button", name="Remove alias Canary").click()
    pages.accept("Remove")
    expect(version.get_by_role("button", name="Remove alias Canary")).to_have_count(0)
    with instance.client() as client:
        assert "Canary" not in client.model("iris").aliases


@pytest.mark.req("REQ-083", "REQ-101", "REQ-146", "REQ-186")
def test_a_version_shows_what_it_is_and_changes_stage(
    iris: str, pages: Pages, expect: Any, picture: Callable[[str], None]
) -> None:
    version = pages.version("iris", "1")
    expect(version.get_by_role("table", name="Metrics")).to_contain_text("0.9733")
    version.get_by_label("Stage:").select_option("Staging")
    expect(pages.dialog).to_contain_text("transition_model_version_stage")
    pages.accept("Transition")
    expect(version.get_by_label("Stage:")).to_have_value("Staging")
    version.get_by_role("button", name="Add a description").click()
    pages.dialog.get_by_role("button", name="Propose").click()
    expect(pages.dialog.get_by_label("Description")).not_to_have_value("")
    pages.dialog.get_by_label("Description").fill("Tells flowers apart.")
    pages.accept("Save")
    expect(version).to_contain_text("Tells flowers apart.")
    model = pages.model("iris", "overview")
    model.get_by_role("button", name="Add a description").click()
    pages.dialog.get_by_role("button", name="Propose").click()
    expect(pages.dialog.get_by_label("Description")).not_to_have_value("")
    pages.dialog.get_by_label("Description").fill("All about iris.")
    pages.accept("Save")
    expect(model).to_contain_text("All about iris.")
    pages.version("iris", "1")
    version.get_by_role("button", name="Add tag").click()
    pages.dialog.get_by_label("Name").fill("task")
    pages.dialog.get_by_label("Value").fill("classification")
    pages.accept("Save")
    expect(version).to_contain_text("task: classification")
    picture("version")
    version.get_by_role("tab", name="Signature").click()
    expect(version.get_by_role("table", name="Inputs")).to_contain_text("sepal_length")
    picture("signature")
    version.get_by_role("tab", name="Lineage").click()
    datasets = version.get_by_role("table", name="Upstream datasets")
    expect(datasets).to_contain_text("flowers")
    expect(datasets).to_contain_text("training")
    graph = version.get_by_role("group", name="Lineage of iris version 1")
    expect(graph).to_contain_text("flowers")
    graph.get_by_role("button", name="flowers").click()
    expect(version.get_by_role("region", name="What is chosen")).to_contain_text("digest")
    picture("lineage")
    version.get_by_role("tab", name="Files").click()
    expect(version.get_by_role("region", name="MLmodel file")).to_contain_text("loader_module: mlflow.sklearn")


@pytest.mark.req("REQ-090", "REQ-093")
def test_a_version_is_copied_and_deleted_after_its_name_was_typed(
    iris: str, pages: Pages, panel: Any, expect: Any, instance: RunningInstance
) -> None:
    version = pages.version("iris", "2")
    version.get_by_role("button", name="Copy this version").click()
    pages.dialog.get_by_label("Destination model").fill("iris_copy")
    pages.accept("Copy")
    copy = pages.of("iris_copy version 1")
    expect(copy).to_contain_text("Registered")
    expect(panel.get_by_role("treeitem", name="iris_copy")).to_be_visible()
    copy.get_by_role("button", name="Delete…").click()
    delete = pages.dialog.get_by_role("button", name="Delete", exact=True)
    expect(pages.dialog).to_contain_text("This cannot be undone")
    expect(delete).to_be_disabled()
    pages.dialog.get_by_label("to confirm").fill("iris_copy/1")
    pages.accept("Delete")
    with instance.client() as client:
        expect(panel.get_by_role("treeitem", name="iris_copy")).to_contain_text("0")
        assert client.model("iris_copy").versions == ()
    command(pages.page, "modelserve:delete", model="iris_copy")
    pages.dialog.get_by_label("to confirm").fill("iris_copy")
    pages.accept("Delete")
    expect(panel.get_by_role("treeitem", name="iris_copy")).to_have_count(0)


def test_what_is_served_is_not_deleted(served: str, pages: Pages, expect: Any) -> None:
    command(pages.page, "modelserve:delete", model="iris", version="2")
    expect(pages.dialog).to_contain_text("is served by iris")
    pages.dialog.get_by_label("to confirm").fill("iris/2")
    expect(pages.dialog.get_by_role("button", name="Delete", exact=True)).to_be_disabled()
    pages.accept("Cancel")


def test_a_right_is_granted_seen_and_revoked(
    iris: str, pages: Pages, expect: Any, instance: RunningInstance, picture: Callable[[str], None]
) -> None:
    import httpx

    address = f"{instance.url}/api/modelserve/v1/principals"
    made = httpx.post(address, json={"name": "ann", "kind": "user"}, headers=instance.headers)
    assert made.status_code in {201, 409}, made.text
    model = pages.model("iris", "permissions")
    model.get_by_role("button", name="Grant…").click()
    pages.dialog.get_by_label("To whom").fill("ann")
    expect(pages.dialog).to_contain_text("GRANT EXECUTE ON FUNCTION iris TO `ann`")
    pages.accept("Grant")
    rights = model.get_by_role("table", name="Effective rights")
    expect(rights.get_by_role("row", name="ann EXECUTE")).to_be_visible()
    picture("permissions")
    rights.get_by_role("button", name="Revoke EXECUTE from ann").click()
    pages.accept("Revoke")
    expect(rights.get_by_role("row", name="ann EXECUTE")).to_have_count(0)
    model.get_by_role("tab", name="Audit").click()
    expect(model.get_by_role("table", name="Audit log")).to_contain_text("ann")
    picture("audit")


@pytest.mark.req("REQ-127")
def test_a_version_is_validated_and_other_requirements_are_tried(
    instance: RunningInstance, pages: Pages, expect: Any, picture: Callable[[str], None]
) -> None:
    import sklearn

    with mlflow_of(instance) as mlflow, mlflow.start_run():
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        wrong = ["scikit-learn==0.0.1", *zoo.pins("pandas", "numpy")]
        mlflow.sklearn.log_model(
            model, name="wrong", registered_model_name="wrong", input_example=frame.head(2), pip_requirements=wrong
        )
    version = pages.version("wrong", "1")
    version.get_by_role("button", name="Validate…").click()
    version.get_by_role("tabpanel").get_by_role("button", name="Validate", exact=True).click()
    check = version.get_by_role("region", name="Validation", exact=True)
    expect(check.get_by_role("status").first).to_contain_text("Failed")
    expect(check).to_contain_text("scikit-learn")
    version.get_by_label("Requirements to add or change").fill(f"scikit-learn=={sklearn.__version__}")
    version.get_by_role("button", name="Try", exact=True).click()
    trial = version.get_by_role("region", name="Trial", exact=True)
    expect(trial.get_by_role("status").first).to_contain_text("Passed", timeout=300_000)
    expect(trial).to_contain_text('ms.update_requirements("models:/m-')
    picture("validation")


@pytest.mark.req("REQ-069")
def test_a_folder_is_registered(
    instance: RunningInstance, lab: Lab, pages: Pages, panel: Any, expect: Any, picture: Callable[[str], None]
) -> None:
    model, frame = zoo.iris(zoo.IRIS_SHORT)
    with mlflow_of(instance) as mlflow:
        pins = zoo.pins("scikit-learn", "pandas", "numpy")
        folder = lab.root / "models" / "petals"
        mlflow.sklearn.save_model(model, folder, input_example=frame.head(2), pip_requirements=pins)
    panel.get_by_role("button", name="Register a model").click()
    pages.dialog.get_by_label("Logged model").select_option("folder")
    pages.dialog.get_by_label("Folder", exact=True).fill("models/petals")
    pages.dialog.get_by_label("Register as").fill("petals")
    pages.dialog.get_by_label("Alias (optional)").fill("Champion")
    expect(pages.dialog).to_contain_text("%register petals models/petals --alias Champion")
    picture("register-folder")
    pages.accept("Register")
    expect(pages.of("petals")).to_contain_text("Not enabled.")
    with instance.client() as client:
        assert client.model("petals").aliases == {"Champion": "1"}


def test_a_catalog_and_a_schema_are_made(pages: Pages, panel: Any, expect: Any, instance: RunningInstance) -> None:
    panel.get_by_role("button", name="New catalog or schema").click()
    pages.dialog.get_by_label("Name").fill("research.birds")
    expect(pages.dialog).to_contain_text("Create the catalog research first.")
    pages.dialog.get_by_label("Name").fill("research")
    expect(pages.dialog).to_contain_text('create_catalog("research")')
    pages.accept("Create")
    catalog = panel.get_by_role("treeitem", name="research")
    expect(catalog).to_be_visible()
    catalog.click(button="right")
    pages.page.get_by_role("menuitem", name="New Catalog or Schema…").click()
    expect(pages.dialog.get_by_label("Name")).to_have_value("research.")
    pages.dialog.get_by_label("Name").fill("research.birds")
    pages.accept("Create")
    expect(panel.get_by_role("treeitem", name="birds")).to_be_visible()
    with instance.client() as client:
        assert {each.name for each in client.schemas("research")} == {"research.default", "research.birds"}
