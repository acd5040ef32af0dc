"""Scoring through the real gateway process: what passes, what is refused, what the worker sees."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from jupyter_modelserve.types import RouteEntity, RouteModel, RouteVersion, VersionState
from tests.contract.gateway.conftest import Ask
from tests.contract.gateway.fakes import (
    EXPIRED_TOKEN,
    KEY,
    SCORE,
    SCORE_TOKEN,
    TOKEN,
    Got,
    House,
    Raw,
    answer,
    post,
    request,
)


@pytest.mark.req("REQ-015", "REQ-016", "REQ-171", "REQ-172")
@pytest.mark.parametrize(
    "path",
    [
        "/model/iris/1/invocations",
        "/model/iris/1/invocations/",
        "/model/iris/Production/invocations",
        "/model/iris/production/invocations",
        "/model/iris/Champion/invocations",
        "/model-endpoint/iris/Production/invocations",
        "/serving-endpoints/iris-ep/invocations",
    ],
)
async def test_every_address_of_a_version_reaches_its_worker(house: House, ask: Ask, path: str) -> None:
    got = await ask(post(path, b'{"x": 1}', Content_Type="application/json; format=pandas-split"))
    assert got.status == 200
    assert got.json() == {"predictions": [1]}
    assert got.headers["x-modelserve-model"] == "iris"
    assert got.headers["x-modelserve-version"] == "1"
    assert got.headers["served-model-name"] == ("main" if "serving-endpoints" in path else "iris")
    assert got.headers["x-request-id"]
    seen = house.workers["w1"].got[-1]
    assert (seen.method, seen.target, seen.body) == ("POST", "/invocations", b'{"x": 1}')
    assert seen.headers["content-type"] == "application/json; format=pandas-split"


async def test_the_worker_sees_nothing_of_the_caller_but_id_type_and_body(house: House, ask: Ask) -> None:
    await ask(
        post(SCORE + "?secret=1", b"[1]", Cookie="a=b", X_Request_Id="mine-1", X_Modelserve_Key="forged", Foo="1")
    )
    seen = house.workers["w1"].got[-1]
    assert seen.headers == {"host": "worker", "x-modelserve-key": KEY, "x-request-id": "mine-1", "content-length": "3"}


async def test_answers_of_the_worker_pass_with_status_and_known_headers_only(house: House, ask: Ask) -> None:
    async def refuse(got: Got) -> bytes:
        return answer(b'{"error_code": "BAD"}', 400, warning="299 - x", x_modelserve_format="split", set_cookie="a=b")

    house.workers["w1"].handler = refuse
    got = await ask(post(SCORE))
    assert (got.status, got.json()) == (400, {"error_code": "BAD"})
    assert (got.headers["warning"], got.headers["x-modelserve-format"]) == ("299 - x", "split")
    assert "set-cookie" not in got.headers


async def test_a_large_answer_is_streamed_whole(house: House, ask: Ask) -> None:
    async def much(got: Got) -> bytes:
        return answer(b"7" * 5_000_000)

    house.workers["w1"].handler = much
    got = await ask(post(SCORE))
    assert got.body == b"7" * 5_000_000


@pytest.mark.req("REQ-019", "REQ-020", "REQ-178")
@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}",
        f"bearer {TOKEN}",
        f"token {TOKEN}",
        "Basic " + base64.b64encode(f"token:{TOKEN}".encode()).decode(),
        f"Bearer {SCORE_TOKEN}",
    ],
)
async def test_tokens_are_taken_as_bearer_and_as_basic_with_user_token(ask: Ask, authorization: str) -> None:
    assert (await ask(post(SCORE, token=None, Authorization=authorization))).status == 200


@pytest.mark.req("REQ-019", "REQ-020")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {EXPIRED_TOKEN}"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(f"ana:{TOKEN}".encode()).decode()},
        {"Authorization": f"Digest {TOKEN}"},
    ],
)
async def test_no_or_a_wrong_token_is_401_in_the_one_shape(house: House, ask: Ask, headers: dict[str, Any]) -> None:
    got = await ask(post(SCORE, token=None, **headers))
    assert got.status == 401
    assert got.headers["www-authenticate"].startswith("Bearer")
    body = got.json()
    assert set(body) == {"error_code", "message", "details", "request_id"}
    assert body["error_code"] == "UNAUTHENTICATED"
    assert body["request_id"] == got.headers["x-request-id"]
    assert house.workers["w1"].got == []


async def test_a_score_token_may_do_nothing_but_score(ask: Ask) -> None:
    for path in ("/metrics", "/api/modelserve/v1/status", "/api/2.0/mlflow/experiments/search", "/version"):
        got = await ask(request("GET", path, token=SCORE_TOKEN))
        assert (got.status, got.json()["error_code"]) == (403, "PERMISSION_DENIED"), path


async def test_unknown_names_are_404_and_say_what_is_served(ask: Ask) -> None:
    for path, hint in [
        ("/model/rose/1/invocations", "served models are iris"),
        ("/model/iris/9/invocations", "served are 1, @Champion, Production"),
        ("/model/iris/Challenger/invocations", "alias 'Challenger'"),
        ("/model-endpoint/iris/Staging/invocations", "stage 'Staging'"),
        ("/model-endpoint/iris/1/invocations", "is not a stage"),
        ("/serving-endpoints/nope/invocations", "served endpoints are iris-ep"),
        ("/model/iris/invocations", "POST /model/<name>/"),
        ("/score", "nothing at this address"),
    ]:
        got = await ask(post(path))
        assert (got.status, got.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), path
        assert hint in got.json()["message"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_another_method_on_a_scoring_address_is_405_with_allow(ask: Ask, method: str) -> None:
    got = await ask(request(method, SCORE))
    assert (got.status, got.headers["allow"]) == (405, "POST")
    assert not any(name.startswith("access-control") for name in got.headers)


async def test_a_version_that_is_not_ready_is_503_with_its_state_and_retry_after(house: House, ask: Ask) -> None:
    versions = {
        "1": RouteVersion(VersionState.READY, ("w1",)),
        "2": RouteVersion(VersionState.LOADING),
        "3": RouteVersion(VersionState.FAILED, (), "missing module: no module named 'xgboost'"),
    }
    models = {"iris": RouteModel(versions, {"New": "2", "Away": "7"})}
    endpoints = {
        "late": (RouteEntity("e", "iris", "3", 100),),
        "wait": (RouteEntity("e", "iris", None, 100, "no version yet"),),
    }
    await house.publish(2, house.target("w1"), models=models, endpoints=endpoints)
    for path, hint in [
        ("/model/iris/2/invocations", "LOADING"),
        ("/model/iris/New/invocations", "LOADING"),
        ("/model/iris/3/invocations", "xgboost"),
        ("/serving-endpoints/late/invocations", "xgboost"),
        ("/serving-endpoints/wait/invocations", "no version yet"),
    ]:
        got = await ask(post(path))
        assert (got.status, got.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE"), path
        assert hint in got.json()["message"]
        assert int(got.headers["retry-after"]) >= 1
    got = await ask(post("/model/iris/Away/invocations"))
    assert got.status == 404
    assert "names version 7, which no endpoint serves" in got.json()["message"]


async def test_names_with_dots_blanks_and_unicode_are_addressed_percent_encoded(house: House, ask: Ask) -> None:
    versions = {"1": RouteVersion(VersionState.READY, ("w1",))}
    names = {"main.ml.iris": "main.ml.iris", "my model": "my%20model", "größe": "gr%C3%B6%C3%9Fe", "a%b": "a%25b"}
    await house.publish(2, house.target("w1"), models={each: RouteModel(versions) for each in names})
    for raw in names.values():
        got = await ask(post(f"/model/{raw}/1/invocations"))
        assert got.status == 200, raw
    assert got.headers["x-modelserve-model"] == "a%b"
    assert (await ask(post("/model/gr%C3%B6%C3%9Fe/1/invocations"))).headers["x-modelserve-model"] == "gr%C3%B6%C3%9Fe"


async def test_traffic_is_split_by_weight(house: House) -> None:
    async def second(got: Got) -> bytes:
        return answer(b"2")

    await house.worker("w2", second)
    entities = (
        RouteEntity("old", "iris", "1", 80),
        RouteEntity("new", "iris", "2", 20),
        RouteEntity("off", "iris", "2", 0),
    )
    await house.publish(2, house.target("w1"), house.target("w2", "2"), endpoints={"ep": entities})
    client = await Raw.open(house.port)
    names = []
    for _ in range(400):
        await client.send(post("/serving-endpoints/ep/invocations"))
        names.append((await client.read()).headers["served-model-name"])
    await client.close()
    assert 40 <= names.count("new") <= 130  # 80 expected; the chance to miss this is below 1e-6
    assert "off" not in names


async def test_request_ids_are_kept_when_sane_and_made_otherwise(ask: Ask) -> None:
    assert (await ask(post(SCORE, X_Request_Id="abc-1"))).headers["x-request-id"] == "abc-1"
    for bad in ("x" * 129, "a b", ""):
        made = (await ask(post(SCORE, X_Request_Id=bad))).headers["x-request-id"]
        assert made not in {bad, ""}


async def test_a_compressed_body_is_refused_with_a_reason(ask: Ask) -> None:
    got = await ask(post(SCORE, b"x", Content_Encoding="gzip"))
    assert (got.status, got.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_health_is_open_and_leaks_no_secret(house: House, ask: Ask) -> None:
    got = await ask(request("GET", "/health", token=None))
    assert got.status == 200
    expected = {
        "status": "ok",
        "instance_id": "test-instance",
        "gateway": "running",
        "controller": "running",
        "routes": 1,
    }
    assert got.json() == expected
    assert (await ask(request("HEAD", "/health", token=None))).body == b""
    assert (await ask(post("/health", token=None))).headers["allow"] == "GET, HEAD"
    got = await ask(request("GET", "/.well-known/databricks-config", token=None))
    assert got.json() == {"oidc_endpoint": "", "account_id": None, "workspace_id": None, "cloud": None}


async def test_metrics_count_by_version_and_status(ask: Ask) -> None:
    await ask(post(SCORE))
    await ask(post("/model/iris/9/invocations"))
    assert (await ask(request("GET", "/metrics", token=None))).status == 401
    text = (await ask(request("GET", "/metrics"))).body.decode()
    assert 'modelserve_requests_total{owner="worker",endpoint="",model="iris",version="1",status="200"} 1' in text
    assert 'modelserve_requests_total{owner="worker",endpoint="",model="",version="",status="404"} 1' in text
    assert 'modelserve_request_seconds_count{owner="worker",endpoint="",model="iris",version="1"} 1' in text
    assert "modelserve_route_table 1\n" in text
    assert "modelserve_controller_up 1\n" in text


async def test_an_unexpected_error_is_500_without_its_reason(house: House, ask: Ask) -> None:
    """A key that is no ASCII breaks an invariant of the contract; the caller learns nothing of it."""
    await house.publish(2, house.target("w1", key="schlüssel"))
    got = await ask(post(SCORE, X_Request_Id="find-me"))
    assert (got.status, got.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "Traceback" not in got.body.decode()
    assert "schl" not in json.dumps(got.json())
    assert "request find-me failed" in house.log()
    assert "Traceback" in house.log()
