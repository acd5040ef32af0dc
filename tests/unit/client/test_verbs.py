"""The Python API: what ``serve`` asks for, result objects, and the kernel's client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

import jupyter_modelserve as ms
from jupyter_modelserve.client import session, verbs
from jupyter_modelserve.client.display import MIME
from jupyter_modelserve.client.results import ServedEndpoint
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, NotFound, NotRunning
from jupyter_modelserve.types import EngineChoice, Selector, SelectorKind, UpdateState, VersionState, WorkloadSize
from tests.unit.client.samples import TOKEN, URL, Instance, endpoint, model, version_status


@pytest.fixture
def instance() -> Iterator[Instance]:
    found = Instance()
    session.use(found.client())
    yield found
    session.use(None)


@pytest.mark.parametrize(
    ("reference", "selector"),
    [
        ("iris", Selector(SelectorKind.ACTIVE)),
        ("iris@Champion", Selector(SelectorKind.ALIAS, "Champion")),
        ("iris/2", Selector(SelectorKind.VERSION, "2")),
        ("iris/production", Selector(SelectorKind.STAGE, "Production")),
        ("models:/a.b.c@x", Selector(SelectorKind.ALIAS, "x")),
    ],
)
def test_selectors(reference: str, selector: Selector) -> None:
    assert verbs.specification(reference).entities[0].selector == selector


def test_names_and_sizes() -> None:
    spec = verbs.specification("dev.ml.iris@x", size="large")
    assert (spec.name, spec.entities[0].workload_size) == ("dev-ml-iris", WorkloadSize.LARGE)
    assert verbs.specification("iris", "mine").name == "mine"
    with pytest.raises(InvalidParameter, match="Small, Medium or Large"):
        verbs.specification("iris", size="tiny")
    with pytest.raises(InvalidParameter):
        verbs.specification("iris", "not a name")


@pytest.mark.req("REQ-132", "REQ-135")
def test_the_number_of_replicas_may_follow_the_load() -> None:
    (entity,) = verbs.specification("iris", min_replicas=1, max_replicas=4, scale_to_zero=True).entities
    assert (entity.least, entity.most, entity.scale_to_zero) == (1, 4, True)
    (fixed,) = verbs.specification("iris", replicas=2).entities
    assert (fixed.least, fixed.most, fixed.scales) == (2, 2, False)


def test_serve_waits_for_the_version_behind_the_alias(instance: Instance) -> None:
    instance.models = [model(aliases={"Champion": "2"})]
    instance.statuses = [endpoint(), endpoint(), endpoint(versions=(version_status("2"),))]
    served = ms.serve("iris@Champion")
    assert [each.version for each in served.endpoint.status.versions] == ["2"]
    assert served.url == f"{URL}/model/iris/Champion/invocations"
    assert f"{URL}/serving-endpoints/iris/invocations" in served.urls
    sent = json.loads(next(each for each in instance.requests if each.method == "PUT").content)
    assert sent["entities"][0]["selector"] == {"kind": "alias", "value": "Champion"}


def test_serve_without_waiting(instance: Instance) -> None:
    ms.serve("iris", wait=False)
    assert [each.method for each in instance.requests] == ["PUT"]


def test_lists_logs_and_stop(instance: Instance) -> None:
    assert ms.models()[0].name == "iris"
    assert ms.endpoints()[0].spec.name == "iris"
    assert str(ms.logs("iris")) == "line of 1"
    with pytest.raises(NotFound, match="version 5"):
        ms.logs("iris", version="5")
    assert "has stopped" in str(ms.stop("iris"))


def test_a_failed_change_says_why_below_the_list(instance: Instance) -> None:
    why = "iris version 2: no such region: <mars>"
    failed = endpoint(update=UpdateState.UPDATE_FAILED)
    instance.statuses = [replace(failed, status=replace(failed.status, service_message="Ready", update_message=why))]
    found = ms.endpoints()
    assert found.text().splitlines()[-1] == f"iris: {why}"
    assert "⚠ iris: iris version 2: no such region: &lt;mars&gt;" in found.html()
    instance.statuses = [replace(failed, status=replace(instance.statuses[0].status, update=UpdateState.NOT_UPDATING))]
    assert "Ready" not in ms.endpoints().text() + ms.endpoints().html()


@pytest.mark.parametrize(
    ("message", "line"), [("no such region: mars", "no such region: mars; add x"), ("It is.", "It is. add x")]
)
def test_message_and_hint_do_not_run_together(instance: Instance, message: str, line: str) -> None:
    failed = version_status("2", VersionState.FAILED)
    assert failed.failure is not None
    failed = replace(failed, failure=replace(failed.failure, message=message))
    served = ServedEndpoint(endpoint(versions=(version_status(), failed)), (URL,), 1.0)
    assert f"warning: iris version 2 failed: {line}" in served.text().splitlines()
    assert line in served.html()


def test_a_missing_alias_names_those_that_there_are(instance: Instance) -> None:
    with pytest.raises(NotFound, match=r"iris has no alias 'Nope' \(its aliases: Champion\)$"):
        ms.serve("iris@Nope")
    with pytest.raises(
        NotFound, match=r"did you mean iris/Production\? \(stages: None, Staging, Production, Archived\)"
    ):
        ms.serve("iris/Productin")
    with pytest.raises(NotFound, match=r"its aliases: Champion"):
        ms.promote("iris@Nope", "prod.ml.iris")


def test_empty_lists_say_how_to_begin(instance: Instance) -> None:
    instance.models = []
    assert repr(ms.models()) == "No model is registered yet; begin with %register."


def test_results_escape_html_and_hold_json(instance: Instance) -> None:
    instance.models = [replace(model(), name="<script>alert(1)</script>")]
    bundle = ms.models()._repr_mimebundle_()
    assert "<script" not in bundle["text/html"]
    assert bundle[MIME]["kind"] == "models"
    assert bundle[MIME]["schema"] == 1
    assert TOKEN not in json.dumps(bundle)
    assert set(ms.models()._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}


def test_an_ended_local_instance_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, clients = Instance(), Instance(), []
    for each in (first, second):
        client = each.client()
        client.address = replace(client.address, local=True)
        clients.append(client)
    monkeypatch.setattr(Client, "discover", classmethod(lambda cls, **_: clients.pop(0)))
    session.use(None)
    calls = []

    def operation(client: Client) -> str:
        calls.append(client)
        if len(calls) == 1:
            raise NotRunning("gone")
        return "done"

    assert session.run(operation) == "done"
    assert calls[0] is not calls[1]
    session.use(None)


def test_import_is_cheap() -> None:
    """Nothing heavy is imported: a Jupyter server imports this package at its start."""
    code = (
        "import sys, jupyter_modelserve as ms, jupyter_modelserve.client\n"
        "ms.__version__\n"
        "heavy = ('mlflow', 'pandas', 'numpy', 'httpx', 'IPython', 'docker', 'pydantic')\n"
        "print([n for n in heavy if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    assert all(callable(getattr(ms, name)) for name in ms.__all__ if name != "__version__")
    with pytest.raises(AttributeError):
        ms.nothing  # noqa: B018


def test_the_engine_is_one_of_three_or_left_to_the_setting() -> None:
    assert verbs.specification("iris").engine is None
    assert verbs.specification("iris", engine="docker").engine is EngineChoice.DOCKER
    with pytest.raises(InvalidParameter, match="process, docker, auto"):
        verbs.specification("iris", engine="podman")
