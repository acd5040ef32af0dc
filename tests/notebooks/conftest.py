"""One real instance, and a kernel of this interpreter, for the notebooks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import demo
from tests.conftest import missing
from tests.support.instance import RunningInstance, started_instance


@pytest.fixture(scope="session")
def instance() -> Iterator[RunningInstance]:
    """A running instance of these tests' own."""
    with started_instance() as found:
        yield found


@pytest.fixture(scope="session")
def deep_python() -> Path:
    """The interpreter of the environment with PyTorch and transformers."""
    home = demo.ROOT / "build" / "deep"
    if not (home / ".made").exists():
        missing("an environment with PyTorch (scripts/bootstrap.sh deep)")
    return home / "bin" / "python"


@pytest.fixture
def kernel(instance: RunningInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a kernel that talks to the instance, whatever kernels are installed."""
    return install(sys.executable, instance, tmp_path, monkeypatch)


@pytest.fixture
def deep_kernel(instance: RunningInstance, deep_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same with PyTorch."""
    return install(str(deep_python), instance, tmp_path, monkeypatch)


def install(python: str, instance: RunningInstance, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the specification of a kernel that runs on *python*; gives its name."""
    monkeypatch.setenv("MODELSERVE_HOME", str(instance.home))
    monkeypatch.delenv("MODELSERVE_URL", raising=False)
    monkeypatch.setenv("JUPYTER_PATH", str(demo.install_kernel(folder / "jupyter", python)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(demo.ROOT), os.environ.get("PYTHONPATH")])))
    return demo.KERNEL
