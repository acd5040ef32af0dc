"""A model taken out of the instance answers /ping and /invocations under ``docker run``, all by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos import models
from tests.docker.test_serving import register
from tests.support import docker_engine
from tests.support.instance import RunningInstance

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]


def command(instance: RunningInstance, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MODELSERVE_HOME": str(instance.home)}
    line = [sys.executable, "-m", "jupyter_modelserve.cli", "image", *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environ, check=False)


@pytest.fixture(scope="module")
def exported(instance: RunningInstance, mlflow: Any) -> Iterator[str]:
    register(mlflow, "Leaving", models.steady(mlflow, 5))
    name = f"modelserve-test-export:{os.urandom(4).hex()}"
    done = command(instance, "export", "Leaving/1", "--tag", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == name
    yield name
    with docker_engine.api() as api:
        api.remove_image(name, force=True)


def test_an_exported_image_answers_anywhere(exported: str) -> None:
    with docker_engine.api() as api:
        host = api.create_host_config(
            port_bindings={8080: ("127.0.0.1", None)}, read_only=True, tmpfs={"/tmp": ""}, cap_drop=["ALL"]
        )
        made = api.create_container(exported, ports=[8080], host_config=host)["Id"]
        try:
            api.start(made)
            port = api.inspect_container(made)["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                wait_for(client)
                answer = client.post("/invocations", content=models.BODY, headers={"content-type": "application/json"})
                assert (answer.status_code, answer.json()) == (200, {"predictions": [5]})
                refused = client.post("/invocations", content=b"nonsense", headers={"content-type": "application/json"})
                assert (refused.status_code, refused.json()["error_code"]) == (400, "BAD_REQUEST")
                assert client.get("/elsewhere").status_code == 404
            began = time.monotonic()
            api.stop(made, timeout=20)
            assert time.monotonic() - began < 15
        finally:
            api.remove_container(made, force=True)


def wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert time.monotonic() < deadline
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def test_the_dockerfile_comes_with_all_that_it_copies(exported: str, instance: RunningInstance, tmp_path: Path) -> None:
    target = tmp_path / "context"
    done = command(instance, "dockerfile", "Leaving/1", str(target))
    assert (done.returncode, done.stdout.strip()) == (0, str(target / "Dockerfile")), done.stderr
    lines = (target / "Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert copied == ["requirements.txt", "replica", "model"]
    assert all((target / each).exists() for each in copied)
    assert json.loads(lines[-1].removeprefix("CMD "))[2] == "serve"
    assert "mlflow-skinny" in (target / "requirements.txt").read_text()
    again = command(instance, "dockerfile", "Leaving/1", str(target))
    assert again.returncode != 0


def test_what_does_not_exist_is_said_in_one_line(exported: str, instance: RunningInstance) -> None:
    for reference, message in (("Leaving/9", "has no version 9"), ("nobody/1", "is not registered")):
        done = command(instance, "export", reference)
        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert "which version?" in command(instance, "export", "Leaving").stderr
