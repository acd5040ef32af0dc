"""What a spawned daemon inherits, and where its output goes."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import sys

from jupyter_modelserve.launcher import spawning
from jupyter_modelserve.settings import Paths, Settings


def test_secrets_and_kernel_variables_stay_behind(paths: Paths) -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/h",
        "MODELSERVE_TOKEN": "ms_x",
        "JUPYTERHUB_API_TOKEN": "t",
        "AWS_SECRET_ACCESS_KEY": "s",
        "DB_PASSWORD": "p",
        "JPY_PARENT_PID": "1",
        "JPY_SESSION_NAME": "n.ipynb",
        "MPLBACKEND": "inline",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_INDEX_URL": "https://user:password@index.example/simple",
        "UV_INDEX_PRIVATE_PASSWORD": "kept",
        "MODELSERVE_BODY_LIMIT": "100",
    }
    found = spawning.environment(paths, environ)
    assert {"PATH", "HOME", "PIP_INDEX_URL", "UV_INDEX_PRIVATE_PASSWORD", "MODELSERVE_BODY_LIMIT"} <= set(found)
    assert not {
        "MODELSERVE_TOKEN",
        "JUPYTERHUB_API_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "JPY_PARENT_PID",
        "JPY_SESSION_NAME",
        "MPLBACKEND",
        "PYTHONDONTWRITEBYTECODE",
    } & set(found)
    assert found["MODELSERVE_HOME"] == str(paths.home)


def test_every_setting_reaches_the_daemon_whatever_its_name(paths: Paths) -> None:
    given = {f"MODELSERVE_{each.name.upper()}": str(each.default) for each in dataclasses.fields(Settings)}
    given["MODELSERVE_SECRET_KEY_FILE"] = "/run/secrets/key"
    found = spawning.environment(paths, given)
    assert {name: found.get(name) for name in given} == given
    assert Settings.load(paths.home, found).secret_key_file == "/run/secrets/key"


def test_the_process_is_detached_and_logs_privately(paths: Paths) -> None:
    paths.create()
    read, write = os.pipe()
    os.set_inheritable(write, True)
    code = (
        "import json, os, sys; from pathlib import Path\n"
        "def is_open(fd):\n"
        "    try: os.fstat(fd); return True\n"
        "    except OSError: return False\n"
        "import jupyter_modelserve\n"
        f"print(json.dumps([os.getsid(0) == os.getpid(), os.getcwd(), sys.stdin.read(), is_open({write})]))"
    )
    process = spawning.spawn(paths, "gateway", [sys.executable, "-c", code])
    assert process.wait(20) == 0
    os.close(read)
    os.close(write)
    log = paths.logs / "gateway.log"
    assert json.loads(log.read_text()) == [True, str(paths.home.resolve()), "", False]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_long_log_is_put_aside(paths: Paths) -> None:
    paths.create()
    log = paths.logs / "gateway.log"
    for number in range(6):
        log.write_text(f"life {number}\n" * 10)
        spawning.rotate(log, limit=20)
    assert not log.exists()
    assert sorted(path.name for path in paths.logs.iterdir()) == [f"gateway.log.{n}" for n in (1, 2, 3)]
    assert "life 5" in (paths.logs / "gateway.log.1").read_text()
    assert "life 3" in (paths.logs / "gateway.log.3").read_text()
    log.write_text("short\n")
    spawning.rotate(log, limit=20)
    assert log.exists()


def test_tail_gives_the_last_lines(paths: Paths) -> None:
    paths.create()
    log = paths.logs / "x.log"
    assert spawning.tail(log, 3) == []
    log.write_text("a\nb\nc\nd\n")
    assert spawning.tail(log, 3) == ["b", "c", "d"]
    assert spawning.tail(log, 3, start=6) == ["d"]
    assert spawning.tail(log, 0) == []


def test_command_names_no_secret(paths: Paths) -> None:
    command = [sys.executable, "-m", "jupyter_modelserve.gateway", "--home", str(paths.home)]
    assert spawning.command(paths, "gateway") == command
