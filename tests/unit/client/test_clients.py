"""Both clients against the contract: operations, errors, waiting, scoring."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from jupyter_modelserve.client import payload
from jupyter_modelserve.client.aio import AsyncClient
from jupyter_modelserve.client.progress import ServingFailed
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import (
    BadGateway,
    DeadlineExceeded,
    InvalidParameter,
    NotFound,
    NotRunning,
    Unauthenticated,
)
from jupyter_modelserve.types import (
    EndpointSpec,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    VersionState,
)
from tests.unit.client.samples import ADDRESS, TOKEN, URL, Instance, endpoint, error, model, version_status

WAITING = endpoint(service=ServiceState.PENDING, update=UpdateState.IN_PROGRESS, versions=())
FAILED = endpoint(
    service=ServiceState.FAILED, update=UpdateState.UPDATE_FAILED, versions=(version_status("1", VersionState.FAILED),)
)


def answering(handler: httpx.Response | Exception) -> Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(handler, Exception):
            raise handler
        return handler

    return Client(ADDRESS, transport=httpx.MockTransport(handle))


def test_both_clients_offer_the_same() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isroutine)
        return {name: list(inspect.signature(each).parameters) for name, each in found if not name.startswith("_")}

    assert public(Client) == public(AsyncClient)


def test_operations() -> None:
    instance = Instance()
    with instance.client() as client:
        assert [each.spec.name for each in client.endpoints()] == ["iris"]
        assert client.model("iris").aliases == {"Champion": "1"}
        assert client.logs("iris", "iris", "1") == "line of 1\n"
        assert client.events("iris") == []
        spec = EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ACTIVE)),))
        assert client.put_endpoint(spec).spec.name == "iris"
        assert client.delete_endpoint("iris").deleting
        client.wait_gone("iris")
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in instance.requests)
    assert not any(TOKEN in str(request.url) for request in instance.requests)


def test_errors_come_back_as_their_class_with_request_id() -> None:
    with pytest.raises(NotFound) as caught:
        Instance().client().endpoint("nothing")
    assert caught.value.details["request_id"] == "r-1"


def test_refused_connection_says_what_to_do() -> None:
    client = answering(httpx.ConnectError("refused"))
    with pytest.raises(NotRunning, match=f"nothing answers at {URL}; start it with") as caught:
        client.status()
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(client)


def test_time_out_and_strange_answers() -> None:
    with pytest.raises(DeadlineExceeded):
        answering(httpx.ReadTimeout("slow")).status()
    with pytest.raises(BadGateway, match="no JSON"):
        answering(httpx.Response(200, text="<html>")).status()
    with pytest.raises(BadGateway, match="unknown shape"):
        answering(httpx.Response(200, json={"other": 1})).models()
    with pytest.raises(Unauthenticated, match="HTTP 401"):
        answering(httpx.Response(401, text="<html>")).models()


@pytest.mark.parametrize("stream", [True, False])
def test_wait_ready_sees_every_change_once(stream: bool) -> None:
    instance = Instance([WAITING, WAITING, endpoint()], stream=stream)
    seen: list[str] = []
    ready = instance.client().wait_ready("iris", 1, 10, lambda each: seen.append(each.status.service.value))
    assert ready.status.service is ServiceState.READY
    assert seen == ["PENDING", "READY"]


def test_wait_ready_needs_the_generation() -> None:
    instance = Instance([endpoint(generation=2, observed=1), endpoint(generation=2, observed=2)])
    assert instance.client().wait_ready("iris", 2, 10).status.observed_generation == 2


def test_wait_ready_needs_the_expected_version() -> None:
    both = (version_status("1"), version_status("2"))
    instance = Instance([endpoint(), endpoint(versions=both)])
    assert len(instance.client().wait_ready("iris", 1, 10, expected=("iris", "2")).status.versions) == 2


def test_wait_ready_names_the_cause() -> None:
    with pytest.raises(ServingFailed, match="iris version 1 failed: missing module: no module named x") as caught:
        Instance([WAITING, FAILED]).client().wait_ready("iris", 1, 10)
    assert caught.value.details["hint"] == "add x"


def test_wait_ready_gives_up() -> None:
    with pytest.raises(DeadlineExceeded, match=r"not ready after 0\.2 s"):
        Instance([WAITING]).client().wait_ready("iris", 1, 0.2)


def test_waiting_ends_when_the_instance_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_modelserve.client.wire.GONE_SECONDS", 0.1)
    with pytest.raises(NotRunning):
        answering(httpx.ConnectError("refused")).wait_ready("iris", 1, 60)


def test_waiting_survives_a_restart_of_the_daemons() -> None:
    instance, failures = Instance(), [error(503, "TEMPORARILY_UNAVAILABLE", "waking", **{"retry-after": "0"})]

    def handle(request: httpx.Request) -> httpx.Response:
        return failures.pop() if failures else instance.handle(request)

    client = Client(ADDRESS, transport=httpx.MockTransport(handle))
    assert client.wait_ready("iris", 1, 10).spec.name == "iris"


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("iris", "/serving-endpoints/iris/invocations"),
        ("iris@Champion", "/model/iris/Champion/invocations"),
        ("iris/2", "/model/iris/2/invocations"),
        ("iris/production", "/model/iris/Production/invocations"),
        ("a.b.c@x", "/model/a.b.c/x/invocations"),
    ],
)
@pytest.mark.req("REQ-015", "REQ-016")
def test_where_a_reference_goes(reference: str, path: str) -> None:
    instance = Instance()
    instance.client().score(reference, [[1]])
    assert instance.requests[-1].url.path == path


def test_a_bare_model_goes_to_the_endpoint_that_serves_it() -> None:
    instance = Instance([endpoint("other")])
    instance.client().score("iris", [[1]])
    assert instance.requests[-1].url.path == "/serving-endpoints/other/invocations"


def test_what_is_not_served_is_said() -> None:
    instance = Instance([endpoint("other")], [model(), model("wine")])
    with pytest.raises(NotFound, match="registered but not served; run %serve wine"):
        instance.client().score("wine", [[1]])
    with pytest.raises(NotFound, match="known: iris, other, wine"):
        instance.client().score("none", [[1]])


def test_several_endpoints_of_one_model() -> None:
    from jupyter_modelserve.client import target

    with pytest.raises(InvalidParameter, match="several endpoints serve iris: a, b"):
        target.among("iris", [endpoint("a"), endpoint("b")], [model()])


def test_scoring_frames_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = Instance(predict=lambda body: {"predictions": [row[0] for row in body["dataframe_split"]["data"]]})
    frame = pd.DataFrame({"a": range(500)})
    monkeypatch.setattr("jupyter_modelserve.client.payload.bodies.__defaults__", (400,))
    answer = instance.client().score("iris", frame)
    assert isinstance(answer, np.ndarray)
    assert answer.tolist() == list(range(500))
    assert len(instance.requests) > 5


@pytest.mark.req("REQ-043")
def test_bare_list_and_wrapped_answers() -> None:
    instance = Instance(predict=lambda body: [1, 2])
    answer = instance.client().invoke("iris@Champion", b'[{"a": 1}, {"a": 2}]')
    assert (answer.predictions, answer.version, answer.request_id) == ([1, 2], "1", "r-9")
    instance.predict = lambda body: {"predictions": [3]}
    assert instance.client().invoke("iris@Champion", b"{}").predictions == [3]


@pytest.mark.parametrize(
    "content", [{"inputs": [1]}, [1], None, pd.DataFrame({"a": [1]})], ids=lambda each: type(each).__name__
)
async def test_what_is_no_body_is_refused_with_the_way_to_send_it(content: Any) -> None:
    instance = Instance()
    with pytest.raises(InvalidParameter, match=rf"got a {type(content).__name__}; score\(\) takes dictionaries"):
        instance.client().invoke("iris", content)
    async with AsyncClient(ADDRESS, transport=instance.transport) as client:
        with pytest.raises(InvalidParameter, match="as it is, bytes or text"):
            await client.invoke("iris", content)
        assert instance.requests == []
        assert (await client.invoke("iris", '{"inputs": [1]}')).predictions == [0]
    assert payload.raw(bytearray(b"{}")) == payload.raw(memoryview(b"{}")) == b"{}"


async def test_async_client() -> None:
    instance = Instance([WAITING, endpoint()], stream=True)
    async with AsyncClient(ADDRESS, transport=instance.transport) as client:
        seen: list[str] = []
        await client.wait_ready("iris", 1, 10, lambda each: seen.append(each.status.service.value))
        assert seen == ["PENDING", "READY"]
        assert (await client.score("iris", [[1], [2]])).tolist() == [0, 0]
        assert (await client.score("iris@Champion", pd.DataFrame({"a": [1]}))).shape == (2,)
        with pytest.raises(NotFound):
            await client.endpoint("nothing")


async def test_async_client_not_running() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with AsyncClient(ADDRESS, transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(NotRunning):
            await client.status()


def test_remote_refusal_points_to_the_network() -> None:
    client = answering(httpx.ConnectError("refused"))
    client.address = replace(ADDRESS, url="http://far.example:1")
    with pytest.raises(NotRunning, match="check MODELSERVE_URL"):
        client.status()
