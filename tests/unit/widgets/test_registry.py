"""The parts of the registry browser: what is shown, and that nobody's text becomes part of the page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from jupyter_modelserve.governed import AuditRecord, EffectivePrivilege, Principal, PrincipalKind, SecurableType
from jupyter_modelserve.types import Model, ModelVersion
from jupyter_modelserve.widgets import pages
from jupyter_modelserve.widgets import registry_parts as parts

HOSTILE = "<img src=x onerror=alert(1)>"
VERSION = ModelVersion(
    model="prod.sales.churn",
    version="3",
    stage="None",
    location="",
    source="models:/staging.sales.churn/7",
    run_id="r1",
    created_at=1_700_000_000_000,
    description=HOSTILE,
    aliases=("Champion", HOSTILE),
    tags={"team": HOSTILE, "mlflow.user": "hidden", "modelserve.notebook.path": f"/n/{HOSTILE}.ipynb"},
)
MODEL = Model("prod.sales.churn", HOSTILE, 1, 2, {"Champion": "3"}, {HOSTILE: "x"}, (VERSION,))
COLUMNS = {
    "inputs": [{"name": HOSTILE, "type": "double"}, {"name": "b", "type": "long", "required": False}],
    "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 10]}}],
}


def test_a_version_says_where_it_comes_from_and_what_it_takes() -> None:
    shown = parts.version(VERSION, {"signature": COLUMNS, "flavors": ["sklearn"], "requirements": "a==1\n"})
    for word in ("models:/staging.sales.churn/7", "r1", "sklearn", "double", "optional", "shape (-1, 10)", "a==1"):
        assert word in shown
    assert "hidden" not in shown
    assert "Without a signature" in parts.version(VERSION, {"signature": None})
    assert 'role="alert"' in parts.version(VERSION, {"problem": "gone"})


def test_a_logged_model_is_no_copy() -> None:
    found = dataclasses.replace(VERSION, source="models:/m-0123")
    assert "copy of" not in parts.version(found, {})
    assert "copy of" in parts.version(VERSION, {})


def test_everything_that_users_named_is_escaped() -> None:
    right = EffectivePrivilege(HOSTILE, "EXECUTE", SecurableType.CATALOG, HOSTILE, HOSTILE)
    record = AuditRecord(1, 1, HOSTILE, "", "", HOSTILE, "FUNCTION", HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    me = Principal(HOSTILE, PrincipalKind.USER)
    shown = [
        parts.version(
            VERSION, {"signature": COLUMNS, "flavors": [HOSTILE], "requirements": HOSTILE, "problem": HOSTILE}
        ),
        parts.model(MODEL, []),
        parts.rights([right], HOSTILE),
        parts.history([record]),
        parts.head(HOSTILE, me, [], [MODEL], 0),
        parts.problem(HOSTILE),
    ]
    assert all("<img" not in each for each in shown)
    assert all("&lt;img" in each for each in shown)


def test_a_name_says_its_catalog() -> None:
    assert parts.catalog_of("prod.sales.churn") == "prod"
    assert parts.catalog_of("iris") == "workspace"


def test_pages_are_linked_in_voila_where_they_lie_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for page in (pages.FORM, pages.REGISTRY):
        (tmp_path / f"{page}.ipynb").touch()
    assert pages.link(pages.FORM, "a&b", endpoint="x") == "a&amp;b"
    assert pages.navigation(pages.REGISTRY) == ""
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setenv("QUERY_STRING", "theme=dark&model=a%20b")
    assert pages.asked("model") == "a b"
    assert pages.link(pages.FORM, "a", endpoint='"&') == (
        '<a href="scoring_form.ipynb?endpoint=%22%26&amp;theme=dark">a</a>'
    )
    shown = pages.navigation(pages.REGISTRY)
    assert '<b aria-current="page">Registry</b>' in shown
    assert "scoring_form.ipynb" in shown
    assert "serving_monitor" not in shown
