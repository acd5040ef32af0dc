"""The main job end to end in containers: the quickstart notebook, unchanged, with engine = docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import demo
from tests.notebooks.test_quickstart import execute
from tests.support.docker_serving import Serving
from tests.support.instance import RunningInstance

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.timeout(900)
def test_the_quickstart_runs_in_containers(
    instance: RunningInstance, kernel: str, tmp_path: Path, serving: Serving
) -> None:
    done = execute(
        demo.NOTEBOOK, tmp_path / "out.ipynb", kernel, tmp_path, model_name="quick.docker", keep_serving=True
    )
    served = demo.outputs(done, "endpoint")[0]["endpoint"]
    assert (served["status"]["service"], served["status"]["versions"][0]["verdict"]) == ("READY", "passed")
    assert served["status"]["versions"][0]["environment"]["image"].startswith("modelserve/replica:")
    assert ", 0 failed; version 2 took over" in demo.printed(done, "move-check")
    assert len(serving.containers("quickstart")) == 1
    serving.names.append("quickstart")
