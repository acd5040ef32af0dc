"""What ``docker inspect`` shows, and what a hostile model can do: harm itself, and its user reads what happened."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_modelserve.controller.engines.docker.container import ROOTS_UID
from jupyter_modelserve.errors import ModelServeError
from tests.support import docker_engine, hostile
from tests.support.docker_serving import Serving
from tests.support.instance import RunningInstance

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def prowling(instance: RunningInstance, mlflow: Any) -> Iterator[Serving]:
    """A served model that runs whatever it is sent."""
    hostile.register(mlflow, "prowler", hostile.prowler(mlflow), "string")
    with instance.client() as client:
        serving = Serving(instance, client)
        serving.put("prowler")
        yield serving
        serving.end()


def attempt(serving: Serving, source: str) -> str:
    (found,) = serving.client.score("prowler", {"x": [source]})
    return str(found)


def test_inspect_shows_the_defaults(prowling: Serving) -> None:
    (found,) = prowling.containers("prowler")
    host, config = found["HostConfig"], found["Config"]
    uid = os.getuid() or ROOTS_UID
    assert config["User"].split(":")[0] == str(uid) != "0"
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == 1024**3
    assert host["NanoCpus"] == 10**9
    assert 0 < host["PidsLimit"] <= 512
    assert host["Init"] is True
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert {each["Name"]: each["Hard"] for each in host["Ulimits"]} == {"nofile": 8192, "core": 0}
    assert {"/tmp", "/replica"} == set(host["Tmpfs"])
    assert all("nosuid" in each and "nodev" in each and "size=" in each for each in host["Tmpfs"].values())
    assert host["RestartPolicy"]["Name"] in {"", "no"}
    assert not host["PortBindings"]
    assert not host["Devices"]


def test_mounts_are_its_own_and_no_docker_socket(prowling: Serving) -> None:
    (found,) = prowling.containers("prowler")
    mounts = {each["Destination"]: each for each in found["Mounts"]}
    assert set(mounts) == {"/run/modelserve", "/replica/replica.json", "/models"}
    assert mounts["/models"]["Type"] == "volume"
    assert mounts["/replica/replica.json"]["RW"] is False
    assert not any("docker.sock" in each["Source"] for each in mounts.values())


def test_no_secret_in_what_the_engine_shows(prowling: Serving) -> None:
    (found,) = prowling.containers("prowler")
    shown = json.dumps(found)
    records = list(prowling.instance.paths.containers.glob("*/replica.json"))
    keys = [json.loads(each.read_text())["key"] for each in records]
    assert keys
    assert not any(key in shown for key in [*keys, prowling.instance.token])
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in records)
    names = {each.partition("=")[0] for each in found["Config"]["Env"]}
    assert names == {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("place", ["/etc/x", "/usr/x", "/opt/modelserve/environment/x", "/models/x", "/x"])
def test_writing_outside_its_own_places_fails(prowling: Serving, place: str) -> None:
    assert attempt(prowling, f"open({place!r}, 'w')").startswith(("OSError", "PermissionError"))


def test_its_own_files_cannot_be_changed(prowling: Serving) -> None:
    find = "import glob; answer = sorted(glob.glob('/models/*/MLmodel'))[0]"
    place = attempt(prowling, find)
    assert attempt(prowling, f"open({place!r}, 'a')").startswith("PermissionError")
    assert attempt(prowling, "open('/tmp/mine', 'w').write('x'); answer = open('/tmp/mine').read()") == "x"


def test_tmp_is_bounded(prowling: Serving) -> None:
    fill = "f = open('/tmp/big', 'wb')\nfor _ in range(4096): f.write(bytes(1024 * 1024)); f.flush()"
    assert attempt(prowling, fill).startswith("OSError: [Errno 28]")
    assert attempt(prowling, "import os; os.remove('/tmp/big'); answer = 'ok'") == "ok"


def test_nothing_of_the_network_is_reached(prowling: Serving) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            own = probe.getsockname()[0]
        for host in ("127.0.0.1", own, "172.17.0.1", "192.0.2.1"):
            connect = f"import socket; socket.create_connection(({host!r}, {port}), 2); answer = 'connected'"
            assert attempt(prowling, connect).startswith(("OSError", "ConnectionRefusedError", "TimeoutError")), host
        listening.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert attempt(prowling, "import os; answer = sorted(os.listdir('/sys/class/net'))") in {"['lo']", "['lo', 'sit0']"}


def test_no_way_to_more_rights(prowling: Serving) -> None:
    assert attempt(prowling, "import os; os.setuid(0)").startswith("PermissionError")
    status = attempt(prowling, "answer = open('/proc/self/status').read()")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_a_fork_bomb_stops_at_its_limit_and_the_endpoint_recovers(prowling: Serving) -> None:
    bomb = (
        "import os\nchildren = []\n"
        "try:\n"
        "    while True: children.append(os.posix_spawn('/bin/sleep', ['sleep', '600'], {}))\n"
        "except OSError as error:\n"
        "    answer = f'{type(error).__name__} {100 < len(children) < 512}'\n"
        "for each in children:\n"
        "    os.kill(each, 9); os.waitpid(each, 0)\n"
    )
    assert attempt(prowling, bomb) == "BlockingIOError True"
    assert attempt(prowling, "answer = 1") == "1"


def test_out_of_memory_while_predicting_ends_only_that_process(mlflow: Any, serving: Serving) -> None:
    hostile.register(mlflow, "eater", hostile.eater(mlflow), "long")
    serving.put("eater", memory_gb=0.75)
    assert serving.client.score("eater", {"x": [1]}) == [1024 * 1024]
    (before,) = serving.containers("eater")
    with pytest.raises(ModelServeError):
        serving.client.score("eater", {"x": [4000]})
    log = ""
    for _ in range(200):
        log = serving.client.logs("eater", "eater", "1", 50)
        if "memory ran out" in log:
            break
    assert "the kernel ended the version because memory ran out" in log
    (after,) = serving.containers("eater")
    assert after["Id"] == before["Id"]
    assert after["State"]["Running"]


@pytest.mark.req("REQ-048")
def test_a_model_too_large_for_its_size_fails_by_name(mlflow: Any, serving: Serving) -> None:
    hostile.register(mlflow, "fat", hostile.fat(mlflow), "long")
    with pytest.raises(ModelServeError) as caught:
        serving.put("fat", memory_gb=0.75)
    (found,) = serving.client.endpoint("fat").status.versions
    assert found.failure is not None
    assert found.failure.cause.value == "out of memory", caught.value
    assert "larger workload size" in found.failure.hint


def test_a_foreign_container_of_our_name_is_not_touched(prowling: Serving) -> None:
    with docker_engine.api() as api:
        made = api.create_container("modelserve-base:3.11", ["sleep", "60"], name=f"foreign-{os.urandom(4).hex()}")
        try:
            api.start(made)
            hostile_id = made["Id"]
            assert attempt(prowling, "answer = 1") == "1"
            assert api.inspect_container(hostile_id)["State"]["Running"]
        finally:
            api.remove_container(made, force=True)
