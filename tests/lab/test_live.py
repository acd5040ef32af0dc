"""A real Jupyter server before real daemons: scoring, events, crashes, and what kernels inherit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_modelserve import launcher, locks
from jupyter_modelserve.lab.activity import served
from tests.lab.server import NOT_INHERITED, ROOT, TOKEN, JupyterServer, events, jupyter_server
from tests.support import zoo
from tests.support.instance import RunningInstance, mlflow_of, started_instance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
BODY = json.dumps({"dataframe_records": [dict(zip(zoo.IRIS_SHORT, [5.1, 3.5, 1.4, 0.2], strict=True))]})
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def own() -> Iterator[RunningInstance]:
    """An instance that tests here may hurt."""
    with started_instance("ms-lab-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.fixture(scope="module")
def jupyter(own: RunningInstance) -> Iterator[JupyterServer]:
    with jupyter_server({"MODELSERVE_HOME": str(own.home)}, "c.ModelServeExtension.set_tracking_uri = True") as found:
        yield found


@pytest.fixture(scope="module")
def iris(own: RunningInstance, jupyter: JupyterServer) -> str:
    """An endpoint that was made through the proxy."""
    with mlflow_of(own) as mlflow:
        model, frame = zoo.iris(zoo.IRIS_SHORT)
        zoo.register(mlflow, "iris", model, frame.head(2))
    body = {"entities": [{"model": "iris", "selector": {"kind": "active", "value": None}}]}
    answer = jupyter.client().put("api/v1/endpoints/iris", json=body)
    assert answer.status_code == 202, answer.text
    until(lambda: jupyter.client().get("api/v1/endpoints/iris").json()["status"]["service"] == "READY", 120)
    return "iris"


def until(check: Any, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, "never"
        time.sleep(0.05)


@pytest.mark.req("REQ-015")
@pytest.mark.parametrize("path", ["model/iris/1/invocations", "serving-endpoints/iris/invocations"])
def test_scoring_through_jupyter(jupyter: JupyterServer, iris: str, path: str) -> None:
    answer = jupyter.client().post(path, content=BODY, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [0]})
    assert answer.headers["x-modelserve-version"] == "1"


@pytest.mark.req("REQ-014")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_limit_is_refused_and_just_below_it_is_not(
    jupyter: JupyterServer, iris: str, chunked: bool
) -> None:
    def send(size: int) -> httpx.Response:
        body = BODY + " " * (size - len(BODY))
        pieces = (body[start : start + 2**20].encode() for start in range(0, size, 2**20))
        return jupyter.client().post(
            "model/iris/1/invocations", content=pieces if chunked else body.encode(), headers=JSON
        )

    assert send(16 * 2**20).json() == {"predictions": [0]}
    refused = send(16 * 2**20 + 1)
    assert (refused.status_code, refused.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_our_own_client_works_with_the_proxy_as_its_address(jupyter: JupyterServer, iris: str) -> None:
    from jupyter_modelserve.client.sync import Client

    with Client.discover(jupyter.ours, TOKEN) as client:
        assert [each.spec.name for each in client.endpoints()] == ["iris"]
        assert client.endpoint("iris").status.service == "READY"


def test_a_process_without_the_sockets_finds_the_instance_behind_jupyter(
    own: RunningInstance, jupyter: JupyterServer, iris: str, tmp_path: Path
) -> None:
    """As a kernel in a container: another home, no socket, only the server that it belongs to."""
    code = (
        "from jupyter_modelserve.client.sync import Client; found = Client.discover(start=False); "
        "print(found.url, *(each.spec.name for each in found.endpoints()))"
    )
    environ = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "MODELSERVE_HOME": str(tmp_path / "elsewhere"),
        "JUPYTER_MODELSERVE_INFO_FILE": str(jupyter.info_file),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [jupyter.ours.rstrip("/"), "iris"], done.stderr


def test_the_mlflow_client_works_through_jupyter(jupyter: JupyterServer, iris: str) -> None:
    answer = jupyter.client().get("api/2.0/mlflow/registered-models/get", params={"name": iris})
    assert (answer.status_code, answer.json()["registered_model"]["name"]) == (200, "iris")


def test_events_arrive_before_the_stream_ends(own: RunningInstance, jupyter: JupyterServer, iris: str) -> None:
    heads: list[Any] = []
    asked = {"accept": "text/event-stream"}
    with jupyter.client().stream("GET", "api/v1/endpoints/iris/events", headers=asked) as answer:
        lines = answer.iter_lines()
        found = events(lines)
        heads.append(next(found))
        spec = {"entities": [{"model": "iris", "selector": {"kind": "version", "value": "1"}}]}
        assert jupyter.client().put("api/v1/endpoints/iris", json=spec).status_code == 202
        while True:
            changed = next(found)
            if (changed.get("spec") or {}).get("entities", [{}])[0].get("selector", {}).get("kind") == "version":  # type: ignore[attr-defined]
                break
    assert heads


@pytest.mark.req("REQ-182")
def test_a_killed_gateway_heals_behind_the_proxy(own: RunningInstance, jupyter: JupyterServer, iris: str) -> None:
    client = jupyter.client()
    assert client.post("model/iris/1/invocations", content=BODY, headers=JSON).status_code == 200
    victim = own.pid("gateway")
    os.kill(victim, signal.SIGKILL)
    lock = own.paths.lock("gateway")
    until(lambda: not locks.is_held(lock) or locks.owner(lock) != victim)
    assert client.get("lab/status").json()["running"] is True
    answer = client.post("model/iris/1/invocations", content=BODY, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"predictions": [0]}), answer.text


def test_a_serving_server_is_not_idle(own: RunningInstance, iris: str) -> None:
    until(lambda: served(own.paths) == ["iris"])


async def hang_up(socket: Any) -> None:
    """Close and wait for it: what is still open when the loop ends is collected as unclosed in some later test."""
    socket.close()
    while await socket.read_message() is not None:
        pass


def test_hints_reach_a_browser_when_something_changes(jupyter: JupyterServer, iris: str) -> None:
    """Over the very websocket that JupyterLab listens on."""
    from tornado.httpclient import HTTPRequest
    from tornado.ioloop import IOLoop
    from tornado.websocket import websocket_connect

    async def listen() -> dict[str, Any]:
        url = jupyter.url.replace("http", "ws", 1) + "api/events/subscribe"
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"}))
        try:
            await IOLoop.current().run_in_executor(None, change)
            while True:
                message = json.loads(str(await socket.read_message()))
                if message["schema_id"].startswith("urn:jupyter-modelserve:"):
                    return dict(message)
        finally:
            await hang_up(socket)

    def change() -> None:
        client = jupyter.client()
        assert client.get("lab/status").json()["running"]
        time.sleep(2.5)  # the follower remembers what it saw first
        for value in ("active", "version"):
            selector = {"kind": value, "value": "1" if value == "version" else None}
            client.put("api/v1/endpoints/iris", json={"entities": [{"model": "iris", "selector": selector}]})

    import asyncio

    found = asyncio.run(asyncio.wait_for(listen(), 30))
    assert found["endpoint"] == "iris"
    assert found["revision"] >= 1
    assert not {"spec", "status", "data"} & set(found)


def test_kernels_inherit_paths_and_addresses_but_no_token(own: RunningInstance, jupyter: JupyterServer) -> None:
    found = in_kernel(jupyter, "import os, json; print(json.dumps(dict(os.environ)))")
    environ = json.loads(found)
    assert environ["MODELSERVE_HOME"] == str(own.home)
    assert environ["JUPYTER_MODELSERVE_INFO_FILE"] == str(jupyter.info_file)
    assert environ["MLFLOW_TRACKING_URI"] == own.url
    assert environ["MLFLOW_TRACKING_AUTH"] == "modelserve"
    assert own.token not in found
    assert TOKEN not in found


def in_kernel(jupyter: JupyterServer, code: str) -> str:
    """What *code* prints in a kernel of the server."""
    import asyncio

    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    headers = {"Authorization": f"token {TOKEN}"}
    kernel = httpx.post(f"{jupyter.url}api/kernels", headers=headers, json={"name": "python3"}, timeout=60).json()["id"]

    async def run() -> str:
        url = jupyter.url.replace("http", "ws", 1) + f"api/kernels/{kernel}/channels"
        socket = await websocket_connect(HTTPRequest(url, headers=headers))
        head = {
            "msg_id": "m",
            "username": "",
            "session": "s",
            "msg_type": "execute_request",
            "version": "5.3",
            "date": "",
        }
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        message = {"header": head, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await socket.write_message(json.dumps(message))
        printed = ""
        try:
            while True:
                answer = json.loads(str(await socket.read_message()))
                if answer["parent_header"].get("msg_id") != "m":
                    continue
                if answer["msg_type"] == "stream":
                    printed += answer["content"]["text"]
                if answer["msg_type"] == "error":
                    raise AssertionError("\n".join(answer["content"]["traceback"]))
                # The reply may overtake what was printed; "idle" comes after it.
                if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                    return printed
        finally:
            await hang_up(socket)

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_the_stop_hook_runs_and_leaves_the_daemons_alone(own: RunningInstance, iris: str) -> None:
    with jupyter_server({"MODELSERVE_HOME": str(own.home)}) as short:
        stream = threading.Thread(target=_follow, args=(short,), daemon=True)
        stream.start()
        assert short.client().post("model/iris/1/invocations", content=BODY, headers=JSON).status_code == 200
        began = time.monotonic()
        log = short.stop()
        assert time.monotonic() - began < 10
        assert "Shutting down" in log
        assert "Traceback" not in log
        stream.join(10)
        assert not stream.is_alive()
    assert launcher.find(own.paths) is not None


def _follow(server: JupyterServer) -> None:
    with httpx.Client(headers={"authorization": f"token {TOKEN}"}, timeout=30) as client:
        try:
            with client.stream(
                "GET", f"{server.ours}api/v1/endpoints/iris/events", headers={"accept": "text/event-stream"}
            ) as got:
                for _ in got.iter_lines():
                    pass
        except httpx.HTTPError:
            return


def test_a_stopped_instance_is_told_with_what_to_do_and_can_be_started(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with started_instance("ms-lab2-") as stopped:
        launcher.stop(stopped.paths)
        with jupyter_server({"MODELSERVE_HOME": str(stopped.home)}) as server:
            began = time.monotonic()
            answer = server.client().post("model/iris/1/invocations", content=BODY, headers=JSON)
            assert time.monotonic() - began < 2
            assert (answer.status_code, answer.json()["error_code"]) == (503, "INSTANCE_NOT_RUNNING")
            assert "Start" in answer.json()["details"]["hint"]
            assert answer.headers["retry-after"]
            assert server.client().get("lab/status").json()["running"] is False
            assert server.client().post("lab/start").json()["running"] is True
            assert server.client().get("api/v1/endpoints").json()["endpoints"] == []


def test_the_instance_may_start_with_the_server() -> None:
    with started_instance("ms-lab3-") as stopped:
        launcher.stop(stopped.paths)
        config = "c.ModelServeExtension.start_with_server = True"
        with jupyter_server({"MODELSERVE_HOME": str(stopped.home)}, config):
            until(lambda: launcher.find(stopped.paths) is not None, 30)
