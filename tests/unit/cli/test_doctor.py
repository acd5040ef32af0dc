"""Each check of ``doctor``: it sees what it is there for."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_modelserve import locks
from jupyter_modelserve.cli import main
from jupyter_modelserve.cli.checks import index, machine, sealed, state
from jupyter_modelserve.cli.checks.finding import Finding, Level
from jupyter_modelserve.controller.store import secrets
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.launcher import identity
from jupyter_modelserve.settings import Paths


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    home = Path(tempfile.mkdtemp(prefix="ms-"))
    monkeypatch.setenv("MODELSERVE_HOME", str(home))
    monkeypatch.setenv("MODELSERVE_OFFLINE", "true")
    found = Paths(home)
    found.create()
    yield found
    shutil.rmtree(home)


def test_a_fresh_home_is_well(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert {line.split()[0] for line in lines} <= {"ok", "warn", "->"}
    assert len([line for line in lines if not line.strip().startswith("->")]) == 14


def test_open_rights_fail_with_a_command(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    paths.token_file.write_text("ms_x")
    paths.token_file.chmod(0o644)
    found = state.directory(paths)
    assert (found.level, found.advice) == (Level.FAIL, f"chmod 600 {paths.token_file}")
    assert main(["doctor"]) == 1
    assert "ms_x" not in capsys.readouterr().out


@pytest.mark.req("REQ-143")
def test_an_index_that_does_not_answer_warns_without_its_credentials(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert index.index(paths).message == "not used (offline)"
    monkeypatch.delenv("MODELSERVE_OFFLINE")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("UV_INDEX_URL", f"http://user:s3cret@{address}/simple")
        monkeypatch.delenv("UV_EXTRA_INDEX_URL", raising=False)
        monkeypatch.delenv("UV_FIND_LINKS", raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        found = index.index(paths)
    assert found.level is Level.WARN
    assert address in found.message
    assert "refused" in found.message
    assert "s3cret" not in found.message + found.advice


def test_a_wheel_directory_is_an_index(paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (paths.home / "settings.toml").write_text(f'find_links = "{tmp_path}"\n')
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    found = index.index(paths)
    assert (found.level, "packaging" in found.message) == (Level.WARN, True)


def test_a_missing_home_is_well(paths: Paths) -> None:
    assert state.directory(Paths(paths.home / "none")).level is Level.OK
    assert state.disk(Paths(paths.home / "none" / "deep")).level is Level.OK


def test_a_network_file_system_warns(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state.file_system(paths).level is Level.OK
    monkeypatch.setattr(state, "_kind", lambda _: "nfs4")
    assert state.file_system(paths).level is Level.WARN


def test_little_room_warns_and_too_little_fails(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, level in ((10**9, Level.WARN), (10**7, Level.FAIL), (10**12, Level.OK)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(0, 0, free))
        assert state.disk(paths).level is level


def test_long_socket_paths_fail(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state.sockets(paths).level is Level.OK
    monkeypatch.setattr(Paths, "replica_sockets", Path("/" + "x" * 90))
    assert state.sockets(paths).level is Level.FAIL


def test_bad_settings_fail_and_name_the_field(paths: Paths) -> None:
    (paths.home / "settings.toml").write_text("prot = 1\n")
    found = state.settings(paths)
    assert found.level is Level.FAIL
    assert "prot" in found.message


def test_a_damaged_database_fails(paths: Paths) -> None:
    with closing(sqlite3.connect(paths.database)) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.commit()
    assert state.database(paths).level is Level.OK
    paths.database.write_bytes(b"no database at all" * 100)
    assert state.database(paths).level is Level.FAIL


def test_leftover_sockets_warn_only_when_nobody_lives(paths: Paths) -> None:
    assert state.stale(paths).level is Level.OK
    paths.gateway_socket.touch()
    assert state.stale(paths).level is Level.WARN
    lock = locks.take(paths.lock("gateway"))
    assert lock is not None
    with lock:
        assert state.stale(paths).level is Level.OK


def test_a_held_lock_without_an_answer_fails(paths: Paths) -> None:
    assert machine.daemons(paths).level is Level.OK
    lock = locks.take(paths.lock("controller"))
    assert lock is not None
    with lock:
        found = machine.daemons(paths)
    assert found.level is Level.FAIL
    assert found.message.startswith("controller alive")


def test_a_port_of_another_program_fails(paths: Paths) -> None:
    assert machine.port(paths).level is Level.OK
    with socket.create_server(("127.0.0.1", 0)) as other:
        identity.settle(paths, other.getsockname()[1])
        found = machine.port(paths)
    assert found.level is Level.FAIL
    assert "--port" in found.advice
    assert machine.port(paths).level is Level.OK


def test_uv_and_interpreters_are_reported(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "python3." not in machine.interpreters(paths).message
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert machine.uv(paths).level is Level.WARN
    monkeypatch.setenv("MODELSERVE_PYTHON_INTERPRETERS", os.pathsep.join(["/nowhere/python"]))
    assert machine.interpreters(paths).level is Level.WARN


def test_a_check_that_stumbles_does_not_stop_the_others(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(state, "_kind", lambda _: 1 / 0)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "could not be checked (ZeroDivisionError)" in out
    assert "daemons" in out


async def set_secret(paths: Paths) -> None:
    database = Database.of(paths)
    await database.prepare()
    await database.run(secrets.put, "iris", {"API_KEY": "of-the-test"}, ["API_KEY"], Actor("ann"))
    await database.close()


@pytest.mark.req("REQ-140")
async def test_a_lost_key_of_secrets_is_found(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert sealed.sealed(paths).message == "none"
    await set_secret(paths)
    assert sealed.sealed(paths) == Finding(Level.OK, "secrets", "1 set, and the key opens them")
    paths.secret_key_file.rename(paths.home / "away")
    database = paths.database.read_bytes()
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "1 of 1 cannot be opened (iris/API_KEY)" in told
    assert f"put {paths.secret_key_file} back" in told
    assert "jupyter modelserve secret set iris API_KEY" in told
    assert "of-the-test" not in told
    # Looking makes no key in its place.
    assert not paths.secret_key_file.exists()
    assert paths.database.read_bytes() == database


@pytest.mark.req("REQ-140")
async def test_a_key_file_of_the_operator_is_looked_at_too(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await set_secret(paths)
    monkeypatch.setenv("MODELSERVE_SECRET_KEY_FILE", str(tmp_path / "gone"))
    found = sealed.sealed(paths)
    assert (found.level, "it does not exist" in found.message) == (Level.FAIL, True)
    assert str(tmp_path / "gone") in found.advice
