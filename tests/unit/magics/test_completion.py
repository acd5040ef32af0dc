"""Completion: models, aliases, endpoints and options, in every form of a magic, without waiting."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter

from jupyter_modelserve.magics.completion import Completion, Known, Names
from tests.unit.client.samples import Instance, endpoint, model

KNOWN = Known((model("iris"), model("wine", {}, ("1",))), (endpoint("front"),))


class Fixed(Names):
    def get(self) -> Known:
        return KNOWN


@pytest.mark.parametrize(
    ("line", "token", "found"),
    [
        ("%serve i", "i", ["iris", "iris/1", "iris/2", "iris@Champion"]),
        ("%serve ", "", ["iris", "iris/1", "iris/2", "iris@Champion", "wine", "wine/1"]),
        ("x = %score fr", "fr", ["front"]),
        ("%%score iris@C", "C", ["Champion"]),
        ("%serve iris/", "iris/", ["iris/1", "iris/2"]),
        ("%serve --size Small wi", "wi", []),
        ("%stop ", "", ["front"]),
        ("%logs f", "f", ["front"]),
        ("%register w", "w", ["wine"]),
        ("%register wine mo", "mo", []),
        ("%serve iris --na", "--na", ["--name"]),
        ("print(i", "i", []),
    ],
)
def test_completions(shell: Any, line: str, token: str, found: list[str]) -> None:
    assert Completion(shell, Fixed()).complete(line, token) == found


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("%score ir", {"iris", "iris@Champion", "iris/1"}),
        ("x = %score iris@", {"Champion"}),
        ("%%score iris/", {"iris/1", "iris/2"}),
    ],
)
def test_the_shell_uses_it(shell: Any, line: str, texts: set[str]) -> None:
    def offered() -> set[str]:
        with provisionalcompleter():
            return {each.text for each in shell.Completer.completions(line, len(line))}

    until = time.monotonic() + 10
    while not texts <= offered():
        assert time.monotonic() < until, offered()


def test_a_slow_instance_does_not_hold_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def slow(**_: Any) -> Any:
        release.wait(30)
        return Instance().client()

    monkeypatch.setattr("jupyter_modelserve.client.session.current", slow)
    names = Names()
    started = time.monotonic()
    assert names.get() == Known()
    assert time.monotonic() - started < 1.0
    release.set()
    assert names._running is not None
    names._running.join(10)
    assert [each.name for each in names.get().models] == ["iris"]


def test_nothing_is_started_for_a_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def current(**arguments: Any) -> Any:
        asked.append(arguments)
        return Instance().client()

    monkeypatch.setattr("jupyter_modelserve.client.session.current", current)
    names = Names()
    names.get()
    assert names._running is not None
    names._running.join(10)
    assert asked == [{"start": False}]
