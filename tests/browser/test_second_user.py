"""A second person with few rights: what she may do works, and a refusal says what is missing and who can grant it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_modelserve.errors import Conflict
from tests.browser.conftest import command
from tests.browser.lab import Lab, started_lab
from tests.browser.pages import Pages
from tests.support.instance import RunningInstance

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def lab(instance: RunningInstance) -> Iterator[Lab]:
    """A JupyterLab of eve's: it knows the instance's address and her own token, and nothing else."""
    with instance.client() as admin:
        with contextlib.suppress(Conflict):
            admin.create_principal("eve")
        token = admin.create_token("for her JupyterLab", principal="eve")[0]
    given = {"MODELSERVE_URL": instance.url, "MODELSERVE_TOKEN": token}
    nowhere = instance.home.parent / "nowhere"
    with started_lab(nowhere, "/user/eve/", **given) as found:
        yield found


def test_a_refusal_names_the_missing_right_and_who_can_grant_it(
    served: str, page: Any, panel: Any, expect: Any, instance: RunningInstance, picture: Callable[[str], None]
) -> None:
    pages = Pages(page)
    expect(panel.get_by_role("region", name="Instance")).to_contain_text("Running")
    expect(panel.get_by_role("treeitem", name="iris")).to_have_count(0)
    with instance.client() as admin:
        owner = admin.me().name
        admin.statements("GRANT EXECUTE ON FUNCTION iris TO `eve`")
    command(page, "modelserve:refresh")
    expect(panel.get_by_role("treeitem", name="iris")).to_be_visible()
    query = pages.open("Request to iris", "modelserve:query", endpoint="iris")
    query.get_by_role("button", name="Load example").click()
    query.get_by_role("button", name="Send request").click()
    expect(query).to_contain_text("200 OK")
    command(page, "modelserve:set-alias", model="iris", version="1", alias="Mine")
    pages.dialog.get_by_label("Alias", exact=True).fill("Mine")
    pages.accept("Set alias")
    activity = panel.get_by_role("list", name="Activity")
    expect(activity).to_contain_text("on FUNCTION iris is missing")
    expect(activity).to_contain_text(f"{owner} can grant it: GRANT ")
    told = page.get_by_role("alert").filter(has_text="can grant it")
    told.first.get_by_role("button", name="Details").click()
    expect(pages.dialog).to_contain_text("GRANT SET_ALIAS")
    picture("denied")
    pages.accept("Close")
    with instance.client() as admin:
        assert "Mine" not in admin.model("iris").aliases
        admin.statements("REVOKE EXECUTE ON FUNCTION iris FROM `eve`")
    expect(query).to_contain_text("Nothing called iris is served, or you may not see it.")
