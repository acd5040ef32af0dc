"""``--env``, ``--secret`` and ``--tag`` of %serve: what is sent, and that no cell holds a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from IPython.core.error import StdinNotImplementedError, UsageError

from tests.unit.client.samples import Instance
from tests.unit.magics.test_magics import run

pytestmark = pytest.mark.req("REQ-140")


def put(instance: Instance) -> Any:
    return json.loads(next(each for each in instance.requests if each.method == "PUT").content)


def answers(monkeypatch: pytest.MonkeyPatch, answer: str | Exception) -> list[str]:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("getpass.getpass", ask)
    return asked


def test_a_secret_is_asked_for_and_sent_apart(shell: Any, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, "typed-value")
    monkeypatch.setenv("OWN_KEY", "value-of-the-kernel")
    run(shell, "%serve iris --no-wait --env A=1 --env 'B=x y' --secret KEY --secret OTHER=env:OWN_KEY --tag team=a")
    sent = put(instance)
    assert sent["environment_vars"] == {"A": "1", "B": "x y"}
    assert sent["tags"] == {"team": "a"}
    assert sent["secrets"] == ["KEY", "OTHER"]
    assert sent["secret_values"] == {"KEY": "typed-value", "OTHER": "value-of-the-kernel"}
    assert [each.partition(" ")[0] for each in asked] == ["KEY"]


@pytest.mark.parametrize("answer", ["", StdinNotImplementedError("papermill"), EOFError()])
def test_no_answer_keeps_what_was_set(
    shell: Any, instance: Instance, monkeypatch: pytest.MonkeyPatch, answer: str | Exception
) -> None:
    answers(monkeypatch, answer)
    run(shell, "%serve iris --no-wait --secret KEY")
    sent = put(instance)
    assert sent["secrets"] == ["KEY"]
    assert "secret_values" not in sent


@pytest.mark.parametrize("line", ["--secret KEY=sk-typed-into-the-cell", "--secret KEY=env:NOT_THERE", "--env novalue"])
def test_what_does_not_fit_is_refused_before_anything_is_sent(shell: Any, instance: Instance, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(shell, f"%serve iris --no-wait {line}")
    assert "sk-typed" not in str(caught.value)
    assert not any(each.method == "PUT" for each in instance.requests)
