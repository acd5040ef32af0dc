"""Real environments: uv, virtual environments and interpreters; everything but the one index test is offline."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_modelserve.controller.engines import identity
from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.build import find_uv
from jupyter_modelserve.controller.environments.interpreters import find_python
from jupyter_modelserve.controller.environments.inventory import Inspector, usable
from jupyter_modelserve.controller.environments.resolve import Environments
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Cause, EnvironmentKind, Failure
from tests.unit.environments.factory import model, wheel

OWN = ".".join(str(part) for part in sys.version_info[:2])
STUCK = (
    "import os, pathlib, time\n"
    "def build_wheel(*_, **__):\n"
    "    pathlib.Path({mark!r}).write_text(str(os.getpid()))\n"
    "    time.sleep(600)\n"
)
BROKEN = "def build_wheel(*_, **__):\n    raise SystemExit('no compiler')\n"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A directory of wheels that stands for the index; mlflow and pandas in it are empty shells."""
    directory = tmp_path / "house"
    for name, version, requires in (("mlflow", "3.17.2", ("tinydep",)), ("pandas", "3.0", ()), ("tinydep", "1.5", ())):
        wheel(directory, name, version, requires)
    return directory


@pytest.fixture
def offline(house: Path) -> Settings:
    return Settings(offline=True, find_links=str(house), borrow=False)


def private(directory: Path, *lines: str, python: str = OWN) -> Path:
    """A model that brings a wheel of its own."""
    wheel(directory / "wheels", "private_lib", requires=("tinydep>=1",), body="ANSWER = 42\n")
    text = "\n".join(["mlflow==3.17.2", "wheels/private_lib-1.0-py3-none-any.whl", *lines])
    return model(directory, requirements_txt=text + "\n", python_env_yaml=f"python: {python}.1\n")


def source_package(directory: Path, backend: str) -> None:
    package = directory / "package"
    package.mkdir(parents=True)
    (package / "backend.py").write_text(backend)
    (package / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'slowlib'\nversion = '1.0'\n"
    )


def ignore(_: str) -> None:
    return None


async def failure(environments: Environments, directory: Path) -> Failure:
    with pytest.raises(EnvironmentFailed) as caught:
        await environments.resolve(directory, progress=ignore)
    return caught.value.failure


def answer(interpreter: str, code: str) -> str:
    return subprocess.run(
        [interpreter, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.mark.req("REQ-121", "REQ-124", "REQ-141", "REQ-143", "REQ-161", "REQ-163")
async def test_builds_offline_with_a_packaged_wheel_and_then_reuses(
    paths: Paths, offline: Settings, tmp_path: Path
) -> None:
    lines: list[str] = []
    environments = Environments(paths, offline)
    directory = private(tmp_path / "model")
    found = await environments.resolve(directory, progress=lines.append)
    assert found.kind is EnvironmentKind.BUILT
    assert found.python_version.startswith(f"{OWN}.")
    assert answer(found.interpreter, "import private_lib, tinydep; print(private_lib.ANSWER)") == "42"
    assert f"creating an environment with Python {OWN}" in lines
    assert "installed 3 packages" in lines
    assert await environments.still_valid(found)
    lines.clear()
    assert await Environments(paths, offline).resolve(directory, progress=lines.append) == found
    assert lines == ["reading requirements"]
    assert [each.name for each in paths.environments.iterdir() if not each.name.endswith(".lock")] == [found.key]
    assert (paths.environments / found.key).stat().st_mode & 0o777 == 0o700
    assert environments.log_path(found.key).stat().st_mode & 0o777 == 0o600
    (paths.environments / found.key / "modelserve.json").unlink()
    assert not await environments.still_valid(found)
    assert await environments.resolve(directory, progress=ignore) == found


async def test_relative_paths_work_from_conda_yaml_too(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    directory = private(tmp_path / "model")
    (directory / "requirements.txt").unlink()
    (directory / "conda.yaml").write_text(
        f"dependencies:\n- python={OWN}\n- pip:\n  - mlflow\n  - wheels/private_lib-1.0-py3-none-any.whl\n"
    )
    found = await Environments(paths, offline).resolve(directory, progress=ignore)
    assert answer(found.interpreter, "import private_lib; print(private_lib.ANSWER)") == "42"


async def test_constraints_bind_the_build(paths: Paths, offline: Settings, house: Path, tmp_path: Path) -> None:
    wheel(house, "tinydep", "2.0")
    directory = private(tmp_path / "model", "-c limits.txt")
    (directory / "limits.txt").write_text("tinydep<2\n")
    found = await Environments(paths, offline).resolve(directory, progress=ignore)
    assert answer(found.interpreter, "import tinydep; print(tinydep.VERSION)") == "1.5"


async def test_two_that_need_the_same_share_one_build(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    lines: list[list[str]] = [[], [], []]
    same, other = Environments(paths, offline), Environments(paths, offline)
    directory = private(tmp_path / "model")
    found = await asyncio.gather(
        same.resolve(directory, progress=lines[0].append),
        same.resolve(directory, progress=lines[1].append),
        other.resolve(directory, progress=lines[2].append),
    )
    assert len(set(found)) == 1
    # Which of the three builds is a race, and so is who of one instance joins or waits; that one builds is not.
    assert len(list(paths.environments.glob("*/bin/python"))) == 1
    assert any("creating" in line for each in lines for line in each)


@pytest.mark.req("REQ-050")
async def test_missing_requirement_is_one_named_cause(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    found = await failure(Environments(paths, offline), private(tmp_path / "model", "tinydep==9.9"))
    assert found.cause is Cause.REQUIREMENT_UNRESOLVABLE
    assert "tinydep" in found.message
    assert found.hint
    assert found.log_tail
    assert not [each for each in paths.environments.iterdir() if each.is_dir()]


@pytest.mark.req("REQ-050", "REQ-121")
async def test_from_the_index(paths: Paths, tmp_path: Path, house: Path) -> None:
    environments = Environments(paths, Settings(borrow=False, find_links=str(house)))
    wheel(tmp_path / "good" / "wheels", "mlflow", "3.17.2")
    good = model(
        tmp_path / "good",
        requirements_txt="wheels/mlflow-3.17.2-py3-none-any.whl\nsix==1.16.0\n",
        python_env_yaml=f"python: {OWN}\n",
    )
    found = await environments.resolve(good, progress=ignore)
    assert answer(found.interpreter, "import six; print(six.__version__)") == "1.16.0"
    bad = model(tmp_path / "bad", requirements_txt="mlflow\nsix==99.1\n", python_env_yaml=f"python: {OWN}\n")
    named = await failure(environments, bad)
    assert (named.cause, named.message) == (
        Cause.REQUIREMENT_UNRESOLVABLE,
        "six==99.1 is not available from the package index",
    )


async def test_source_that_does_not_build(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    source_package(tmp_path / "model", BROKEN)
    found = await failure(Environments(paths, offline), private(tmp_path / "model", "./package"))
    assert found.cause is Cause.BUILD_FAILED
    assert "slowlib" in found.message


async def until_written(mark: Path) -> identity.Identity:
    deadline = time.monotonic() + 30
    while not (mark.exists() and mark.read_text()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    found = identity.identify(int(mark.read_text()))
    assert found is not None
    return found


async def until_gone(process: identity.Identity) -> None:
    deadline = time.monotonic() + 10
    while identity.identify(process.pid) == process:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_cancelling_the_last_waiter_ends_the_build(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    source_package(tmp_path / "model", STUCK.format(mark=str(mark)))
    directory = private(tmp_path / "model", "./package")
    environments = Environments(paths, offline)
    first = asyncio.create_task(environments.resolve(directory, progress=ignore))
    second = asyncio.create_task(environments.resolve(directory, progress=ignore))
    process = await until_written(mark)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert identity.identify(process.pid) == process
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await until_gone(process)
    assert not [each for each in paths.environments.iterdir() if each.is_dir()]


@pytest.mark.req("REQ-136")
async def test_build_that_takes_too_long(paths: Paths, house: Path, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    source_package(tmp_path / "model", STUCK.format(mark=str(mark)))
    settings = Settings(offline=True, find_links=str(house), borrow=False, build_timeout=4.0)
    task = asyncio.create_task(failure(Environments(paths, settings), private(tmp_path / "model", "./package")))
    process = await until_written(mark)
    found = await task
    assert found.cause is Cause.BUILD_TIMED_OUT
    assert "build_timeout" in found.hint
    await until_gone(process)


async def test_missing_python_names_the_setting(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    found = await failure(Environments(paths, offline), private(tmp_path / "model", python="3.99"))
    assert found.cause is Cause.PYTHON_MISSING
    assert "3.99" in found.message
    assert "python_interpreters" in found.hint


async def test_another_python(paths: Paths, offline: Settings, tmp_path: Path) -> None:
    import os

    for minor in ("3.8", "3.9", "3.10", "3.12", "3.13"):
        try:
            await find_python(minor, offline, Inspector(), find_uv(), os.environ)
        except EnvironmentFailed:
            continue
        found = await Environments(paths, offline).resolve(private(tmp_path / "model", python=minor), progress=ignore)
        assert found.python_version.startswith(f"{minor}.")
        assert answer(found.interpreter, "import private_lib; print(private_lib.ANSWER)") == "42"
        return
    pytest.skip("no other Python on this machine")


async def test_credentials_of_an_index_stay_out_of_log_and_message(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    directory = model(
        tmp_path / "model",
        requirements_txt="-i http://user:hunter2@127.0.0.1:9/simple\nmlflow\n",
        python_env_yaml=f"python: {OWN}\n",
    )
    monkeypatch.setenv("UV_NO_CACHE", "1")
    found = await failure(Environments(paths, Settings(borrow=False)), directory)
    assert found.cause in {Cause.BUILD_FAILED, Cause.REQUIREMENT_UNRESOLVABLE}
    logs = "".join(each.read_text() for each in paths.logs.iterdir())
    assert "hunter2" not in logs + found.message + found.hint + "".join(found.log_tail)


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """An interpreter in which shells of mlflow and pandas are installed."""
    place = tmp_path / "candidate"
    subprocess.run([find_uv(), "venv", "--quiet", "--no-project", "--python", sys.executable, str(place)], check=True)
    for name, version in (("mlflow", "3.17.2"), ("pandas", "3.0"), ("onlyhere", "1.0")):
        install(place, name, version)
    return place


def install(place: Path, name: str, version: str) -> None:
    (site,) = place.glob("lib/python*/site-packages")
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


async def test_borrows_the_interpreter_that_registered_the_model(paths: Paths, candidate: Path, tmp_path: Path) -> None:
    text = "mlflow==3.17.2\nonlyhere==1.0\n"
    directory = model(tmp_path / "model", requirements_txt=text, python_env_yaml=f"python: {OWN}.99\n")
    environments = Environments(paths, Settings(offline=True))
    interpreter = str(candidate / "bin" / "python")
    known = [str(tmp_path / "gone"), "relative/python", interpreter]
    found = await environments.resolve(directory, progress=ignore, known=known)
    assert (found.kind, found.interpreter) == (EnvironmentKind.BORROWED, interpreter)
    assert await environments.still_valid(found)
    install(candidate, "another", "1.0")
    assert not await environments.still_valid(found)
    again = await environments.resolve(directory, progress=ignore, known=known)
    assert again.key != found.key
    setting = Environments(paths, Settings(offline=True, python_interpreters=str(candidate)))
    assert await setting.resolve(directory, progress=ignore, known=[]) == again


async def test_borrowing_can_be_turned_off(paths: Paths, candidate: Path, offline: Settings, tmp_path: Path) -> None:
    directory = private(tmp_path / "model")
    found = await Environments(paths, offline).resolve(
        directory, progress=ignore, known=[str(candidate / "bin" / "python")]
    )
    assert found.kind is EnvironmentKind.BUILT


async def test_why_nothing_is_borrowed_is_told(
    paths: Paths, offline: Settings, candidate: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    text = "mlflow==3.17.2\ntinydep==1.5\n"
    directory = model(tmp_path / "model", requirements_txt=text, python_env_yaml=f"python: {OWN}\n")
    settings = Settings(offline=True, find_links=offline.find_links)
    found = await Environments(paths, settings).resolve(
        directory, progress=lines.append, known=[str(candidate / "bin" / "python")]
    )
    assert found.kind is EnvironmentKind.BUILT
    assert lines[1] == "no interpreter can be borrowed: tinydep is not installed"


async def test_inspection_is_remembered(candidate: Path) -> None:
    inspector = Inspector()
    interpreter = str(candidate / "bin" / "python")
    first = await inspector.inspect(interpreter)
    assert first is not None
    assert await inspector.inspect(interpreter) is first
    install(candidate, "another", "1.0")
    second = await inspector.inspect(interpreter)
    assert second is not None
    assert second.fingerprint != first.fingerprint


def test_programs_that_others_may_change_are_not_run(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o777)
    assert not usable(str(program))
    program.chmod(0o700)
    assert usable(str(program))
    assert not usable("python")
    assert not usable(str(tmp_path))
