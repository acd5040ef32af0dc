"""A live card is offered where somebody looks on, and never in a record of a run; the static output is always there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import IPython
import pytest

import jupyter_modelserve as ms
from jupyter_modelserve.client import session
from jupyter_modelserve.client.cards import CARD_MIME
from jupyter_modelserve.client.results import ServedEndpoint
from jupyter_modelserve.errors import NotRunning
from tests.unit.client.samples import Instance, endpoint


@pytest.fixture
def instance() -> Any:
    found = Instance()
    session.use(found.client())
    yield found
    session.use(None)


def shown(monkeypatch: pytest.MonkeyPatch, stdin: bool, result: Any) -> dict[str, Any]:
    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=stdin))
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    bundle: dict[str, Any] = result._repr_mimebundle_()
    return bundle


def test_a_person_gets_a_card_beside_the_static_output(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    url = session.current().url
    for kind, name, result in (
        ("models", "", ms.models()),
        ("endpoints", "", ms.endpoints()),
        ("endpoint", "iris", ServedEndpoint(endpoint("iris"), (url,), 1.0)),
    ):
        bundle = shown(monkeypatch, True, result)
        assert bundle[CARD_MIME] == {"schema": 1, "kind": kind, "name": name, "instance": url}
        assert bundle["text/html"]
        assert bundle["text/plain"]


def test_papermill_and_voila_keep_what_was_shown(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CARD_MIME not in shown(monkeypatch, False, ms.models())
    assert CARD_MIME not in ms.models()._repr_mimebundle_()


def test_nbconvert_prints_the_static_output(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbconvert import HTMLExporter

    bundle = shown(monkeypatch, True, ServedEndpoint(endpoint("iris"), ("http://h/x",), 1.0))
    make: Any = nbformat.v4
    exporter: Any = HTMLExporter
    output = make.new_output("execute_result", data=bundle, execution_count=1)
    notebook = make.new_notebook(cells=[make.new_code_cell("%serve iris", outputs=[output])])
    text, _ = exporter().from_notebook_node(notebook)
    assert bundle["text/html"] in text
    assert CARD_MIME not in text


def test_without_an_instance_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Instance()
    session.use(found.client())
    models = ms.models()
    session.use(None)
    monkeypatch.setattr(session, "current", lambda **_: (_ for _ in ()).throw(NotRunning("gone")))
    assert CARD_MIME not in shown(monkeypatch, True, models)
