"""The extension against real daemons: what the fake promises is what they do."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.lab.service import Service


async def test_status_of_a_real_instance(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``instance`` starts the daemons in a state directory of its own."""
    monkeypatch.setenv("MODELSERVE_HOME", str(instance.home))
    service = Service()
    try:
        body = await service.status()
    finally:
        await service.close()
    assert body["running"] is True
    assert body["instance"]["url"] == instance.url
    assert body["instance"]["controller"]["state"] == "running"
    assert isinstance(body["endpoints"], list)
