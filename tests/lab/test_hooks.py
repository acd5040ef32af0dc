"""What runs from the start of a Jupyter server to its end, and that each hook bears being called alone."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from jupyter_modelserve.lab.extension import ModelServeExtension
from tests.lab.fakes import FakeInstance, Fetch


@pytest.fixture
def extension(fetch: Fetch, jp_serverapp: Any) -> ModelServeExtension:
    """Our extension in a Jupyter server that was not really started."""
    (found,) = jp_serverapp.extension_manager.extension_apps["jupyter_modelserve"]
    assert isinstance(found, ModelServeExtension)
    return found


def test_the_stop_hook_bears_a_server_that_never_started(
    extension: ModelServeExtension, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> None:
    before = dict(os.environ)
    jp_asyncio_loop.run_until_complete(extension.stop_extension())
    jp_asyncio_loop.run_until_complete(ModelServeExtension().stop_extension())
    assert dict(os.environ) == before


@pytest.mark.parametrize(("with_server", "tracking"), [(False, False), (True, True), (False, True)])
def test_from_start_to_end(
    extension: ModelServeExtension,
    instance_fake: FakeInstance,
    jp_serverapp: Any,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
    with_server: bool,
    tracking: bool,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = dict(os.environ)
    extension.start_with_server, extension.set_tracking_uri = with_server, tracking
    instance_fake.running = tracking and not with_server

    async def live() -> dict[str, str]:
        await extension._start_jupyter_server_extension(jp_serverapp)
        watch, begin = extension._tasks
        await begin
        assert not watch.done()
        during = dict(os.environ)
        await extension.stop_extension()
        assert watch.cancelled()
        return during

    during = jp_asyncio_loop.run_until_complete(live())
    assert during["JUPYTER_MODELSERVE_INFO_FILE"] == jp_serverapp.info_file
    assert during.get("MLFLOW_TRACKING_URI") == ("http://127.0.0.1:8585" if tracking else None)
    assert instance_fake.launches == (1 if with_server else 0)
    assert dict(os.environ) == before


def test_mlflow_is_pointed_at_the_instance_only_when_asked_for() -> None:
    """Kernels of environments without this package would get no token and wait minutes for an ended instance."""
    assert ModelServeExtension().set_tracking_uri is False
    assert ModelServeExtension(start_with_server=True).set_tracking_uri is True
    assert ModelServeExtension(start_with_server=True, set_tracking_uri=False).set_tracking_uri is False


def test_a_start_with_the_server_that_fails_is_a_warning(
    extension: ModelServeExtension,
    instance_fake: FakeInstance,
    jp_serverapp: Any,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    extension.start_with_server = True
    instance_fake.starts_when_launched = False

    async def live() -> None:
        await extension._start_jupyter_server_extension(jp_serverapp)
        await extension._tasks[1]
        await extension.stop_extension()

    jp_asyncio_loop.run_until_complete(live())
    assert "Model serving was not started" in caplog.text
