"""One real instance, and a kernel of this interpreter, for the notebooks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import demo
from tests.support.instance import RunningInstance, started_instance


@pytest.fixture(scope="session")
def instance() -> Iterator[RunningInstance]:
    """A running instance of these tests' own."""
    with started_instance() as found:
        yield found


@pytest.fixture
def kernel(instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a kernel that talks to the instance, whatever kernels are installed."""
    monkeypatch.setenv("MODELSERVE_HOME", str(instance.home))
    monkeypatch.delenv("MODELSERVE_URL", raising=False)
    monkeypatch.setenv("JUPYTER_PATH", str(demo.install_kernel(tmp_path / "jupyter")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(demo.ROOT), os.environ.get("PYTHONPATH")])))
    return demo.KERNEL
