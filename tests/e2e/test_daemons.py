"""The pair of daemons as a user meets it: up, down, killed, raced for."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from jupyter_modelserve import launcher
from jupyter_modelserve.launcher import private
from tests.support.instance import RunningInstance, processes_of, started_instance, wait_until_gone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own() -> Iterator[RunningInstance]:
    """An instance that these tests may break and mend."""
    with started_instance() as found:
        found.wait_for_mlflow()
        yield found


def until(condition: Callable[[], bool], seconds: float = 20) -> float:
    """Wait until *condition* holds; returns the seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - begun


def cli(own: RunningInstance, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``jupyter modelserve`` on the instance's home."""
    environ = {**os.environ, "MODELSERVE_HOME": str(own.home)}
    for name in ("MODELSERVE_URL", "MODELSERVE_TOKEN"):
        environ.pop(name, None)
    command = [sys.executable, "-m", "jupyter_modelserve.cli", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90, check=False)


def test_private_files_are_private(own: RunningInstance) -> None:
    for path in (own.home, own.paths.run):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in (own.paths.token_file, own.paths.instance_file, own.paths.database, *own.paths.logs.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_secret_is_in_arguments_environment_or_logs(own: RunningInstance) -> None:
    nonce = json.loads(own.paths.instance_file.read_text())["nonce"]
    for daemon in private.DAEMONS:
        process = psutil.Process(own.pid(daemon))
        for secret in (own.token, nonce):
            assert secret not in " ".join(process.cmdline())
            assert secret not in " ".join(process.environ().values())
    for log in own.paths.logs.iterdir():
        assert own.token not in log.read_text()


def test_only_loopback_is_listened_on(own: RunningInstance) -> None:
    """One address, which both daemons hold (``launcher/port.py``) and nothing that they start."""
    daemons = {own.pid(each) for each in private.DAEMONS}
    every = {process.pid: process for each in daemons for process in psutil.Process(each).children(recursive=True)}
    every |= {each: psutil.Process(each) for each in daemons}
    found = [
        (pid, each.laddr)
        for pid, process in every.items()
        for each in process.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert {tuple(address) for _, address in found} == {("127.0.0.1", httpx.URL(own.url).port)}
    assert own.pid("gateway") in {pid for pid, _ in found} <= daemons


@pytest.mark.req("REQ-018")
@pytest.mark.parametrize("path", ["/api/modelserve/v1/status", "/version", "/model/m/1/invocations"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer ms_wrong"}, {"authorization": "Basic eDp5"}])
def test_no_or_a_wrong_token_is_401(own: RunningInstance, path: str, headers: dict[str, str]) -> None:
    answer = httpx.get(own.url + path, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


@pytest.mark.req("REQ-019", "REQ-020")
def test_bearer_and_basic_open_the_same_door(own: RunningInstance) -> None:
    for arguments in ({"headers": own.headers}, {"auth": ("token", own.token)}):
        assert httpx.get(f"{own.url}/api/modelserve/v1/status", **arguments).status_code == 200


def test_the_command_line_shows_one_thing(own: RunningInstance) -> None:
    done = cli(own, "status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"running at {own.url}\n")
    found = json.loads(cli(own, "status", "--json").stdout)
    assert (found["status"]["url"], found["endpoints"]) == (own.url, [])
    assert cli(own, "token").stdout.strip() == own.token
    assert "already running" in cli(own, "up").stdout
    doctor = cli(own, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "fail" not in {line.split()[0] for line in doctor.stdout.splitlines()}
    assert cli(own, "logs", "gateway", "-n", "1").stdout.count("\n") == 1


def test_a_made_token_works_and_a_revoked_one_does_not(own: RunningInstance) -> None:
    made = cli(own, "token", "create", "--comment", "ci", "--lifetime", "1h")
    secret = made.stdout.strip()
    headers = {"authorization": f"Bearer {secret}"}
    status = f"{own.url}/api/modelserve/v1/status"
    until(lambda: httpx.get(status, headers=headers).status_code == 200, 5)
    listed = cli(own, "token", "list").stdout
    assert secret not in listed
    identifier = next(line.split()[0] for line in listed.splitlines() if line.endswith("ci"))
    assert cli(own, "token", "revoke", identifier).returncode == 0
    until(lambda: httpx.get(status, headers=headers).status_code == 401, 5)


def test_requests_are_held_while_a_killed_controller_comes_back(own: RunningInstance) -> None:
    process = psutil.Process(own.pid("controller"))
    process.kill()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    begun = time.monotonic()

    def ask(_: int) -> int:
        return httpx.get(f"{own.url}/api/modelserve/v1/status", headers=own.headers, timeout=40).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [200] * 8
    assert time.monotonic() - begun < 10
    assert own.pid("controller") != process.pid


def test_mlflow_is_held_as_well(own: RunningInstance) -> None:
    own.wait_for_mlflow()
    children = psutil.Process(own.pid("controller")).children()
    child = next(each for each in children if "jupyter_modelserve.plugins.mlflow_app" in each.cmdline())
    child.kill()
    answer = httpx.get(f"{own.url}/version", headers=own.headers, timeout=40)
    assert answer.status_code == 200


def test_a_killed_gateway_comes_back_at_the_same_address(own: RunningInstance) -> None:
    before = own.pid("gateway")
    os.kill(before, signal.SIGKILL)
    seconds = until(lambda: launcher.find(own.paths) is not None and own.pid("gateway") != before)
    assert httpx.get(f"{own.url}/health").status_code == 200
    assert seconds < 10


def test_down_leaves_nothing_and_up_keeps_address_and_token(own: RunningInstance) -> None:
    down = cli(own, "down")
    assert down.returncode == 0, down.stderr
    assert wait_until_gone(own.paths) == []
    assert cli(own, "status").returncode == 1
    assert "nothing was running" in cli(own, "down").stdout
    up = cli(own, "up")
    assert up.stdout.startswith(f"running at {own.url} "), up.stderr
    assert own.paths.token_file.read_text().strip() == own.token
    assert httpx.get(f"{own.url}/api/modelserve/v1/status", headers=own.headers).status_code == 200


def test_racing_kernels_end_with_one_pair(own: RunningInstance) -> None:
    launcher.stop(own.paths)
    assert wait_until_gone(own.paths) == []
    code = "from jupyter_modelserve import launcher; print(launcher.ensure().url)"
    environ = {**os.environ, "MODELSERVE_HOME": str(own.home)}
    racers = [
        subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    assert {racer.communicate(timeout=90)[0].strip() for racer in racers} == {own.url}
    daemons = [
        line
        for line in processes_of(own.paths)
        if "-m jupyter_modelserve.gateway" in line or "-m jupyter_modelserve.controller" in line
    ]
    until(lambda: len([line for line in processes_of(own.paths) if "_modelserve.gateway --home" in line]) == 1)
    until(lambda: len([line for line in processes_of(own.paths) if "_modelserve.controller --home" in line]) == 1)
    assert len(daemons) >= 2
