"""An instance that nobody uses ends by itself, and comes back for the next client."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from jupyter_modelserve import launcher
from jupyter_modelserve.controller.idle import until_idle
from jupyter_modelserve.settings import Paths
from tests.support.instance import wait_until_gone


@pytest.mark.slow
def test_an_unused_instance_ends_and_comes_back_on_its_port() -> None:
    with tempfile.TemporaryDirectory(prefix="ms-") as home:
        paths = Paths(Path(home))
        (paths.home / "settings.toml").write_text("idle_exit = 1\n")
        first = launcher.ensure(paths)
        assert wait_until_gone(paths, 60) == []
        assert launcher.find(paths) is None
        second = launcher.ensure(paths)
        assert (second.port, second.instance_id) == (first.port, first.instance_id)
        launcher.stop(paths)
        assert wait_until_gone(paths) == []


async def test_what_is_served_or_used_keeps_it_alive() -> None:
    looks = []

    async def endpoints() -> int:
        looks.append("endpoints")
        return 1 if len(looks) < 5 else 0

    async def idle() -> float:
        looks.append("idle")
        return 0.0 if looks.count("idle") < 3 else 9.0

    began = time.monotonic()
    await until_idle(5.0, endpoints, idle, period=0.001)
    assert looks.count("idle") == 3
    assert looks.count("endpoints") > 4
    assert time.monotonic() - began < 5
