"""What the proxy lets through in either direction, to whom, and how long: against a gateway that tells everything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.lab.gateway import TOKEN as INSTANCE_TOKEN
from tests.lab.gateway import Gateway, gateway
from tests.lab.server import PREFIX, TOKEN, JupyterServer, events, jupyter_server

MIB = 1024 * 1024
SCORING = (
    "model/iris/1/invocations",
    "model-endpoint/iris/Production/invocations",
    "serving-endpoints/iris/invocations",
)
CALLS = [
    ("GET", "api/v1/endpoints"), ("HEAD", "api/v1/endpoints"), ("POST", "api/v1/tokens"), ("PUT", "api/v1/endpoints/a"),
    ("PATCH", "api/v1/endpoints/a"), ("DELETE", "api/v1/endpoints/a"), ("GET", "api/modelserve/v1/endpoints"),
    *(("POST", path) for path in SCORING), ("GET", "lab/status"), ("POST", "lab/start"),
]  # fmt: skip


@pytest.fixture(scope="module")
def behind() -> Iterator[Gateway]:
    with gateway() as found:
        yield found


@pytest.fixture(scope="module")
def jupyter(behind: Gateway) -> Iterator[JupyterServer]:
    with jupyter_server(behind.environ) as found:
        yield found


@pytest.fixture
def http(jupyter: JupyterServer, behind: Gateway) -> httpx.Client:
    behind.seen.clear()
    behind.more.clear()
    behind.left.clear()
    return jupyter.client()


@pytest.mark.parametrize(
    ("asked", "received"),
    [
        ("api/v1/endpoints", "/api/modelserve/v1/endpoints"),
        ("api/modelserve/v1/endpoints", "/api/modelserve/v1/endpoints"),
        ("api/v1/endpoints/a%20b/events?after=3&x=%2F", "/api/modelserve/v1/endpoints/a%20b/events?after=3&x=%2F"),
        (f"api/v1/models?token={TOKEN}&tail=2&_xsrf=y", "/api/modelserve/v1/models?tail=2"),
    ],
)
def test_addresses_arrive_as_they_were_written(http: httpx.Client, behind: Gateway, asked: str, received: str) -> None:
    behind.more.set()
    assert http.get(asked).status_code == 200
    assert behind.seen[-1].target == received


def test_dots_are_for_the_gateway_to_refuse(jupyter: JupyterServer, behind: Gateway) -> None:
    """Resolved here, the path would leave the part of the gateway that is proxied."""
    behind.seen.clear()
    path = f"{PREFIX}jupyter-modelserve/model/../api/2.0/mlflow/x"
    head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: token {TOKEN}\r\nconnection: close\r\n\r\n"
    head = head.replace("GET", "POST").replace("connection", "content-length: 0\r\nconnection")
    parts = urlsplit(jupyter.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 200")
    assert behind.seen[-1].target == "/model/../api/2.0/mlflow/x"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods_and_bodies_arrive(http: httpx.Client, behind: Gateway, method: str) -> None:
    assert http.request(method, "api/v1/endpoints/a", json={"a": 1}).json()["answered"] == 200
    assert (behind.seen[-1].method, behind.seen[-1].body) == (method, b'{"a":1}')


@pytest.mark.parametrize("path", SCORING)
def test_scoring_addresses(http: httpx.Client, behind: Gateway, path: str) -> None:
    answer = http.post(path, content=b"a,b\n1,2\n", headers={"content-type": "text/csv"})
    assert answer.status_code == 200
    assert (behind.seen[-1].target, behind.seen[-1].headers["content-type"]) == (f"/{path}", "text/csv")


def test_the_gateway_sees_the_instance_token_and_nothing_of_jupyter(jupyter: JupyterServer, behind: Gateway) -> None:
    behind.seen.clear()
    headers = {
        "cookie": "username=x", "x-modelserve-principal": "root", "x-forwarded-for": "1.2.3.4", "te": "trailers",
        "referer": f"{jupyter.url}lab?token={TOKEN}", "x-xsrftoken": "y", "x-custom": "kept", "connection": "x-hop",
        "x-hop": "1",
    }  # fmt: skip
    jupyter.client().post(SCORING[0], content=b"{}", headers=headers)
    seen = behind.seen[-1].headers
    assert seen["authorization"] == f"Bearer {INSTANCE_TOKEN}"
    assert seen["x-custom"] == "kept"
    assert not {"cookie", "x-modelserve-principal", "x-forwarded-for", "te", "referer", "x-xsrftoken", "x-hop"} & set(
        seen
    )
    assert TOKEN not in str(behind.seen[-1])


def test_the_browser_sees_what_the_gateway_says_and_no_secret(http: httpx.Client) -> None:
    answer = http.post(SCORING[0], content=b"{}")
    assert answer.headers["served-model-name"] == "iris"
    assert answer.headers["x-request-id"] == "r1"
    assert answer.headers["content-type"] == "application/json"
    assert "secret" not in answer.headers.get("set-cookie", "")
    assert not {"server", "keep-alive"} & set(answer.headers)
    assert answer.headers.get("access-control-allow-origin") != "*"
    assert INSTANCE_TOKEN not in str(answer.headers) + answer.text


@pytest.mark.parametrize("chunked", [False, True])
def test_the_largest_body_passes(http: httpx.Client, behind: Gateway, chunked: bool) -> None:
    body = b"x" * 16 * MIB
    pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
    assert http.post(SCORING[0], content=pieces if chunked else body).status_code == 200
    assert behind.seen[-1].body == body


def test_a_body_is_not_collected_first(http: httpx.Client, behind: Gateway) -> None:
    behind.first_bytes.clear()
    arrived: list[bool] = []

    def pieces() -> Iterator[bytes]:
        yield b"x" * 100_000
        arrived.append(behind.first_bytes.wait(10))
        yield b"y"

    answer = http.post("model/slow-start/invocations", content=pieces(), headers={"content-length": "100001"})
    assert (answer.status_code, arrived) == (200, [True])
    assert len(behind.seen[-1].body) == 100_001


@pytest.mark.req("REQ-014")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_refusal_in_the_middle_of_a_body_is_heard(http: httpx.Client, chunked: bool) -> None:
    """The rest is read and dropped, because a caller that still sends would not see the answer."""
    body = b"x" * 40 * MIB
    pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
    began = time.monotonic()
    answer = http.post("model/too-large/1/invocations", content=pieces if chunked else body)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert time.monotonic() - began < 5


def test_what_nobody_would_read_is_refused_at_once(jupyter: JupyterServer) -> None:
    parts = urlsplit(jupyter.ours)
    head = (
        f"POST {parts.path}{SCORING[0]} HTTP/1.1\r\nhost: localhost\r\nauthorization: token {TOKEN}\r\n"
        f"expect: 100-continue\r\ncontent-length: {2**40}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")


def test_events_come_one_by_one_while_the_stream_is_open(http: httpx.Client, behind: Gateway) -> None:
    with http.stream("GET", "api/v1/endpoints/a/events", headers={"accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-accel-buffering"] == "no"
        lines = answer.iter_lines()
        pings = 0
        assert next(events(lines)) == {"n": 1}
        for line in lines:
            pings += line == ": ping"
            if pings == 3:
                break
        assert not behind.more.is_set()
        behind.more.set()
        assert next(events(lines)) == {"n": 2}
    assert behind.seen[-1].headers["accept"] == "text/event-stream"


@pytest.mark.req("REQ-130")
def test_who_leaves_a_stream_is_gone_at_the_gateway_within_a_second(http: httpx.Client, behind: Gateway) -> None:
    with http.stream("GET", "api/v1/endpoints/a/events") as answer:
        next(events(answer.iter_lines()))
    left_at = time.monotonic()
    assert behind.left.wait(5)
    assert time.monotonic() - left_at < 1


def test_who_leaves_while_sending_is_gone_at_the_gateway(jupyter: JupyterServer, behind: Gateway) -> None:
    behind.left.clear()
    behind.first_bytes.clear()
    parts = urlsplit(jupyter.ours)
    head = (
        f"POST {parts.path}model/slow-start/invocations HTTP/1.1\r\nhost: localhost\r\n"
        f"authorization: token {TOKEN}\r\ncontent-length: 1000000\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as raw:
        raw.sendall(head.encode() + b"x" * 1000)
        assert behind.first_bytes.wait(10)
    left_at = time.monotonic()
    assert behind.left.wait(5), "the gateway still waits for the rest"
    assert time.monotonic() - left_at < 1


def test_a_broken_answer_does_not_look_complete(http: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("api/v1/broken")


def test_many_streams_at_once_leave_room_for_others(jupyter: JupyterServer, behind: Gateway) -> None:
    behind.more.clear()
    opened: list[Any] = []

    def follow() -> None:
        with jupyter.client().stream("GET", "api/v1/endpoints/a/events") as answer:
            opened.extend(events(answer.iter_lines()))

    threads = [threading.Thread(target=follow) for _ in range(20)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    while len(opened) < 20:
        assert time.monotonic() < until
        time.sleep(0.02)
    began = time.monotonic()
    assert jupyter.client().post(SCORING[0], content=b"{}").status_code == 200
    assert time.monotonic() - began < 2
    behind.more.set()
    for thread in threads:
        thread.join(10)
    assert len(opened) == 40


# ---------------------------------------------------------------------------------------------------- who gets in
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_nobody_gets_in_without_a_token(jupyter: JupyterServer, behind: Gateway, method: str, path: str) -> None:
    behind.seen.clear()
    answer = jupyter.client(token=None).request(method, path, content=b"{}" if method != "GET" else None)
    assert answer.status_code == 403
    assert behind.seen == []


def browser(jupyter: JupyterServer) -> tuple[httpx.Client, str]:
    """A browser that signed in: cookies only."""
    client = jupyter.client(token=None)
    client.get(f"{jupyter.url}login")
    client.get(f"{jupyter.url}api/status?token={TOKEN}")
    xsrf = next(each.value for each in client.cookies.jar if each.name == "_xsrf")
    return client, str(xsrf)


def test_a_cookie_alone_reads_but_changes_nothing(jupyter: JupyterServer, behind: Gateway) -> None:
    client, xsrf = browser(jupyter)
    behind.seen.clear()
    assert client.get("api/v1/endpoints", headers={"referer": jupyter.url}).status_code == 200
    behind.seen.clear()
    assert client.post(SCORING[0], content=b"{}").status_code == 403
    assert client.put("api/v1/endpoints/a", content=b"{}").status_code == 403
    assert behind.seen == []
    assert client.post(SCORING[0], content=b"{}", headers={"x-xsrftoken": xsrf}).status_code == 200


def test_a_scoring_address_takes_post_only(http: httpx.Client, behind: Gateway) -> None:
    answer = http.get(SCORING[0])
    assert (answer.status_code, answer.json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")
    assert behind.seen == []
