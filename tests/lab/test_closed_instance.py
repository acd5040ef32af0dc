"""A closed instance never makes an MLflow call hang: it starts again, or the call fails at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from jupyter_modelserve import launcher
from tests.lab.server import NOT_INHERITED, ROOT
from tests.support.instance import RunningInstance, started_instance

CODE = """
import json, sys, time
import mlflow
from jupyter_modelserve.plugins import auth_provider
auth_provider.install()  # what the entry point does in an installed package
began = time.monotonic()
try:
    found = [each.name for each in mlflow.MlflowClient().search_experiments()]
except mlflow.exceptions.MlflowException as error:
    found = str(error)
print(json.dumps({"seconds": time.monotonic() - began, "found": found}))
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[RunningInstance]:
    """One whose MLflow has its tables: making them takes longer than all else, and who closes one has them."""
    with started_instance("ms-closed-") as found:
        found.wait_for_mlflow()
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(("autostart", "seconds"), [(True, 40), (False, 2)])
def test_mlflow_with_a_closed_instance(instance: RunningInstance, autostart: bool, seconds: float) -> None:
    launcher.stop(instance.paths)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "MODELSERVE_HOME": str(instance.home),
        "MODELSERVE_AUTOSTART": str(autostart),
        "MLFLOW_TRACKING_URI": instance.url,
        "MLFLOW_TRACKING_AUTH": "modelserve",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE], env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["seconds"] < seconds
    if autostart:
        assert answer["found"] == ["Default"]
    else:
        assert "jupyter modelserve up" in answer["found"]
        assert instance.token not in done.stdout + done.stderr
