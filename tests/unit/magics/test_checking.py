"""``%check``: what a line becomes, what is shown, and that nobody's check goes on after they left."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from IPython.core.error import UsageError

from jupyter_modelserve.checked import Check, CheckState, Overrides
from jupyter_modelserve.client.checking import CheckResult, refuse
from jupyter_modelserve.client.display import MIME
from jupyter_modelserve.magics.failure import MagicFailure
from jupyter_modelserve.types import Cause, Environment, EnvironmentKind, Failure, Phase, Verdict
from tests.unit.client.samples import Instance

RUNNING = Check("c1", "iris", "1", "models:/m-1", CheckState.RUNNING, 1, phases=(Phase("environment", 1.0, False),))
ENVIRONMENT = Environment("0123456789abcdef", EnvironmentKind.BUILT, "/p", "3.11.7")
PASSED = replace(RUNNING, state=CheckState.PASSED, seconds=4.0, verdict=Verdict.PASSED, environment=ENVIRONMENT)
MISSING = Failure(Cause.MISSING_MODULE, "the module <b> is not installed", "add it", ("last line",))
FAILED = replace(RUNNING, state=CheckState.FAILED, failure=MISSING, missing=("b",), log="first line\nlast line")


def check(shell: Any, line: str) -> Any:
    return shell.run_line_magic("check", line)


@pytest.mark.req("REQ-127")
def test_a_version_is_checked_with_other_requirements(
    shell: Any, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = replace(RUNNING, phases=(Phase("environment", 2.0, True), Phase("load", 0.1, False)))
    overrides = Overrides(("tqdm>=4",), ("numpy",), "3.10")
    instance.checks = [RUNNING, RUNNING, moved, replace(PASSED, overrides=overrides)]
    found = check(shell, 'iris@Champion --requirement "tqdm>=4" --without numpy --python 3.10')
    assert isinstance(found, CheckResult)
    assert found
    started = next(each for each in instance.requests if each.method == "POST")
    assert started.url.path.endswith("/models/iris/versions/1/check")
    assert json.loads(started.content) == {
        "overrides": {"requirements": ["tqdm>=4"], "remove": ["numpy"], "python": "3.10"}
    }
    lines = [line.split("] ")[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "check of iris 1: running (environment)",
        "check of iris 1: running (load)",
        "check of iris 1: passed",
    ]
    shown = str(found)
    assert "iris version 1 with tqdm>=4, no numpy, Python 3.10 passed in 4.0 s (Python 3.11.7" in shown
    assert "mlflow.models.update_model_requirements('models:/m-1', 'add', ['tqdm>=4'])" in shown
    assert "mlflow.models.update_model_requirements('models:/m-1', 'remove', ['numpy'])" in shown
    assert found._repr_mimebundle_()[MIME]["passed"] is True


@pytest.mark.req("REQ-127")
def test_a_failure_names_cause_and_what_to_try(shell: Any, instance: Instance) -> None:
    instance.checks = [FAILED]
    found = check(shell, "iris/1")
    assert not found
    shown = str(found)
    assert "failed in 0.0 s: missing module: the module <b> is not installed" in shown
    assert "hint: add it" in shown
    assert "ms.check('iris/1', requirements=['b'])" in shown
    assert shown.endswith("first line\nlast line")
    assert "&lt;b&gt;" in found.html()
    assert "<b> is" not in found.html()
    refused = refuse(CheckResult(replace(FAILED, version="")))
    assert "no version was made: missing module" in refused.message
    assert "the logged model is models:/m-1" in refused.message
    assert "update_model_requirements('models:/m-1', 'add', ['b'])" in refused.details["hint"]
    assert refused.details["hint"].splitlines()[0] == "add it"


def test_nobodys_check_goes_on(shell: Any, instance: Instance) -> None:
    instance.checks = [RUNNING]
    with pytest.raises(MagicFailure, match="no verdict after 0 s"):
        check(shell, "iris/1 --timeout 0")
    assert [each.method for each in instance.requests][-1] == "DELETE"
    assert instance.requests[-1].url.path.endswith("/checks/c1")


def test_a_logged_model_needs_the_name_that_it_shall_have(shell: Any, instance: Instance) -> None:
    with pytest.raises(MagicFailure, match="give name"):
        check(shell, "models:/m-1")
    with pytest.raises(UsageError, match="--apply"):
        check(shell, "models:/m-1 --name iris --apply")
    instance.checks = [PASSED]
    assert check(shell, "models:/m-1 --name iris")
    assert json.loads(instance.requests[-1].content) == {
        "model": "iris", "source": "models:/m-1", "overrides": {"requirements": [], "remove": [], "python": ""},
    }  # fmt: skip
