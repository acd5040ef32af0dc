"""The stamp of a run: into MLflow's variable and out of it."""

from __future__ import annotations

import json

import pytest

from jupyter_modelserve.authoring import connection, stamp


def test_tags_go_through_the_variable_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stamp.VARIABLE, '{"team": "risk"}')
    found = stamp.tags("/a/nightly.ipynb", "/b/out.ipynb", "1f", {"rows": 5})
    monkeypatch.setenv(stamp.VARIABLE, stamp.variable(found))
    assert stamp.current() == found
    assert connection.notebook_name() == "nightly"

    from mlflow.tracking.context.registry import resolve_tags

    assert {**found, "team": "risk"}.items() <= resolve_tags().items()


@pytest.mark.parametrize("text", ["", "no JSON", "[1]"])
def test_a_foreign_value_is_no_stamp(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(stamp.VARIABLE, text)
    assert stamp.current() == {}


def test_long_parameters_become_a_digest() -> None:
    found = json.loads(stamp.tags("/a", "/b", "1", {"text": "x" * 6000})[stamp.PARAMETERS])
    assert set(found) == {"sha256", "names"}
