"""A Jupyter server with our extension and a fake instance behind it.

Only the fixtures come from pytest-jupyter, not its hooks: as a plugin it takes over the call of every test function,
asynchronous ones of other folders included. So these tests are plain functions that run one request at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from pytest_jupyter import jupyter_server
from tornado.httpclient import HTTPClientError

from jupyter_modelserve.lab.service import Service
from tests.lab.fakes import Answer, FakeInstance, Fetch, RecordingAuthorizer
from tests.lab.served import Home, home_with_instance, serve_flowers

globals().update({name: value for name, value in vars(jupyter_server).items() if not name.startswith(("_", "pytest"))})


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """A user's home directory whose instance serves one model; tests leave both as they are in the end."""
    with home_with_instance() as found:
        serve_flowers(found.instance)
        yield found


@pytest.fixture
def instance_fake() -> FakeInstance:
    return FakeInstance()


@pytest.fixture
def authorizer() -> Iterator[type[RecordingAuthorizer]]:
    RecordingAuthorizer.asked, RecordingAuthorizer.refused = [], set()
    yield RecordingAuthorizer
    RecordingAuthorizer.asked, RecordingAuthorizer.refused = [], set()


@pytest.fixture
def jp_server_config(authorizer: type[RecordingAuthorizer]) -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_modelserve": True},
            "authorizer_class": authorizer,
            "allow_unauthenticated_access": False,
            "disable_check_xsrf": False,
        }
    }


@pytest.fixture
def fetch(
    instance_fake: FakeInstance,
    monkeypatch: pytest.MonkeyPatch,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
) -> Fetch:
    """``fetch("lab/status")``, ``fetch("lab/start", method="POST", body=b"")``: one request, refusals as answers."""
    from jupyter_modelserve.lab import extension

    class FakeService(Service):
        def __init__(self) -> None:
            super().__init__(instance_fake.connect, instance_fake.launch, lambda: False)

    monkeypatch.setattr(extension.ModelServeExtension, "service_class", FakeService)
    send: Callable[..., Awaitable[Any]] = request.getfixturevalue("jp_fetch")

    def ask(path: str, **options: Any) -> Answer:
        async def call() -> Answer:
            try:
                response = await send("jupyter-modelserve", *path.split("/"), **options)
            except HTTPClientError as refusal:
                if refusal.response is None:
                    raise
                response = refusal.response
            return Answer(response.code, response.headers, response.body)

        return jp_asyncio_loop.run_until_complete(call())

    return ask
