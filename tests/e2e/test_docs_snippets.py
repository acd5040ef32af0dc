"""The README's example and docs/how-to/score-from-anywhere.md, run against a real instance."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.instance import RunningInstance

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "how-to" / "score-from-anywhere.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = FENCE.findall(TEXT)
PYTHON = [block for language, kind, block in BLOCKS if language == "python" and not kind.strip()]
SHELL = [block for language, _, block in BLOCKS if language == "bash"]
CELL = r"`([^`]+)`"
PAYLOADS = re.findall(rf"^\| {CELL} \| {CELL} \| {CELL} \|$", TEXT, re.MULTILINE)
REFUSALS = re.findall(rf"^\| {CELL} \| (\d+) {CELL} \|$", TEXT, re.MULTILINE)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def environment(instance: RunningInstance, tools: Path | None = None) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(tools) if tools else "", os.environ["PATH"]]))
    added = {"MODELSERVE_HOME": str(instance.home), "URL": instance.url, "TOKEN": instance.token, "PATH": path}
    return {**os.environ, **added, "PYTHONPATH": str(ROOT)}


def run(instance: RunningInstance, code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment(instance), capture_output=True, text=True, check=False, timeout=200, cwd=instance.home
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def flowers(instance: RunningInstance) -> Iterator[RunningInstance]:
    """The model of the page, made by the page's own code."""
    (setup,) = [block for _, kind, block in BLOCKS if kind.strip() == "setup"]
    run(instance, setup)
    yield instance
    with instance.client() as client:
        client.delete_endpoint("flowers")
        client.wait_gone("flowers", 60)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``jupyter`` that finds our command in a checkout that is not installed."""
    directory = tmp_path_factory.mktemp("bin")
    script = directory / "jupyter"
    script.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -m jupyter_modelserve.cli "$@"\n', encoding="utf-8")
    script.chmod(0o700)
    return directory


def test_the_page_is_read() -> None:
    assert (len(PYTHON), len(SHELL), len(PAYLOADS), len(REFUSALS)) == (3, 2, 12, 3)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: re.findall(r"import (\w+)", block)[-1])
def test_python(flowers: RunningInstance, block: str) -> None:
    assert "setosa" in run(flowers, block)


@pytest.mark.parametrize("number", range(len(SHELL)))
@pytest.mark.req("REQ-020")
def test_shell(flowers: RunningInstance, number: int, tools: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", SHELL[number]],
        env=environment(flowers, tools), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"predictions": ["setosa"]}


def post(instance: RunningInstance, body: str) -> httpx.Response:
    headers = {**instance.headers, "content-type": "application/json"}
    url = f"{instance.url}/model/flowers/Champion/invocations"
    return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)


@pytest.mark.parametrize(("name", "body", "answer"), PAYLOADS)
@pytest.mark.req("REQ-031", "REQ-036", "REQ-037", "REQ-039", "REQ-043", "REQ-150", "REQ-151", "REQ-177")
def test_payload(flowers: RunningInstance, name: str, body: str, answer: str) -> None:
    found = post(flowers, body)
    assert found.status_code == 200, found.text
    assert found.json() == json.loads(answer)
    assert found.headers["x-modelserve-format"] == name


@pytest.mark.parametrize(("body", "status", "message"), REFUSALS)
@pytest.mark.req("REQ-145")
def test_refusal(flowers: RunningInstance, body: str, status: str, message: str) -> None:
    found = post(flowers, body)
    assert (found.status_code, found.json()["message"]) == (int(status), message)


@pytest.mark.req("REQ-020")
def test_the_readmes_example(instance: RunningInstance, tools: Path, tmp_path: Path) -> None:
    """The notebook cell as it stands, then the curl line with the port filled in."""
    blocks = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    (cell,) = [block for language, _, block in blocks if language == "python"]
    (line,) = [block for language, _, block in blocks if language == "bash" and "curl -" in block]
    notebook = tmp_path / "readme.ipy"
    notebook.write_text(cell + "print('done', 'reading')\n", encoding="utf-8")
    surroundings = {**environment(instance, tools), "IPYTHONDIR": str(tmp_path / "ipython")}
    command = [sys.executable, "-m", "IPython", "--no-banner", str(notebook)]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=200)
    assert "done reading" in done.stdout, done.stdout + done.stderr
    port = instance.url.rpartition(":")[2]
    script = ["bash", "-c", line.replace("<port>", port)]
    asked = subprocess.run(script, env=surroundings, capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(asked.stdout) == [0], asked.stderr
    with instance.client() as client:
        client.delete_endpoint("iris")
        client.wait_gone("iris", 60)
