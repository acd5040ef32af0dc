"""Checks with real replicas: verdicts and their causes, time-outs, and that nothing is left."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from mlflow.models import infer_signature

from jupyter_modelserve.checked import Check, CheckState, Overrides
from jupyter_modelserve.controller.checking import service
from jupyter_modelserve.controller.checking.running import ENDPOINT, Runner
from jupyter_modelserve.controller.checking.service import Checks
from jupyter_modelserve.controller.digests import digest
from jupyter_modelserve.controller.engines import pushing
from jupyter_modelserve.controller.engines.base import ReplicaSpec
from jupyter_modelserve.controller.engines.process import ProcessEngine
from jupyter_modelserve.controller.engines.pushing import push
from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.requirements import read_requirements
from jupyter_modelserve.controller.store import checks as store
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import NotFound, TooManyRequests
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Cause, Environment, EnvironmentKind, Failure, ModelVersion, Verdict
from tests.unit.replica.models import save

pytestmark = pytest.mark.filterwarnings("ignore")
FRAME = pd.DataFrame({"x": [1.0, 2.0]})


@dataclass
class OwnInterpreter:
    """Every environment is this interpreter: what is tested here is what comes after it."""

    asked: list[list[str]] = field(default_factory=list)

    async def resolve(
        self, directory: Path, *, progress: Callable[[str], None], known: Sequence[str] = ()
    ) -> Environment:
        progress("looking around")
        self.asked.append([each.normal for each in read_requirements(directory).entries])
        version = ".".join(map(str, sys.version_info[:3]))
        return Environment("e1", EnvironmentKind.BUILT, sys.executable, version)


@dataclass
class House:
    """A controller's parts, as far as checks need them."""

    paths: Paths
    database: Database
    engine: ProcessEngine
    environments: OwnInterpreter = field(default_factory=OwnInterpreter)

    def checks(self, **settings: Any) -> Checks:
        runner = Runner("instance", self.paths, Settings(**settings), self.engine, self.environments)
        return Checks(self.database, self.paths, runner)

    async def nothing_left(self) -> bool:
        """No replica, no copy, no process that names the home directory."""
        named = [each for each in psutil.process_iter(["cmdline"]) if str(self.paths.home) in str(each.info["cmdline"])]
        left = list((self.paths.home / "checks").glob("*"))
        return not (await self.engine.observe() or left or named)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    paths = Paths(tmp_path / "h")
    paths.create()
    database = Database.of(paths)
    await database.prepare("root")
    engine = ProcessEngine(paths, "instance")
    yield House(paths, database, engine)
    for each in await engine.observe():
        await engine.stop(each.id, 0)
    await database.close()


def version(directory: Path, number: str = "1") -> ModelVersion:
    return ModelVersion("m", number, "None", f"file://{directory}", "models:/m-0", "", 1)


async def ended(checks: Checks, started: Check, seconds: float = 60) -> Check:
    trial = checks.find(started.id)
    await asyncio.wait_for(trial.ended.wait(), seconds)
    return trial.show()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.req("REQ-121", "REQ-125", "REQ-127")
async def test_a_model_that_predicts_passes_and_the_verdict_is_kept(house: House, tmp_path: Path) -> None:
    signature = infer_signature(FRAME, FRAME["x"])
    model = save(tmp_path / "m", lambda data, _: data["x"] * 2, signature, input_example=FRAME)
    checks = house.checks()
    started = checks.of_version("me", version(model), Overrides())
    assert started.state is CheckState.RUNNING
    assert checks.of_version("me", version(model), Overrides()).id == started.id
    running = (await checks.version(version(model))).check
    assert running is not None
    assert (running.id, running.state) == (started.id, CheckState.RUNNING)
    found = await ended(checks, started)
    assert (found.state, found.verdict, found.failure, found.warnings) == (
        CheckState.PASSED, Verdict.PASSED, None, (),
    )  # fmt: skip
    assert found.environment is not None
    assert [each.name for each in found.phases] == ["resolve", "environment", "start", "load", "probe", "ready"]
    assert all(each.done for each in found.phases)
    assert "looking around" in found.log
    assert await house.nothing_left()
    # Another controller, and another version of the same files: the verdict is theirs.
    known = await house.checks().version(version(model, "2"))
    assert known.check is not None
    assert (known.check.id, known.check.version, known.trial) == (found.id, "2", None)
    # With overrides it is a trial, beside it; what was asked for is what the environment is made for.
    tried = checks.of_version("me", version(model), Overrides(("tqdm",), python=found.environment.python_version))
    trial = await ended(checks, tried)
    assert trial.state is CheckState.PASSED
    assert "tqdm" in house.environments.asked[-1]
    assert "tqdm" not in house.environments.asked[0]
    both = await house.checks().version(version(model))
    assert both.check is not None
    assert both.trial is not None
    assert (both.check.id, both.trial.id) == (found.id, trial.id)
    assert await house.nothing_left()


@pytest.mark.req("REQ-121", "REQ-122", "REQ-127")
async def test_causes_are_named(house: House, tmp_path: Path) -> None:
    def absent(data: Any, _: Any) -> Any:
        import a_library_that_nobody_has  # type: ignore[import-not-found]

        return a_library_that_nobody_has.predict(data)

    signature = infer_signature(FRAME, pd.Series(["x"]))
    unlike = save(tmp_path / "unlike", lambda data, _: data["x"], signature, input_example=FRAME)
    missing = save(tmp_path / "missing", absent, infer_signature(FRAME), input_example=FRAME)
    silent = save(tmp_path / "silent", lambda data, _: data["x"])
    checks = house.checks()
    models = (version(unlike, "1"), version(missing, "2"), version(silent, "3"), version(tmp_path / "gone", "4"))
    owners = ("me", "you", "me", "you")
    started = [checks.of_version(who, each, Overrides()) for who, each in zip(owners, models, strict=True)]
    wrong, absence, untried, gone = [await ended(checks, each) for each in started]
    assert wrong.failure is not None
    assert wrong.failure.message.endswith("row 0 is a number, and string is declared")
    assert absence.failure is not None
    assert absence.failure.cause is Cause.MISSING_MODULE
    assert absence.missing == ("a-library-that-nobody-has",)
    assert "ModuleNotFoundError" in absence.log
    assert (untried.state, untried.verdict) == (CheckState.PASSED, Verdict.NONE)
    assert "no input example" in untried.warnings[-1]
    assert gone.failure is not None
    assert gone.failure.cause is Cause.ARTIFACTS_MISSING
    assert await house.nothing_left()


@pytest.mark.req("REQ-127")
async def test_a_check_never_hangs_and_may_be_cancelled(house: House, tmp_path: Path) -> None:
    def stuck(data: Any, _: Any) -> Any:
        time.sleep(600)
        return data

    model = save(tmp_path / "m", stuck, infer_signature(FRAME), input_example=None)
    (model / "serving_input_example.json").write_text('{"dataframe_records": [{"x": 1.0}]}')
    late = house.checks(check_timeout=3.0)
    found = await ended(late, late.of_version("me", version(model), Overrides()))
    assert found.failure is not None
    assert found.failure.cause is Cause.STARTUP_TIMED_OUT
    assert "did not end in 3 s" in found.failure.message
    assert await house.nothing_left()
    checks = house.checks()
    started = checks.of_version("me", version(model), Overrides(("tqdm",)))
    await until(lambda: any(each.name == "start" for each in checks.find(started.id).show().phases))
    checks.cancel(started.id)
    assert (await ended(checks, started)).state is CheckState.CANCELLED
    assert await house.nothing_left()
    # Neither says anything about the model that would have to be remembered, but the time-out does.
    known = await checks.version(version(model))
    assert known.check is not None
    assert (known.check.id, known.trial) == (found.id, None)


@pytest.mark.req("REQ-127")
async def test_there_is_no_verdict_on_files_that_changed_meanwhile(house: House, tmp_path: Path) -> None:
    note = tmp_path / "m" / "note.txt"

    def writing(data: Any, _: Any) -> Any:
        note.write_text("other files than those that were registered")
        return data["x"]

    model = save(tmp_path / "m", writing, infer_signature(FRAME), input_example=FRAME)
    note.write_text("before")
    before = digest(model)
    checks = house.checks()
    found = await ended(checks, checks.of_version("me", version(model), Overrides()))
    assert (found.state, found.verdict, found.digest) == (CheckState.FAILED, None, before)
    assert found.failure is not None
    assert found.failure.cause is Cause.FILES_CHANGED
    assert "the files of m version 1 changed while they were checked" in found.failure.message
    assert await house.database.run(store.find, before) == {}
    assert await house.nothing_left()


@pytest.mark.req("REQ-127")
@pytest.mark.parametrize("overrides", [Overrides(), Overrides(("tqdm",))], ids=["as it is", "with overrides"])
async def test_a_logged_model_is_checked_as_it_was_whatever_its_maker_writes(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: Overrides
) -> None:
    """Written over and back while it is checked: what is tried is what the digest names all the same."""
    model = save(tmp_path / "m", lambda data, _: data["x"], infer_signature(FRAME))
    note, seen = model / "note.txt", []
    note.write_text("before")
    before = digest(model)

    async def resolve(directory: Path, **_: Any) -> Environment:
        note.write_text("meanwhile")
        seen.append((directory / "note.txt").read_text())
        note.write_text("before")
        raise EnvironmentFailed(Failure(Cause.BUILD_FAILED, "no"))

    monkeypatch.setattr(house.environments, "resolve", resolve)
    checks = house.checks()
    found = await ended(checks, checks.of_source("me", "m", "models:/m-0", f"file://{model}", overrides))
    assert found.failure is not None
    assert (found.failure.cause, seen) == (Cause.BUILD_FAILED, ["before"])
    assert set(await house.database.run(store.find, before)) == {bool(overrides)}

    def late(*args: Any, **options: Any) -> Path:
        note.write_text("between digest and copy")
        return push(*args, **options)

    monkeypatch.setattr(pushing, "push", late)
    other = await ended(checks, checks.of_source("you", "m", "models:/m-0", f"file://{model}", overrides))
    assert other.failure is not None
    assert other.failure.cause is Cause.FILES_CHANGED
    kept = await house.database.run(store.find, before)
    assert [each.id for each in kept.values()] == [found.id]
    assert await house.nothing_left()


async def test_what_a_killed_controller_left_is_cleared_away(house: House) -> None:
    await house.engine.ensure(ReplicaSpec("c" * 12, ENDPOINT, "e1", sys.executable))
    await house.engine.ensure(ReplicaSpec("d" * 12, "iris", "e1", sys.executable))
    (house.paths.home / "checks" / "x").mkdir(parents=True)
    await house.checks().sweep()
    assert [each.id for each in await house.engine.observe()] == ["d" * 12]
    assert not (house.paths.home / "checks").exists()


async def test_there_is_a_limit_and_unknown_checks_are_said(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WAITING", 1)
    checks = house.checks()
    for number in range(service.AT_ONCE + 1):
        checks.of_version("me", version(tmp_path, str(number)), Overrides())
    with pytest.raises(TooManyRequests):
        checks.of_version("me", version(tmp_path, "9"), Overrides())
    await checks.close()
    with pytest.raises(NotFound, match="start it again"):
        checks.find("nothing")
