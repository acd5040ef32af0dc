"""Progress: one changing output where somebody looks on, printed lines where nobody does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_modelserve.client import cards
from jupyter_modelserve.magics import progress
from jupyter_modelserve.types import Phase, ServiceState, UpdateState, VersionState, VersionStatus
from tests.unit.client.samples import endpoint

LOADING = VersionStatus("iris", "1", "e", VersionState.LOADING, phases=(Phase("load", 1.5, False),))
STATUS = endpoint("<b>", ServiceState.PENDING, UpdateState.IN_PROGRESS, versions=(LOADING,))


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        (SimpleNamespace(), False),
        (SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=False)), False),
        (SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=True)), True),
    ],
)
def test_who_looks_on(shell: Any, expected: bool) -> None:
    assert cards.attended(shell) is expected


def test_lines_are_printed_once_per_change(capsys: pytest.CaptureFixture[str]) -> None:
    found = progress.Progress(SimpleNamespace())
    for _ in range(3):
        found.show(STATUS)
    found.close()
    assert capsys.readouterr().out.count("\n") == 1


def test_the_changing_output_is_escaped_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []

    class Handle:
        def display(self, data: dict[str, str], raw: bool) -> None:
            shown.append(data)

        update = display

    monkeypatch.setattr("IPython.display.DisplayHandle", Handle)
    found = progress.Progress(SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=True)))
    found.show(STATUS)
    found.close()
    assert len(shown) == 3
    assert "<b><b>" not in shown[1]["text/html"]
    assert "load 1.5 s" in shown[1]["text/html"]
    assert shown[2] == {"text/plain": "", "text/html": ""}
