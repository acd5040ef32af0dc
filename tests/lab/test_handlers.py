"""The panel's REST interface: what it answers, to whom, and in which shape when it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.errors import NotRunning, TooManyRequests, Unavailable
from jupyter_modelserve.lab.handlers import ROUTES, ModelServeHandler
from jupyter_modelserve.lab.proxy import PROXY_ROUTES
from jupyter_modelserve.lab.snippets import SNIPPET_ROUTES
from tests.lab.fakes import FakeInstance, Fetch, RecordingAuthorizer

ALL = [("lab/status", "GET"), ("lab/start", "POST")]


def options(method: str) -> dict[str, Any]:
    return {"method": method, **({"body": b""} if method == "POST" else {})}


def test_no_instance_is_an_answer_and_not_an_error(fetch: Fetch) -> None:
    answer = fetch("lab/status")
    assert (answer.status, answer.json) == (200, {"running": False, "instance": None, "endpoints": []})


def test_status_shows_both_daemons_and_every_version(fetch: Fetch, instance_fake: FakeInstance) -> None:
    instance_fake.running = True
    body = fetch("lab/status").json
    assert body["running"] is True
    assert body["instance"]["url"] == "http://127.0.0.1:8585"
    assert body["instance"]["gateway"]["state"] == "running"
    (endpoint,) = body["endpoints"]
    assert endpoint["status"]["service"] == "READY"
    assert endpoint["status"]["versions"][0]["labels"] == ["Champion"]
    assert endpoint["spec"]["entities"][0]["selector"] == {"kind": "alias", "value": "Champion"}


def test_start_launches_once_and_answers_like_status(fetch: Fetch, instance_fake: FakeInstance) -> None:
    assert fetch("lab/start", method="POST", body=b"").json["running"] is True
    assert fetch("lab/start", method="POST", body=b"").json["running"] is True
    assert instance_fake.launches == 1


def test_a_start_that_does_not_help_says_what_to_do(fetch: Fetch, instance_fake: FakeInstance) -> None:
    instance_fake.starts_when_launched = False
    answer = fetch("lab/start", method="POST", body=b"")
    assert answer.status == Unavailable.status
    assert answer.json["error_code"] == Unavailable.error_code
    assert "doctor" in answer.json["details"]["hint"]


def test_a_stopped_instance_is_seen_and_found_again(fetch: Fetch, instance_fake: FakeInstance) -> None:
    instance_fake.running = True
    assert fetch("lab/status").json["running"] is True
    instance_fake.running = False
    assert fetch("lab/status").json["running"] is False
    instance_fake.running = True
    assert fetch("lab/status").json["running"] is True


def test_one_connection_serves_many_requests(fetch: Fetch, instance_fake: FakeInstance) -> None:
    instance_fake.running = True
    for _ in range(3):
        fetch("lab/status")
    assert instance_fake.connections == 1


def test_errors_keep_their_shape_and_retry_after(fetch: Fetch, instance_fake: FakeInstance) -> None:
    instance_fake.running = True
    instance_fake.error = TooManyRequests("too many", retry_after_s=3)
    answer = fetch("lab/status")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert set(answer.json) == {"error_code", "message", "details", "request_id"}


def test_a_fault_of_ours_shows_no_traceback(
    fetch: Fetch, instance_fake: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance_fake.running = True

    async def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(instance_fake, "status", broken)
    answer = fetch("lab/status")
    assert (answer.status, answer.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(("path", "method"), ALL)
def test_nobody_without_a_token_gets_in(fetch: Fetch, instance_fake: FakeInstance, path: str, method: str) -> None:
    answer = fetch(path, headers={"Authorization": ""}, **options(method))
    assert answer.status == 403
    assert instance_fake.connections == instance_fake.launches == 0


def test_a_cookie_without_xsrf_token_cannot_start_anything(fetch: Fetch, instance_fake: FakeInstance) -> None:
    answer = fetch(
        "lab/start", method="POST", body=b"", headers={"Authorization": "", "Cookie": "username-localhost=x"}
    )
    assert answer.status == 403
    assert instance_fake.launches == 0


@pytest.mark.parametrize(("path", "method"), ALL)
def test_each_verb_asks_for_its_own_right(
    fetch: Fetch, authorizer: type[RecordingAuthorizer], path: str, method: str
) -> None:
    fetch(path, **options(method))
    assert authorizer.asked == [("execute" if path == "lab/start" else "read", "modelserve")]


def test_who_may_only_read_cannot_start(
    fetch: Fetch, authorizer: type[RecordingAuthorizer], instance_fake: FakeInstance
) -> None:
    authorizer.refused = {"execute"}
    answer = fetch("lab/start", method="POST", body=b"")
    assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
    assert instance_fake.launches == 0
    assert fetch("lab/status").status == 200


def test_no_handler_inherits_a_guarded_verb() -> None:
    """``authorized`` remembers its first caller, so a shared verb would share one handler's rule."""
    verbs = {"get", "post", "put", "patch", "delete", "head"}
    for _, handler in [*ROUTES, *SNIPPET_ROUTES, *PROXY_ROUTES]:
        own = verbs & set(vars(handler))
        assert own, handler
        for verb in own:
            assert hasattr(vars(handler)[verb], "__wrapped__"), f"{handler.__name__}.{verb} has no guard"
        assert not verbs & set(vars(ModelServeHandler))


PROXIED = [
    ("api/v1/endpoints", "GET", "read"),
    ("api/v1/endpoints", "HEAD", "read"),
    ("metrics", "GET", "read"),
    ("api/v1/endpoints/a", "PUT", "write"),
    ("api/v1/endpoints/a", "PATCH", "write"),
    ("api/v1/endpoints/a", "DELETE", "write"),
    ("api/v1/tokens", "POST", "write"),
    ("api/modelserve/v1/tokens", "POST", "write"),
    ("api/2.0/mlflow/runs/create", "POST", "write"),
    ("model/a/1/invocations", "POST", "execute"),
    ("model-endpoint/a/Production/invocations", "POST", "execute"),
    ("serving-endpoints/a/invocations", "POST", "execute"),
]


@pytest.mark.parametrize("size", [0, 10])
@pytest.mark.parametrize(("path", "method", "action"), PROXIED)
def test_each_proxied_verb_asks_for_its_own_right(
    fetch: Fetch, authorizer: type[RecordingAuthorizer], path: str, method: str, action: str, size: int
) -> None:
    body = {"body": b"x" * size} if method in {"POST", "PUT", "PATCH"} else {}
    answer = fetch(path, method=method, **body)
    assert answer.status == NotRunning.status
    if method != "HEAD":
        assert answer.json["error_code"] == NotRunning.error_code
        assert "jupyter modelserve up" in answer.json["details"]["hint"]
    assert set(authorizer.asked) == {(action, "modelserve")}
    authorizer.refused = {action}
    assert fetch(path, method=method, **body).status == 403


def test_no_handler_of_ours_opens_itself_to_everybody() -> None:
    """``OPTIONS`` of Jupyter's own APIHandler alone is open: a browser asks by it before it may sign in."""
    for _, handler in [*ROUTES, *SNIPPET_ROUTES, *PROXY_ROUTES]:
        verbs = (getattr(handler, name.lower()) for name in handler.SUPPORTED_METHODS if name != "OPTIONS")
        assert not [each for each in verbs if getattr(each, "__allow_unauthenticated", False)]
